//! Audit line of an event, with its outcome and origin.

use std::net::IpAddr;

use super::event::{AuditActor, AuditEvent};

/// Origin of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestOrigin<'a> {
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The request ID.
    pub request_id: Option<&'a str>,
}

/// Outcome of a request or command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditOutcome {
    /// The action was done.
    Done,
    /// The request was not permitted or not valid.
    Refused,
    /// The server failed.
    Failed,
}

impl AuditEvent {
    /// Writes the audit line of what happened to a project because of what its upstream told; no request makes it.
    pub fn log_of_upstream(
        action: &'static str,
        project: (i64, String),
        upstream: &str,
        subject: Option<String>,
    ) {
        let (action, project, upstream) = (Some(action), Some(project), Some(upstream.to_owned()));
        let event = Self { action, project, upstream, subject, ..Self::default() };
        event.log(AuditOutcome::Done, None, RequestOrigin::default());
    }

    /// Writes the audit line. `status` is the HTTP status; `None` for a command.
    pub fn log(&self, outcome: AuditOutcome, status: Option<u16>, origin: RequestOrigin<'_>) {
        let action = self.action.unwrap_or("unknown");
        let outcome = outcome.as_str();
        let (user_id, uid, from_job) = match &self.who {
            AuditActor::User { id, .. } | AuditActor::Foreign { id, .. } => (Some(*id), None, None),
            AuditActor::Job { id, .. } => (None, None, Some(*id)),
            AuditActor::CommandLine { uid } => (None, *uid, None),
            AuditActor::Unknown => (None, None, None),
        };
        // Client and request ID are repeated from the span, because an audit log is often extracted and
        // stored elsewhere.
        tracing::info!(
            target: "audit",
            action,
            outcome,
            status,
            actor = self.who.to_string(),
            actor.user.id = user_id,
            actor.job.id = from_job,
            actor.uid = uid,
            credential = self.credential.unwrap_or("none"),
            project.id = self.project.as_ref().map(|(id, _)| *id),
            project.path = self.project.as_ref().map(|(_, path)| path.as_str()),
            pipeline.id = self.pipeline_id,
            job.id = self.job_id,
            artifact.id = self.artifact_id,
            upstream = self.upstream.as_deref(),
            subject = self.subject.as_deref(),
            client.address = origin.client.map(|client| client.to_string()),
            request.id = origin.request_id,
            "{action} {outcome}",
        );
    }
}

impl AuditOutcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}
