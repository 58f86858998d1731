//! Audit log: one line of the log target `audit` for every change, refused ones included, and for every read
//! by a job of another project.
//!
//! An [`AuditContext`] accompanies a request and collects its facts; the line is written with the response.
//! It never holds a token.

mod context;
mod event;
mod log;

pub use context::AuditContext;
pub use event::{AuditActor, AuditEvent};
pub use log::{AuditOutcome, RequestOrigin};
