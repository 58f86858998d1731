//! Lists that a principal may read: projects, pipelines and jobs, a page at a time.

mod jobs;
mod pipelines;
mod projects;

pub use pipelines::ChildPipelines;
pub use projects::ListedProjects;
pub(super) use projects::viewer;

use crate::catalog::slice::{Count, Slice};

/// The number of items of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// This many.
    Known(usize),
    /// Not counted.
    Unknown {
        /// Whether there are items after the page.
        more: bool,
    },
}

/// A page of a list in one project.
#[derive(Debug)]
pub struct Listed<T> {
    /// The items of the page.
    pub items: Vec<T>,
    /// Number of items of the whole list.
    pub total: Total,
    /// The full path of the project.
    pub project_path: String,
}

/// Returns a page with one item more, which shows whether there are further pages.
pub(super) fn one_more(page: Slice) -> Slice {
    Slice { limit: page.limit + 1, ..page }
}

/// Removes the item after the page; returns whether there was one.
pub(super) fn take_page<T>(items: &mut Vec<T>, page: Slice) -> bool {
    let size = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let more = items.len() > size;
    items.truncate(size);
    more
}

/// The total of a list that was counted or has `more` items after the page.
pub(super) fn total(count: Count, more: bool) -> Total {
    match count {
        Count::Exactly(total) => known(total),
        Count::TooMany => Total::Unknown { more },
    }
}

pub(super) fn known(total: i64) -> Total {
    Total::Known(usize::try_from(total).unwrap_or(0))
}

impl<T> Listed<T> {
    fn nothing(project_path: String) -> Self {
        Self { items: Vec::new(), total: Total::Known(0), project_path }
    }
}
