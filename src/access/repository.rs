//! Repository: branches, tags and commits of a project, as far as its pipelines report them.

use crate::access::lists::{Listed, Total, one_more, take_page};
use crate::access::project::AuthorizedProject;
use crate::access::{Access, AccessError, CommitAbsence, Principal};
use crate::catalog::refs::{self, ActiveRef, Head, Log, Revision};
use crate::catalog::slice::{Direction, Slice};
use crate::catalog::{Db, projects};
use crate::domain::permissions::Action;
use crate::domain::pipeline::RefKind;
use crate::domain::project::ProjectRef;

/// The order of a list of refs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefOrder {
    /// By name.
    Name,
    /// By when the newest pipeline of each was created, the best approximation of its commit's age.
    Updated,
}

/// A query for refs.
#[derive(Debug, Clone)]
pub struct RefList {
    /// Branches or tags.
    pub kind: RefKind,
    /// Filter by name.
    pub search: RefSearchText,
    /// Order of the list.
    pub order: RefOrder,
    /// Direction of the list.
    pub direction: Direction,
}

/// A text that a ref's name contains, in any case; a `^` before and a `$` after it anchor it.
#[derive(Debug, Clone)]
pub struct RefSearchText {
    text: String,
    at_start: bool,
    at_end: bool,
}

impl RefSearchText {
    /// Parses a search; an empty one matches every name.
    pub fn read(text: &str) -> Self {
        let (text, at_start) = text.strip_prefix('^').map_or((text, false), |rest| (rest, true));
        let (text, at_end) = text.strip_suffix('$').map_or((text, false), |rest| (rest, true));
        Self { text: text.to_lowercase(), at_start, at_end }
    }

    fn finds(&self, name: &str) -> bool {
        let (name, text) = (name.to_lowercase(), self.text.as_str());
        match (self.at_start, self.at_end) {
            (true, true) => name == text,
            (true, false) => name.starts_with(text),
            (false, true) => name.ends_with(text),
            (false, false) => name.contains(text),
        }
    }
}

impl RefList {
    fn arrange(&self, all: &mut Vec<(String, i64)>) {
        all.retain(|(name, _)| self.search.finds(name));
        match self.order {
            RefOrder::Name => all.sort_unstable(),
            RefOrder::Updated => all.sort_unstable_by_key(|(_, pipeline_id)| *pipeline_id),
        }
        if self.direction == Direction::Descending {
            all.reverse();
        }
    }
}

/// A page of refs, and the project's default branch.
#[derive(Debug)]
pub struct ListedRefs {
    /// The refs of the page.
    pub refs: Listed<Head>,
    /// The default branch, if it is known.
    pub default_branch: Option<String>,
}

impl Access {
    /// Lists a page of a project's branches or tags.
    ///
    /// # Errors
    /// In this order: the credential, the project, the right to read its jobs.
    pub async fn refs(
        &self,
        principal: &Principal,
        project: ProjectRef,
        list: RefList,
        page: Slice,
    ) -> Result<ListedRefs, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?.project;
            let (total, part) = part_of(db, project.id, &list, page)?;
            let items = refs::heads(db, project.id, part)?;
            let default_branch = projects::default_branch(db, project.id)?;
            Ok(ListedRefs { refs: Listed { items, total, project_path: project.path }, default_branch })
        })
        .await
    }

    /// Lists a page of a project's branches or tags, each with its newest pipelines.
    ///
    /// # Errors
    /// As [`Access::refs`].
    pub async fn refs_with_successes(
        &self,
        principal: &Principal,
        project: ProjectRef,
        list: RefList,
        page: Slice,
    ) -> Result<Listed<ActiveRef>, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?.project;
            let (total, part) = part_of(db, project.id, &list, page)?;
            let newest: Vec<i64> = part.into_iter().map(|(_, pipeline_id)| pipeline_id).collect();
            let items = refs::with_successes(db, &newest)?;
            Ok(Listed { items, total, project_path: project.path })
        })
        .await
    }

    /// Finds a branch or tag by name, with the project's default branch and full path.
    ///
    /// # Errors
    /// As [`Access::refs`], then [`AccessError::RefNotFound`].
    pub async fn named_ref(
        &self,
        principal: &Principal,
        project: ProjectRef,
        kind: RefKind,
        name: String,
    ) -> Result<(Head, Option<String>, String), AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?.project;
            let newest = refs::newest(db, project.id, kind, &name)?;
            let found = newest.map(|pipeline_id| (name, pipeline_id)).into_iter().collect();
            let head = refs::heads(db, project.id, found)?.pop().ok_or(AccessError::RefNotFound(kind))?;
            Ok((head, projects::default_branch(db, project.id)?, project.path))
        })
        .await
    }

    /// Lists a page of the commits on which pipelines of a ref ran; without a ref, of the default branch, or
    /// of all refs with `all`. They are not counted.
    ///
    /// # Errors
    /// As [`Access::refs`].
    pub async fn commits(
        &self,
        principal: &Principal,
        project: ProjectRef,
        (mut log, all): (Log, bool),
        page: Slice,
    ) -> Result<Listed<Revision>, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?.project;
            if all {
                log.ref_name = None;
            } else if log.ref_name.is_none() {
                log.ref_name = default_branch_of_some(db, project.id)?;
            }
            let mut items = refs::log(db, project.id, &log, one_more(page))?;
            let more = take_page(&mut items, page);
            Ok(Listed { items, total: Total::Unknown { more }, project_path: project.path })
        })
        .await
    }

    /// Finds a commit by its ID, its beginning, or the name of a ref; `HEAD` is the default branch. With the
    /// project's full path.
    ///
    /// # Errors
    /// As [`Access::refs`], then [`AccessError::CommitNotFound`].
    pub async fn commit(
        &self,
        principal: &Principal,
        project: ProjectRef,
        name: String,
    ) -> Result<(Revision, String), AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?.project;
            let name = match name.as_str() {
                "HEAD" => projects::default_branch(db, project.id)?.ok_or(NO_DEFAULT_BRANCH)?,
                _ => name,
            };
            let found = refs::revision(db, project.id, &name)?
                .ok_or(AccessError::CommitNotFound(CommitAbsence::NoPipeline))?;
            Ok((found, project.path))
        })
        .await
    }
}

const NO_DEFAULT_BRANCH: AccessError = AccessError::CommitNotFound(CommitAbsence::NoDefaultBranch);

/// Returns the names in a part of a list of refs with their newest pipelines, and how many there are in all.
fn part_of(
    db: &mut Db,
    project_id: i64,
    list: &RefList,
    page: Slice,
) -> Result<(Total, Vec<(String, i64)>), AccessError> {
    let mut all = refs::all(db, project_id, list.kind)?;
    list.arrange(&mut all);
    let index = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let total = Total::Known(all.len());
    Ok((total, all.into_iter().skip(index(page.offset)).take(index(page.limit)).collect()))
}

/// Returns the default branch. A project without pipelines has no commits, whatever its branch is; with
/// pipelines but no known default branch none is guessed, because the guess would change with each pipeline.
fn default_branch_of_some(db: &mut Db, project_id: i64) -> Result<Option<String>, AccessError> {
    let branch = projects::default_branch(db, project_id)?;
    let first = Slice { offset: 0, limit: 1 };
    if branch.is_none() && !refs::log(db, project_id, &Log::default(), first)?.is_empty() {
        return Err(NO_DEFAULT_BRANCH);
    }
    Ok(branch)
}
