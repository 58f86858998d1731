//! Rights in an upstream's projects: the upstream decides who may read there, and the table of permissions decides
//! the rest from the role that it tells.
//!
//! Nothing here waits: a question that is not answered yet stays open in the request's consultation, and the answer
//! is no until then.

use std::sync::Arc;

use super::project::{Rights, find_project};
use super::{AccessError, Principal, ProjectAbsence};
use crate::auth::{Actor, CredentialError, require_known};
use crate::catalog::Db;
use crate::catalog::foreign::{self, ForeignRef};
use crate::catalog::projects::{self, Project};
use crate::domain::permissions::{self, Action, Decision, Grant, TokenReach, authorize};
use crate::domain::project::{ProjectRef, Visibility};
use crate::domain::role::Role;
use crate::domain::status::Status;
use crate::ingest::pull::PullOrder;
use crate::upstream::{
    Answer, ArchiveAt, Asker, Consultation, ProjectKey, Question, RefJob, Refusal, Standing,
};

/// Pipelines of a ref that are known here and told to the upstream's question, where the asker may not list any there.
const KNOWN_OF_REF: i64 = 5;

/// A project whose jobs the upstream lets everybody read who comes so far.
const OPEN: permissions::Project = permissions::Project { visibility: Visibility::Public, public_jobs: true };

/// An asker in a project of the upstream.
#[derive(Debug)]
pub(super) struct ForeignRights {
    asker: Asker,
    project_id: i64,
    /// Whether the asker is a job of this project.
    is_own: bool,
    asked: Consultation,
}

impl ForeignRights {
    /// Asks whether the actor may read the project's jobs.
    pub(super) fn find(
        principal: &Principal,
        actor: &Actor,
        own_project: Option<i64>,
        asker: Asker,
        project: &Project,
    ) -> Result<Self, AccessError> {
        let asked = principal.asked();
        let is_own = asker.is_job() && own_project == Some(project.id);
        let rights = Self { asker, project_id: project.id, is_own, asked };
        if is_own {
            match rights.asked.ask(Question::Role(rights.asker.clone(), project.id)) {
                None => return Err(AccessError::ProjectNotFound(ProjectAbsence::Hidden)),
                // A member who may read jobs by his role needs no further question.
                Some(Answer::Role(standing)) if standing.role.is_some_and(|role| role >= Role::Reporter) => {
                    return Ok(rights);
                }
                Some(_) => {}
            }
        }
        let question = Question::MayRead(rights.asker.clone(), ProjectKey::Id(project.id));
        match rights.asked.ask(question) {
            Some(Answer::MayRead { .. }) => Ok(rights),
            other => Err(refused(principal, actor, other, project)),
        }
    }

    /// Decides by the table, asking for the role only where it makes a difference.
    pub(super) fn decide(&self, action: Action) -> Decision {
        let grant = |standing: Standing| {
            if self.asker.is_nobody() {
                Grant::Anonymous
            } else {
                Grant::User { admin: standing.admin, role: standing.role, reach: self.reach() }
            }
        };
        let without = authorize(grant(Standing::default()), action, OPEN);
        let best = authorize(grant(Standing { admin: true, ..Standing::default() }), action, OPEN);
        // The role of a job's user in another project is nobody's to tell.
        let is_told = !self.asker.is_job() || self.is_own;
        if without == best || !is_told { without } else { authorize(grant(self.standing()), action, OPEN) }
    }

    /// Asks what a ref leads to; what is told is stored before the work is done again. `false` as long as it is not
    /// told.
    pub(super) fn ask_newest(
        &self,
        db: &mut Db,
        ref_name: &str,
        job_name: &str,
    ) -> Result<bool, AccessError> {
        let known = if self.asked.asks_of_refs_as(&self.asker) {
            foreign::newest_of_ref(db, self.project_id, ref_name, KNOWN_OF_REF)?
        } else {
            Vec::new()
        };
        Ok(self.newest(ref_name, job_name, known).is_some())
    }

