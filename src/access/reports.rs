//! Reports: what the address of a report lets its holder read, asked again with every request.

use super::project::{AuthorizedProject, find_project};
use super::{
    AcceptedCredentials, Access, AccessError, ArtifactAbsence, JobAbsence, JobArchive, Principal,
    ProjectAbsence,
};
use crate::auth::report_tokens::{ReportHolder, ReportSubject, ReportToken};
use crate::auth::{self, Actor, Credential, CredentialError, Credentials};
use crate::catalog::{artifacts, jobs, tokens};
use crate::domain::Timestamp;
use crate::domain::permissions::Action;
use crate::domain::project::ProjectRef;
use crate::domain::scope::Scopes;
use crate::upstream::Consultation;

impl Access {
    /// Tells who gets the address of a report. Whoever only an upstream knows gets what nobody in particular does if
    /// his token is too long to be asked with later.
    ///
    /// # Errors
    /// [`AccessError::Credential`], also for jobs.
    pub async fn report_holder(&self, principal: &Principal) -> Result<ReportHolder, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let refused = |why: CredentialError| AccessError::from(why);
            let session = match principal.credentials.list.first() {
                Some(Credential::Session(session)) => Some(session.id),
                _ => None,
            };
            match (principal.authenticate(db)?, session) {
                (Actor::Anonymous, _) => Ok(ReportHolder::Anonymous),
                (Actor::Foreign(asker), id) => {
                    let asked = principal.asked();
                    let holder = asked.upstream().and_then(|name| ReportHolder::foreign(name, id, &asker));
                    Ok(holder.unwrap_or(ReportHolder::Anonymous))
                }
                (Actor::User(_), Some(id)) => Ok(ReportHolder::Session(id)),
                (Actor::User(_), None) => {
                    let digest = auth::personal_digest(&principal.credentials);
                    let digest = digest.ok_or_else(|| refused(CredentialError::Unknown))?;
                    let known = tokens::details(db, digest)?;
                    let (token, _) = known.ok_or_else(|| refused(CredentialError::Unknown))?;
                    Ok(ReportHolder::PersonalToken(token.id))
                }
                (Actor::Job { .. } | Actor::VouchedJob { .. }, _) => {
                    Err(refused(CredentialError::NotForJobs))
                }
            }
        })
        .await
    }

    /// Finds what a report consists of, if its holder may still read all of it. `request` has no credentials of its own.
    ///
    /// # Errors
    /// As [`Access::archive_of_job`]; [`AccessError::ArtifactNotFound`] also if the job has another archive now.
    pub async fn report(
        &self,
        token: &ReportToken,
        request: Credentials,
        now: Timestamp,
    ) -> Result<JobArchive, AccessError> {
        let accepted = AcceptedCredentials::UserOrAnonymous;
        let principal = Principal { credentials: request, accepted, scopes: Scopes::READ, now };
        let token = token.clone();
        self.read_inline(principal.asked(), move |db| {
            let actor = auth::report_reader(db, &token.holder, &principal.credentials, now)?;
            let job_id = token.subject.job_id();
            let missing = AccessError::JobNotFound { why: JobAbsence::Nonexistent, may_be_told: false };
            let job = jobs::find(db, job_id)?.ok_or(missing)?;
            let project = find_project(db, &ProjectRef::Id(job.project_id))?;
            let project = AuthorizedProject::new(db, &principal, actor, project, Action::ReadJobs)?;
            let all = artifacts::of_job(db, job.id)?;
            let absent = || AccessError::ArtifactNotFound(ArtifactAbsence::NoneOfName);
            let found = match token.subject {
                ReportSubject::OfJob { .. } => project.archive(db, &job, all)?,
                ReportSubject::Named { archive_id, .. } => {
                    let named = all.into_iter().find(|artifact| artifact.id == archive_id);
                    let name = named.ok_or_else(absent)?.name;
                    JobArchive { archive: Some(project.artifact(db, &job, &name)?), files: Vec::new() }
                }
            };
            let is_same = found.archive.as_ref().map(|archive| archive.id) == token.subject.archive_id();
            if is_same { Ok(found) } else { Err(absent()) }
        })
        .await
    }

    /// Finds the path of the project of a job, whoever asks: for somebody to whom a report of it was shown before.
    ///
    /// # Errors
    /// [`AccessError::JobNotFound`], [`AccessError::ProjectNotFound`].
    pub async fn project_of_report(&self, job_id: i64) -> Result<String, AccessError> {
        self.read_inline(Consultation::default(), move |db| {
            let missing = AccessError::JobNotFound { why: JobAbsence::Nonexistent, may_be_told: false };
            let job = jobs::find(db, job_id)?.ok_or(missing)?;
            let project = find_project(db, &ProjectRef::Id(job.project_id))?;
            if project.is_gone() {
                return Err(AccessError::ProjectNotFound(ProjectAbsence::Hidden));
            }
            Ok(project.path)
        })
        .await
    }
}
