//! Domain: pure values and rules, without I/O, HTTP and SQL.
//!
//! Everything here can be tested with a plain function call. Every other module may depend on this one; it
//! depends on none of them.

#[macro_use]
mod names;

pub mod artifact;
mod artifact_kind;
pub mod build;
pub mod byte_size;
pub mod digest;
pub mod entry_path;
pub mod error;
pub mod expiry;
pub mod network;
pub mod path_pattern;
pub mod permissions;
pub mod pipeline;
pub mod project;
pub mod quota;
pub mod range;
pub mod role;
mod row_id;
pub mod scope;
pub mod status;
pub mod step;
pub mod tags;
pub mod time;
pub mod user;
mod uuid;

pub use digest::Sha256Digest;
pub use entry_path::EntryPath;
pub use error::{Error, ErrorKind, Result};
pub use names::UnknownName;
pub use row_id::RowId;
pub use time::{Clock, Timestamp};
pub use uuid::Uuid;
