//! The context of a request: what every dialect reads from it before anything is decided.

use std::net::IpAddr;

use actix_web::http::Method;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::access::{AcceptedCredentials, Access, AccessError, Principal};
use crate::app::App;
use crate::audit::AuditContext;
use crate::auth::Credentials;
use crate::domain::Timestamp;
use crate::domain::scope::Scopes;
use crate::http::credentials::text;
use crate::http::error::RequestError;
use crate::http::query::Query;
use crate::http::reason::Reason;
use crate::http::{base_url, client_ip, redact};

/// A request, with the parts of the program that answer it.
pub struct RequestContext {
    /// The parts of the program.
    pub app: Data<App>,
    /// The request's head.
    pub request: HttpRequest,
    /// Its query parameters.
    pub query: Query,
    /// The time at which the whole request is judged.
    pub now: Timestamp,
    /// The record for the audit log.
    pub audit: AuditContext,
}

impl RequestContext {
    /// Reads a request's head.
    pub fn new(app: Data<App>, request: &HttpRequest) -> Self {
        Self {
            query: Query::parse(request.query_string()),
            now: app.clock.now(),
            request: request.clone(),
            audit: AuditContext::default(),
            app,
        }
    }

    /// The service layer.
    pub fn access(&self) -> &Access {
        &self.app.access
    }

    /// Whether only the head of the answer is wanted.
    pub fn is_head(&self) -> bool {
        self.request.method() == Method::HEAD
    }

    /// The client's address, if it is known.
    pub fn client_ip(&self) -> Option<IpAddr> {
        client_ip::of(&self.request)
    }

    /// The principal with these credentials, for a function that accepts the given kinds of them and needs one
    /// of `scopes` of a personal token.
    pub fn principal(
        &self,
        credentials: Credentials,
        accepted: AcceptedCredentials,
        scopes: Scopes,
    ) -> Principal {
        Principal { credentials, accepted, scopes, now: self.now }
    }

    /// The value of a checked parameter. That it is wrong is said only to a principal that can be
    /// authenticated: others are refused first.
    ///
    /// # Errors
    /// [`AccessError::Credential`], else the error of `checked`.
    pub async fn after_authentication<T, E: From<AccessError>>(
        &self,
        principal: &Principal,
        checked: Result<T, E>,
    ) -> Result<T, E> {
        if checked.is_err() {
            self.access().authenticate(principal).await?;
        }
        checked
    }

    /// The base of absolute URLs: the one that was configured, the one that a trusted proxy names, or the one
    /// that the client used.
    pub fn base_url(&self) -> String {
        base_url::of(&self.request, &self.app.settings)
    }

    /// The URL of the request without its query, and without tokens.
    pub fn url(&self) -> String {
        format!("{}{}", self.base_url(), redact::tokens(self.request.path()))
    }

    /// Counts a failed authentication of the client's address. Past the limit, returns the refusal that takes
    /// the place of any other.
    pub fn limit_failures(&self) -> Option<RequestError> {
        let seconds = self.client_ip().and_then(|client| self.app.failed_auth.count(client, self.now))?;
        Some(RequestError::TooManyFailures { retry_after_seconds: seconds })
    }

    /// Adds to the reason of a refusal that the credential in `place` was empty and so taken for none, where no
    /// other was shown: whoever sends one may not know that it is nobody's.
    pub fn note_empty_credential(&self, response: &mut HttpResponse, place: Option<&'static str>) {
        if let (true, Some(place)) = (self.audit.inspect(|facts| facts.credential.is_none()), place) {
            Reason::extend(response, &format!("{place} is empty"));
        }
    }

    /// The length that `Content-Length` announces, in bytes.
    pub fn announced_bytes(&self) -> Option<u64> {
        text(self.request.headers(), CONTENT_LENGTH.as_str())?.parse().ok()
    }
}
