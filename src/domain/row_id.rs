//! Row ID: how a request names a job or pipeline that is known by two IDs.

use super::Uuid;

/// The ID of a job or pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowId {
    /// Its number.
    Number(i64),
    /// Its UUID.
    Uuid(Uuid),
}
