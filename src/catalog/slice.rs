//! Slices of lists: which rows of a list are on a page, and how many there are in all.
//!
//! The lists of projects, pipelines and jobs read IDs out of one index and stop when they have enough; everything
//! that belongs to the rows is then read by ID. The columns of the migrations' indexes are in the order of the
//! conditions of the lists: change both.

/// More rows than this are not counted: a list says then only that there are more, as GitLab does.
pub const COUNT_LIMIT: i64 = 10_000;

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// How many rows stand before it.
    pub offset: i64,
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
