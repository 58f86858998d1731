//! Audit context of a request: its [`AuditEvent`], shared by everything that handles the request.

use std::sync::{Arc, Mutex, PoisonError};

use super::event::{AuditActor, AuditEvent};
use crate::catalog::projects::Project;
use crate::catalog::users::User;
use crate::metrics::FailureReason;

/// The event of one request. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct AuditContext(Arc<Mutex<AuditEvent>>);

impl AuditContext {
    /// Sets the action. Clears everything recorded for an earlier route candidate, except the actor, the
    /// its state, the credential type and its scopes.
    pub fn start(&self, action: &'static str) {
        self.update(|event| {
            let (who, credential, scopes) = (std::mem::take(&mut event.who), event.credential, event.scopes);
            let (action, refusal, is_canceling) = (Some(action), event.refusal, event.is_canceling);
            let before =
                AuditEvent { who, credential, refusal, scopes, is_canceling, ..AuditEvent::default() };
            *event = AuditEvent { action, ..before };
        });
    }

    /// Sets the credential type.
    pub fn set_credential(&self, credential: &'static str) {
        self.update(|event| event.credential = Some(credential));
    }

    /// Sets why the credential was refused.
    pub fn set_refusal(&self, reason: FailureReason) {
        self.update(|event| event.refusal = Some(reason));
    }

    /// Sets the owner of a personal token, valid or not, as the actor.
    pub fn set_user_actor(&self, user: &User) {
        self.set_credential("personal_token");
        self.update(|event| event.who = AuditActor::User { id: user.id, username: user.username.clone() });
    }

    /// Sets the user of an upstream, by its ID there, as the actor.
    pub fn set_foreign_actor(&self, id: i64, upstream: &str) {
        let upstream = upstream.to_owned();
        self.update(|event| event.who = AuditActor::Foreign { id, upstream });
    }

    /// Sets the job of a job token, valid or not, as the actor.
    pub fn set_job_actor(&self, id: i64, project_path: &str, user: Option<&User>) {
        self.set_credential("job_token");
        let (project_path, username) = (project_path.to_owned(), user.map(|user| user.username.clone()));
        self.update(|event| event.who = AuditActor::Job { id, project_path, username });
    }

    /// Sets the job of an ID token as the actor.
    pub fn set_vouched_job(&self, id: i64, project_path: &str) {
        self.set_credential("id_token");
        let project_path = project_path.to_owned();
        self.update(|event| event.who = AuditActor::Job { id, project_path, username: None });
    }

    /// Sets the project that the request is about.
    pub fn set_project(&self, project: &Project) {
        self.update(|event| event.project = Some((project.id, project.path.clone())));
    }

    /// Sets the job that the request is about.
    pub fn set_job(&self, id: i64) {
        self.update(|event| event.job_id = Some(id));
    }

    /// Notes that the request makes a change, whatever its method.
    pub fn record(&self) {
        self.update(|event| event.is_change = true);
    }

    /// Updates the event.
    pub fn update(&self, tell: impl FnOnce(&mut AuditEvent)) {
        tell(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Reads the event.
    pub fn inspect<T>(&self, look: impl FnOnce(&AuditEvent) -> T) -> T {
        look(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
