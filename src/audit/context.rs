//! The audit context of a request: its [`AuditEvent`], shared by everything that handles the request.

use std::sync::{Arc, Mutex, PoisonError};

use super::event::{AuditActor, AuditEvent};
use crate::catalog::projects::Project;
use crate::catalog::users::User;

/// What a request turned out to be about. Clones share one.
#[derive(Debug, Clone, Default)]
pub struct AuditContext(Arc<Mutex<AuditEvent>>);

impl AuditContext {
    /// Tells what is asked for. What was found out for an earlier guess is forgotten, except who
    /// asks.
    pub fn start(&self, action: &'static str) {
        self.update(|facts| {
            let (who, credential) = (std::mem::take(&mut facts.who), facts.credential);
            *facts = AuditEvent { action: Some(action), who, credential, ..AuditEvent::default() };
        });
    }

    /// Tells what kind of credential was shown.
    pub fn set_credential(&self, credential: &'static str) {
        self.update(|facts| facts.credential = Some(credential));
    }

    /// Tells whose personal token it is, good or not.
    pub fn set_user_actor(&self, user: &User) {
        self.set_credential("personal_token");
        self.update(|facts| facts.who = AuditActor::User { id: user.id, username: user.username.clone() });
    }

    /// Tells whose job token it is, good or not.
    pub fn set_job_actor(&self, id: i64, project_path: &str, user: Option<&User>) {
        self.set_credential("job_token");
        let (project_path, username) = (project_path.to_owned(), user.map(|user| user.username.clone()));
        self.update(|facts| facts.who = AuditActor::Job { id, project_path, username });
    }

    /// Tells which project it is about.
    pub fn set_project(&self, project: &Project) {
        self.update(|facts| facts.project = Some((project.id, project.path.clone())));
    }

    /// Tells which job it is about.
    pub fn set_job(&self, id: i64) {
        self.update(|facts| facts.job_id = Some(id));
    }

    /// Adds whatever else is known.
    pub fn update(&self, tell: impl FnOnce(&mut AuditEvent)) {
        tell(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Looks at all that was told so far.
    pub fn inspect<T>(&self, look: impl FnOnce(&AuditEvent) -> T) -> T {
        look(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
