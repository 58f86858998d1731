//! Audit log line of a request, shared by all dialects.

use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest};

use crate::audit::{AuditActor, AuditContext, AuditEvent, AuditOutcome, RequestOrigin};
use crate::http::client_ip::Client;
use crate::http::request_log::{RequestId, UpstreamSaid};

/// Writes the audit line of a request that ends with `status`: of every write, and of a read from one project
/// by a job of another. Does nothing if `audit` has no action.
pub fn log(request: &HttpRequest, audit: &AuditContext, status: StatusCode) {
    if let Some(said) = audit.inspect(|event| event.upstream.clone()) {
        request.extensions_mut().insert(UpstreamSaid(said));
    }
    let is_write = !request.method().is_safe();
    if !audit
        .inspect(|event| event.action.is_some() && (is_write || event.is_change || event.crosses_projects()))
    {
        return;
    }
    let outcome = match status.as_u16() {
        500.. => AuditOutcome::Failed,
        400.. => AuditOutcome::Refused,
        _ => AuditOutcome::Done,
    };
    audit.inspect(|event| log_from(request, event, outcome, Some(status)));
}

/// Writes the audit line of a session that has ended by itself, which a request has found out.
pub(super) fn log_end_of_session(request: &HttpRequest, id: i64, who: AuditActor, why: &str) {
    let event = AuditEvent {
        action: Some("session.end"),
        who,
        credential: Some("session"),
        subject: Some(format!("session {id}: {why}")),
        ..AuditEvent::default()
    };
    log_from(request, &event, AuditOutcome::Done, None);
}

fn log_from(request: &HttpRequest, event: &AuditEvent, outcome: AuditOutcome, status: Option<StatusCode>) {
    let extensions = request.extensions();
    let request_id = extensions.get::<RequestId>().map(|id| id.0.as_str());
    let client = extensions.get::<Client>().map(|client| client.0);
    event.log(outcome, status.map(|status| status.as_u16()), RequestOrigin { client, request_id });
}
