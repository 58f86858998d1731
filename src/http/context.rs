//! Request context: what every dialect reads from a request before it decides anything.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::access::{AcceptedCredentials, Access, AccessError, Principal};
use crate::app::App;
use crate::audit::AuditContext;
use crate::auth::signed_links::{Link, Purpose};
use crate::auth::{Credentials, VouchedJob};
use crate::domain::scope::Scopes;
use crate::domain::{Result, Timestamp, Uuid};
use crate::http::credentials::text;
use crate::http::error::RequestError;
use crate::http::measured::Measured;
use crate::http::query::Query;
use crate::http::reason::Reason;
use crate::http::{base_url, client_ip, redact};
use crate::metrics::FailureReason;
use crate::upstream::Consultation;

/// A request and the application that answers it.
pub struct RequestContext {
    /// The application.
    pub app: Data<App>,
    /// The request's head.
    pub request: HttpRequest,
    /// Its query parameters.
    pub query: Query,
    /// The time used for every decision about this request.
    pub now: Timestamp,
    /// The record for the audit log.
    pub audit: AuditContext,
    /// What the request asks of the upstream, if there is one.
    pub asked: Consultation,
    /// The job of the ID token that the request has.
    pub vouched: Option<Arc<VouchedJob>>,
}

impl RequestContext {
    /// Reads a request's head.
    pub fn new(app: Data<App>, request: &HttpRequest) -> Self {
        let (now, audit) = (app.clock.now(), AuditContext::default());
        let client = client_ip::of(request);
        // An address that fails too often asks no upstream about tokens that nobody has shown lately.
        let may_ask = client.is_none_or(|client| !app.failed_auth.is_reached(client, now));
        let asked = app.access.consultation(&audit, client, may_ask);
        let query = Query::parse(request.query_string());
        Self { query, now, request: request.clone(), audit, asked, vouched: None, app }
    }

    /// Returns the service layer.
    pub fn access(&self) -> &Access {
        &self.app.access
    }

    /// Whether the method is `HEAD`.
    pub fn is_head(&self) -> bool {
        self.request.method() == Method::HEAD
    }

    /// Notes the template of the route that the request has, for the metrics.
    pub fn has_route(&self, template: &'static str) {
        if let Some(measured) = Measured::of(&self.request) {
            measured.has_route(template);
        }
    }

    /// Notes that the request sends bytes of an artifact, for the metrics.
    pub fn is_upload(&self) {
        if let Some(measured) = Measured::of(&self.request) {
            measured.is_upload();
        }
    }

    /// Returns the client's address, if it is known.
    pub fn client_ip(&self) -> Option<IpAddr> {
        client_ip::of(&self.request)
    }

    /// Builds a principal from these credentials, for a function that accepts the given kinds and requires
    /// one of `scopes` of a personal token.
    pub fn principal(
        &self,
        credentials: Credentials,
        accepted: AcceptedCredentials,
        scopes: Scopes,
    ) -> Principal {
        let credentials = Credentials { asked: self.asked.clone(), ..credentials };
        Principal { credentials, accepted, scopes, now: self.now }
    }

    /// Returns no credentials, with what every credential of the request shares: its audit record and what it asks of
    /// the upstream. For a function that takes its token by itself.
    pub fn bare_credentials(&self) -> Credentials {
        Credentials { list: Vec::new(), audit: self.audit.clone(), asked: self.asked.clone() }
    }

    /// Returns the value of a checked parameter. An invalid one is reported only to an authenticated
    /// principal: others are refused first.
    ///
    /// # Errors
    /// [`AccessError::Credential`], else the error of `checked`.
    pub async fn after_authentication<T, E: From<AccessError>>(
        &self,
        principal: &Principal,
        checked: std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        if checked.is_err() {
            self.access().authenticate(principal).await?;
        }
        checked
    }

    /// Returns the base of absolute URLs: the configured one, the one a trusted proxy reports, or the one the
    /// client used.
    pub fn base_url(&self) -> String {
        base_url::of(&self.request, &self.app.settings)
    }

    /// Returns the URL of the request without its query and without tokens.
    pub fn url(&self) -> String {
        format!("{}{}", self.base_url(), redact::tokens(self.request.path()))
    }

    /// Counts a failed authentication for the client's address, if `error` is one. Above the limit, that is
    /// the error instead.
    pub fn limit_failures<E: From<RequestError>>(&self, error: E, is_failed_authentication: bool) -> E {
        if !is_failed_authentication {
            return error;
        }
        let limited = self.client_ip().and_then(|client| self.app.failed_auth.count(client, self.now));
        let reason = match limited {
            Some(_) => FailureReason::Limited,
            None => self.audit.inspect(|event| event.refusal).unwrap_or(FailureReason::Unknown),
        };
        self.app.metrics.auth.failed(reason);
        limited.map_or(error, |seconds| RequestError::TooManyFailures { retry_after_seconds: seconds }.into())
    }

    /// Adds to the reason of a refusal that the credential in `place` was empty and therefore ignored, if no
    /// other was sent: the client may not know that it is empty.
    pub fn note_empty_credential(&self, response: &mut HttpResponse, place: Option<&'static str>) {
        if let (true, Some(place)) = (self.audit.inspect(|event| event.credential.is_none()), place) {
            Reason::extend(response, &format!("{place} is empty"));
        }
    }

    /// Returns an absolute URL that carries its own permission for `lifetime`.
    ///
    /// # Errors
    /// Those of the catalog, which keeps the keys.
    pub async fn signed_url(&self, purpose: Purpose, uuid: Uuid, lifetime: Duration) -> Result<String> {
        self.signed_url_of_file(purpose, uuid, None, lifetime).await
    }

    /// Like [`RequestContext::signed_url`], for the file at `path` of an artifact that is an archive.
    ///
    /// # Errors
    /// Those of the catalog, which keeps the keys.
    pub async fn signed_url_of_file(
        &self,
        purpose: Purpose,
        uuid: Uuid,
        path: Option<String>,
        lifetime: Duration,
    ) -> Result<String> {
        let until = self.now.plus_seconds(lifetime.as_secs()).unwrap_or(self.now);
        let path = Link { purpose, uuid, path, until }.sign(&self.app.keys, self.now).await?;
        Ok(format!("{}{path}", self.base_url()))
    }

    /// Whether `Content-Length` announces more than `limit_bytes`.
    pub fn announces_more_than(&self, limit_bytes: u64) -> bool {
        self.announced_bytes().is_some_and(|bytes| bytes > limit_bytes)
    }

    /// Returns the size of the body that `Content-Length` announces.
    pub fn announced_bytes(&self) -> Option<u64> {
        text(self.request.headers(), CONTENT_LENGTH.as_str())?.parse().ok()
    }
}
