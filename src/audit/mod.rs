//! The audit log: one line of the log target `audit` for every change, refused ones included, and for every read
//! by a job of another project.
//!
//! An [`AuditContext`] goes with a request and collects what is found out about it; the line is written with the
//! response. Nothing here ever holds a token.

mod context;
mod event;
mod log;

pub use context::AuditContext;
pub use event::{AuditActor, AuditEvent};
pub use log::{AuditOutcome, RequestOrigin};
