//! Names at the top of addresses: a project, a group of projects, an organization or a user.

use super::super::{Access, AccessError, Principal, ProjectAbsence};
use crate::access::project::AuthorizedProject;
use crate::auth::Actor;
use crate::catalog::slice::{Direction, Slice};
use crate::catalog::users::UserDetails;
use crate::catalog::{Db, projects, users};
use crate::domain::permissions::Action;
use crate::domain::project::ProjectRef;

/// What a name at the top of addresses stands for.
#[derive(Debug)]
pub enum Named {
    /// A project, by its full path.
    Project(String),
    /// A group that holds projects which the principal sees, by its full path.
    Group(String),
    /// A user.
    User(UserDetails),
}

impl Access {
    /// Finds what a path stands for: a project, else a group, else the group of an organization, else a user. What the
    /// principal may not see is as if it were not there.
    ///
    /// # Errors
    /// [`AccessError::Credential`], [`AccessError::ProjectNotFound`] if it stands for nothing.
    pub async fn named(&self, principal: &Principal, path: String) -> Result<Named, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = ProjectRef::Path(path.clone());
            match AuthorizedProject::find(db, &principal, &project, Action::SeeProject) {
                Ok(found) => return Ok(Named::Project(found.project.path)),
                Err(AccessError::ProjectNotFound(_) | AccessError::JobTokenNotAllowed { .. }) => {}
                Err(other) => return Err(other),
            }
            let actor = principal.authenticate_alone(db)?;
            if let Some(group) = visible_group(db, &actor, &path)? {
                return Ok(Named::Group(group));
            }
            if path.contains('/') {
                return Err(AccessError::ProjectNotFound(ProjectAbsence::Nonexistent));
            }
            for group in projects::groups_of_organization(db, &path)? {
                if let Some(group) = visible_group(db, &actor, &group)? {
                    return Ok(Named::Group(group));
                }
            }
            visible_user(db, &actor, &path)?
                .map(Named::User)
                .ok_or(AccessError::ProjectNotFound(ProjectAbsence::Nonexistent))
        })
        .await
    }
}

/// Returns the path of a group as its projects spell it, if the actor sees one of them.
fn visible_group(db: &mut Db, actor: &Actor, path: &str) -> Result<Option<String>, AccessError> {
    let list = super::project::projects_by_activity(None, Some(path.to_owned()), Direction::Ascending);
    let one = Slice { offset: 0, limit: 1 };
    let found = projects::visible(db, super::super::lists::viewer(actor), &list, one)?.pop();
    Ok(found.and_then(|details| details.project.path.get(..path.len()).map(str::to_owned)))
}

/// Finds a user whom the actor may know of: everybody who is signed in knows all users, and others those who appear in
/// public projects.
fn visible_user(db: &mut Db, actor: &Actor, username: &str) -> Result<Option<UserDetails>, AccessError> {
    let Some(id) = users::id_by_username(db, username)? else { return Ok(None) };
    let is_known = matches!(actor, Actor::User(_) | Actor::Foreign(_)) || users::is_public(db, id)?;
    Ok(if is_known { users::find_details(db, id)? } else { None })
}