    /// Returns what the upstream has told of a ref; `None` as long as it is not told.
    fn newest(&self, ref_name: &str, job_name: &str, known: Vec<i64>) -> Option<Arc<ForeignRef>> {
        let ref_job = RefJob { ref_name: ref_name.to_owned(), job_name: job_name.to_owned(), known };
        match self.asked.ask(Question::Newest(self.asker.clone(), self.project_id, ref_job))? {
            Answer::Newest(told) => Some(told),
            _ => None,
        }
    }

    /// Whether the upstream has told that a ref leads to no successful pipeline.
    pub(super) fn leads_nowhere(&self, ref_name: &str, job_name: &str) -> bool {
        self.newest(ref_name, job_name, Vec::new())
            .is_some_and(|told| told.is_complete && told.pipelines.is_empty())
    }

    /// Returns the job to which a ref leads at the upstream, once it has told that: in the nearest pipeline that has one.
    pub(super) fn newest_job(&self, ref_name: &str, job_name: &str) -> Option<i64> {
        let told = self.newest(ref_name, job_name, Vec::new())?;
        let of_pipeline = told.pipelines.iter().filter_map(|listed| {
            let succeeded = listed.jobs.iter().filter(|job| job.status == Status::Success);
            succeeded.map(|job| job.id).max()
        });
        of_pipeline.into_iter().next()
    }

    /// Asks whether the asker may fetch a job's archive from the upstream; `None` as long as it is not told.
    pub(super) fn may_fetch(&self, job_id: i64, as_dependency: bool) -> Option<Result<(), Refusal>> {
        let archive = self.archive(job_id, as_dependency);
        match self.asked.ask(Question::Artifact(self.asker.clone(), archive))? {
            Answer::Archive => Some(Ok(())),
            Answer::Refused(refusal) => Some(Err(refusal)),
            _ => None,
        }
    }

    /// Returns what is to be fetched if there is no such archive here; `None` if nothing is fetched.
    pub(super) fn order(
        &self,
        job_id: i64,
        as_dependency: bool,
        pipeline_id: Option<i64>,
    ) -> Option<PullOrder> {
        self.asked.pulls().then(|| PullOrder {
            asker: self.asker.clone(),
            client: self.asked.client(),
            archive: self.archive(job_id, as_dependency),
            pipeline_id,
            ahead: None,
        })
    }

    fn archive(&self, job_id: i64, as_dependency: bool) -> ArchiveAt {
        ArchiveAt { project_id: self.project_id, job_id, as_dependency }
    }

    /// Returns the number of the asker's user, if it is known.
    pub(super) fn user_id(&self) -> Option<i64> {
        self.standing().user_id
    }

    /// Returns the grant for the permission table, and the properties of the project that go with it.
    pub(super) fn grant(&self) -> (Grant, permissions::Project) {
        let Standing { admin, role, .. } = self.standing();
        (Grant::User { admin, role, reach: self.reach() }, OPEN)
    }

    fn reach(&self) -> TokenReach {
        match (self.asker.is_job(), self.is_own) {
            (false, _) => TokenReach::Unrestricted,
            (true, true) => TokenReach::AllowedJob,
            (true, false) => TokenReach::ForeignJob,
        }
    }

    fn standing(&self) -> Standing {
        match self.asked.ask(Question::Role(self.asker.clone(), self.project_id)) {
            Some(Answer::Role(standing)) => standing,
            _ => Standing::default(),
        }
    }
}

