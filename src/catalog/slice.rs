//! Slices of lists: which rows of a list are on a page, and how many there are in all.
//!
//! The lists of projects, pipelines and jobs read IDs from one index and stop when they have enough;
//! everything that belongs to the rows is then read by ID. The columns of the migrations' indexes are in the
//! order of the conditions of the lists: change both.

/// How many rows are counted at most: a longer list only says that there are more, as in GitLab.
pub const COUNT_LIMIT: i64 = 10_000;

/// A slice of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// How many rows come before it.
    pub offset: i64,
    /// How many rows it has at most.
    pub limit: i64,
}

/// The sort direction of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// The number of rows of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// The exact number.
    Exactly(i64),
    /// More than [`COUNT_LIMIT`].
    TooMany,
}
