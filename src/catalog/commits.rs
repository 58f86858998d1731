//! Commits that pipelines ran on, as far as they were registered.

use diesel::prelude::*;

use super::schema::commits;
use super::{Db, db::MultiBackend};
use crate::domain::{Result, Timestamp};

/// A registered commit.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = commits, check_for_backend(MultiBackend))]
pub struct CommitView {
    /// The commit ID as it was registered.
    pub sha: String,
    /// The first line of the message.
    pub title: String,
    /// The whole message.
    pub message: String,
    /// The author, who need not be the committer.
    pub author_name: String,
    /// The author's address.
    pub author_email: String,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

/// Finds a commit of a project, if it was registered.
///
/// # Errors
/// Those of the database.
pub fn find(db: &mut Db, project_id: i64, sha: &str) -> Result<Option<CommitView>> {
    Ok(commits::table.find((project_id, sha)).select(CommitView::as_select()).first(db).optional()?)
}
