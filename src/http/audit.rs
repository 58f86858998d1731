//! Audit log line of a request, shared by all dialects.

use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest};

use crate::audit::{AuditContext, AuditOutcome, RequestOrigin};
use crate::http::client_ip::Client;
use crate::http::request_log::{RequestId, UpstreamSaid};

/// Writes the audit line of a request that ends with `status`: of every write, and of a read from one project
/// by a job of another. Does nothing if `audit` has no action.
pub fn log(request: &HttpRequest, audit: &AuditContext, status: StatusCode) {
    if let Some(said) = audit.inspect(|event| event.upstream.clone()) {
        request.extensions_mut().insert(UpstreamSaid(said));
    }
    let is_write = !request.method().is_safe();
    if !audit.inspect(|event| event.action.is_some() && (is_write || event.crosses_projects())) {
        return;
    }
    let outcome = match status.as_u16() {
        500.. => AuditOutcome::Failed,
        400.. => AuditOutcome::Refused,
        _ => AuditOutcome::Done,
    };
    let extensions = request.extensions();
    let request_id = extensions.get::<RequestId>().map(|id| id.0.as_str());
    let client = extensions.get::<Client>().map(|client| client.0);
    let origin = RequestOrigin { client, request_id };
    audit.inspect(|event| event.log(outcome, Some(status.as_u16()), origin));
}
