//! Pages of lists: which rows are on one, and how many there are in all.
//!
//! Everything here reads numbers out of one index and stops when it has enough; what belongs to the
//! rows is then asked for by number ([`super::details`]). The order of columns in the migrations'
//! indexes is that of the conditions here: change both.

pub mod jobs;
pub mod pipelines;
pub mod projects;

/// More rows than this are not counted: a list says then only that there are more, as GitLab does.
pub const COUNT_LIMIT: i64 = 10_000;

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How many rows stand before it.
    pub skip: i64,
    /// How many rows it has at most.
    pub limit: i64,
}

/// Which way a list runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// How many rows a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// This many.
    Exactly(i64),
    /// More than [`COUNT_LIMIT`].
    TooMany,
}
