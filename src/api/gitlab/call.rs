//! One request: what every handler of the dialect asks of it.

use actix_web::http::Method;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::api::gitlab::credentials;
use crate::api::gitlab::failure::Failure;
use crate::app::App;
use crate::auth::{Credentials, Trail};
use crate::catalog::Db;
use crate::domain::Timestamp;
use crate::http::query::Query;
use crate::http::reason::Reason;
use crate::http::{base_url, client, redact};

/// A request, read.
pub(super) struct Call {
    pub(super) app: Data<App>,
    /// Whether only the head of the answer is wanted.
    pub(super) head: bool,
    pub(super) query: Query,
    /// The time at which all of it is judged.
    pub(super) now: Timestamp,
    pub(super) request: HttpRequest,
    /// Is told what the audit log wants to know.
    pub(super) trail: Trail,
}

impl Call {
    pub(super) fn new(app: Data<App>, request: &HttpRequest) -> Self {
        Self {
            head: request.method() == Method::HEAD,
            query: Query::parse(request.query_string()),
            now: app.clock.now(),
            request: request.clone(),
            trail: Trail::default(),
            app,
        }
    }

    /// What it brought along to show who asks.
    pub(super) fn credentials(&self) -> Credentials {
        credentials::read(self.request.headers(), &self.query, self.trail.clone())
    }

    /// Answers with a refusal. Its line in the log says so where a credential was empty and taken for none.
    pub(super) fn refuse(&self, failure: Failure) -> HttpResponse {
        let mut answer = self.bounded(failure).into_response();
        if self.trail.look(|facts| facts.credential.is_none())
            && let Some(place) = credentials::empty_place(self.request.headers(), &self.query)
        {
            Reason::extend(&mut answer, &format!("{place} is empty"));
        }
        answer
    }

    /// Counts a failed authentication and, past the bound for the client's address, refuses with
    /// that instead.
    fn bounded(&self, failure: Failure) -> Failure {
        let shown = self.trail.look(|facts| facts.credential.is_some());
        if !(shown && failure.is_failed_authentication()) {
            return failure;
        }
        let client = client::of(&self.request);
        match client.and_then(|client| self.app.failed_auth.count(client, self.now)) {
            Some(seconds) => Failure::TooManyFailures { retry_after_seconds: seconds },
            None => failure,
        }
    }

    /// The base of absolute URLs: what was set, what a trusted proxy names, or what the client itself
    /// used.
    pub(super) fn base_url(&self) -> String {
        base_url::of(&self.request, &self.app.settings)
    }

    /// The address that was asked for, without its query and without tokens.
    pub(super) fn url(&self) -> String {
        format!("{}{}", self.base_url(), redact::tokens(self.request.path()))
    }

    /// Changes the catalog, in one transaction, for somebody whom `allow` lets in. That is asked before
    /// the one turn for writers is taken, which whoever may not must not hold up, and again inside of it.
    pub(super) async fn change<P, T, A, F>(&self, allow: A, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        A: Fn(&mut Db) -> Result<P, Failure> + Clone + Send + 'static,
        F: FnOnce(&mut Db, P) -> Result<T, Failure> + Send + 'static,
    {
        let asked = allow.clone();
        self.app.catalog.read(move |db| asked(db).map(drop)).await?;
        self.app
            .catalog
            .write(move |db| {
                let allowed = allow(db)?;
                work(db, allowed)
            })
            .await
    }

    /// Asks the catalog for a few rows by key, in one visit.
    pub(super) async fn glance<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, Failure> + Send + 'static,
    {
        self.app.catalog.glance(work).await
    }

    /// Asks the catalog, in one visit.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, Failure> + Send + 'static,
    {
        self.app.catalog.read(work).await
    }
}

/// The number in a path.
pub(super) fn number(text: &str, name: &'static str) -> Result<i64, Failure> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Failure::Parameter(format!("{name} is invalid")));
    }
    // A number too large for an id is one that nothing has.
    Ok(text.parse().unwrap_or(i64::MAX))
}
