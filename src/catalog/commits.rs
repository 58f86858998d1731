//! Commits that pipelines ran on, as far as the registry was told of them.

use diesel::prelude::*;

use super::schema::commits;
use super::{Db, db::MultiBackend};
use crate::domain::{Result, Timestamp};

/// What is known of a commit.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = commits, check_for_backend(MultiBackend))]
pub struct CommitView {
    /// Its id.
    pub sha: String,
    /// The first line of the message.
    pub title: String,
    /// The whole message.
    pub message: String,
    /// Who wrote it.
    pub author_name: String,
    /// Where to reach them.
    pub author_email: String,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

/// A commit of a project, if anybody told of it.
///
/// # Errors
/// Only those of the database.
pub fn find(db: &mut Db, project_id: i64, sha: &str) -> Result<Option<CommitView>> {
    Ok(commits::table.find((project_id, sha)).select(CommitView::as_select()).first(db).optional()?)
}
