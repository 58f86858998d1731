//! What a principal may list and look at: projects, pipelines and jobs, a page at a time.

mod jobs;
mod pipelines;
mod projects;

pub use pipelines::ChildPipelines;
pub use projects::ListedProjects;

use crate::catalog::slice::Slice;

/// How many items a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// This many.
    Known(usize),
    /// Nobody counted.
    Unknown {
        /// Whether there are items behind the page.
        more: bool,
    },
}

/// A page of what is in one project.
#[derive(Debug)]
pub struct Listed<T> {
    /// The items of the page.
    pub items: Vec<T>,
    /// How many there are in all.
    pub total: Total,
    /// The full path of the project.
    pub project_path: String,
}

/// A page with one item more than it has room for, which tells whether there are more.
pub(super) fn one_more(page: Slice) -> Slice {
    Slice { limit: page.limit + 1, ..page }
}

/// Takes the item behind the page off, if there is one.
pub(super) fn take_page<T>(items: &mut Vec<T>, page: Slice) -> bool {
    let size = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let more = items.len() > size;
    items.truncate(size);
    more
}

fn known(total: i64) -> Total {
    Total::Known(usize::try_from(total).unwrap_or(0))
}

impl<T> Listed<T> {
    fn nothing(project_path: String) -> Self {
        Self { items: Vec::new(), total: Total::Known(0), project_path }
    }
}