/// Returns the refusal that the answer to "may he read" is.
fn refused(principal: &Principal, actor: &Actor, answer: Option<Answer>, project: &Project) -> AccessError {
    let hidden = AccessError::ProjectNotFound(ProjectAbsence::Hidden);
    let Some(Answer::Refused(refusal)) = answer else { return hidden };
    match (refusal, actor) {
        // Servers before some release know nothing of job tokens here.
        (
            Refusal::Forbidden | Refusal::MissingScope | Refusal::Unauthenticated,
            Actor::Job { project_path, .. },
        ) => AccessError::JobTokenNotAllowed {
            source: last_segment(project_path),
            target: last_segment(&project.path),
        },
        (Refusal::Unauthenticated, Actor::Foreign(_)) => CredentialError::Unknown.into(),
        (Refusal::MissingScope, Actor::Foreign(_)) => CredentialError::MissingScope(principal.scopes).into(),
        (Refusal::Forbidden, Actor::Foreign(_)) => AccessError::Forbidden(Action::ReadJobs),
        _ => hidden,
    }
}

fn last_segment(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// Finds the project that a request means. One of the upstream is known by its number: its path may be another's
/// now, so a path that the upstream has not confirmed lately is asked about.
pub(super) fn find_meant(
    db: &mut Db,
    principal: &Principal,
    actor: &Actor,
    project: &ProjectRef,
) -> Result<Project, AccessError> {
    let asked = principal.asked();
    let (Some(upstream), Some(asker)) = (asked.upstream(), actor.asker()) else {
        return find_project(db, project);
    };
    let known = projects::find(db, project)?;
    let of_upstream = |project: &Project| project.upstream.as_deref() == Some(upstream);
    let absent = || AccessError::ProjectNotFound(ProjectAbsence::Nonexistent);
    if let Some(known) = &known
        && !of_upstream(known)
    {
        return Ok(known.clone());
    }
    let id = match project {
        ProjectRef::Id(id) => *id,
        ProjectRef::Path(path) => match asked.project_at(path) {
            Some(id) => id,
            None => {
                let key = ProjectKey::of(project).ok_or_else(absent)?;
                match asked.ask(Question::MayRead(asker, key)) {
                    Some(Answer::MayRead { project_id, .. }) => project_id,
                    other => {
                        let meant = Project { path: path.clone(), ..Project::unknown(0, upstream) };
                        return Err(refused(principal, actor, other, &meant));
                    }
                }
            }
        },
    };
    match known.filter(|known| known.id == id) {
        Some(known) => Ok(known),
        None => match projects::find(db, &ProjectRef::Id(id))? {
            // A number that is registered here belongs to another project than the upstream's path.
            Some(other) if !of_upstream(&other) => Err(absent()),
            Some(other) => Ok(other),
            None => {
                ProjectKey::of(&ProjectRef::Id(id)).ok_or_else(absent)?;
                Ok(Project::unknown(id, upstream))
            }
        },
    }
}

/// Returns the rights of an actor in a project: the upstream's word in its own projects, what is registered in all
/// others.
pub(super) fn rights_in(
    db: &mut Db,
    principal: &Principal,
    actor: &Actor,
    project: &Project,
) -> Result<Rights, AccessError> {
    let asked = principal.asked();
    let is_asked = project.upstream.is_some() && project.upstream.as_deref() == asked.upstream();
    match actor.asker().filter(|_| is_asked) {
        Some(asker) if project.is_gone() => {
            // Asked all the same: what the upstream tells after it was hidden shows it again.
            asked.doubt(project.id);
            let answer = asked.ask(Question::MayRead(asker, ProjectKey::Id(project.id)));
            Err(refused(principal, actor, answer, project))
        }
        Some(asker) => {
            let own = match actor {
                Actor::Job { job_id, .. } => {
                    crate::catalog::jobs::find(db, *job_id)?.map(|job| job.project_id)
                }
                Actor::Anonymous | Actor::User(_) | Actor::Foreign(_) | Actor::VouchedJob { .. } => None,
            };
            ForeignRights::find(principal, actor, own, asker, project).map(Rights::Foreign)
        }
        None => {
            require_known(&principal.credentials, actor, principal.scopes)?;
            if project.is_gone() {
                return Err(AccessError::ProjectNotFound(ProjectAbsence::Hidden));
            }
            Ok(Rights::Registered(crate::auth::grant_in(db, actor, project)?))
        }
    }
}
