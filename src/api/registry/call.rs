//! One request: who sends it, and whether they may.

use actix_web::http::header::CONTENT_ENCODING;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::api::registry::failure::Failure;
use crate::app::App;
use crate::auth::{self, Actor, AuthError, Credentials, Refusal, Trail};
use crate::catalog::Db;
use crate::domain::access::{Caller, Reach, may_keep_registry};
use crate::domain::{Error, Kind, Timestamp};
use crate::http::client;
use crate::http::credentials::{Authorization, empty_header, shown, text};
use crate::http::reason::Reason;

/// What a personal token must be good for.
const SCOPES: &[&str] = &["registry"];

/// A request, read.
pub(super) struct Call {
    pub(super) app: Data<App>,
    /// The time at which all of it is judged.
    pub(super) now: Timestamp,
    pub(super) request: HttpRequest,
    /// Is told what the audit log wants to know.
    pub(super) trail: Trail,
}

impl Call {
    pub(super) fn new(app: Data<App>, request: &HttpRequest) -> Self {
        Self { now: app.clock.now(), request: request.clone(), trail: Trail::default(), app }
    }

    /// What was shown, or that nothing was: then nothing else has to be read.
    fn credentials(&self) -> Result<Credentials, Failure> {
        let headers = self.request.headers();
        let Authorization { bearer, other } = Authorization::read(headers);
        let personal = shown(headers, "PRIVATE-TOKEN");
        if personal.is_none() && bearer.is_none() && other.is_none() {
            return Err(Failure::Token(Refusal::Missing));
        }
        Ok(Credentials { personal, bearer, job: None, other, trail: self.trail.clone() })
    }

    /// Lets an administrator in before anything else is done: neither bytes nor the one turn for writers are
    /// for anybody else. Whoever then changes something is asked again in that transaction.
    pub(super) async fn admit(&self) -> Result<Credentials, Failure> {
        let (credentials, now) = (self.credentials()?, self.now);
        let asked = credentials.clone();
        self.app.catalog.read(move |db| authorize(db, &asked, now)).await?;
        Ok(credentials)
    }

    /// The media type of the body in lower case, without parameters; none if there is none.
    pub(super) fn media_type(&self) -> Result<Option<String>, Failure> {
        let unsupported = |what: &str| Error::new(Kind::UnsupportedMedia, what.to_owned());
        let headers = self.request.headers();
        if text(headers, CONTENT_ENCODING.as_str()).is_some_and(|coding| coding != "identity") {
            return Err(unsupported("Content-Encoding: send the body as it is").into());
        }
        match headers.get("content-type") {
            None => Ok(None),
            Some(value) => {
                let value = value.to_str().map_err(|_| unsupported("Content-Type: not readable"))?;
                let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
                Ok(Some(essence).filter(|essence| !essence.is_empty()))
            }
        }
    }

    /// Answers with a refusal. Its line in the log says so where a credential was empty and taken for none.
    pub(super) fn refuse(&self, failure: Failure) -> HttpResponse {
        let mut answer = self.bounded(failure).into_response();
        if self.trail.look(|facts| facts.credential.is_none())
            && let Some(place) = empty_header(self.request.headers(), &["PRIVATE-TOKEN"])
        {
            Reason::extend(&mut answer, &format!("{place} is empty"));
        }
        answer
    }

    /// Counts a failed authentication and, past the bound for the client's address, refuses with
    /// that instead.
    fn bounded(&self, failure: Failure) -> Failure {
        if !matches!(failure, Failure::Token(refusal) if refusal.is_failure()) {
            return failure;
        }
        let client = client::of(&self.request);
        match client.and_then(|client| self.app.failed_auth.count(client, self.now)) {
            Some(seconds) => Failure::TooManyFailures { retry_after_seconds: seconds },
            None => failure,
        }
    }
}

/// Lets an administrator in whose token has the scope.
pub(super) fn authorize(db: &mut Db, credentials: &Credentials, now: Timestamp) -> Result<(), AuthError> {
    let caller = match auth::authenticate_user(db, credentials, SCOPES, now)? {
        Actor::User(user) => Caller::User { admin: user.admin, role: None, reach: Reach::Anywhere },
        Actor::Job { user, .. } => Caller::User { admin: user.admin, role: None, reach: Reach::Foreign },
        Actor::Anonymous => Caller::Anonymous,
    };
    match may_keep_registry(caller) {
        true => Ok(()),
        false => Err(Error::new(Kind::Forbidden, "only an administrator may change the registry").into()),
    }
}

/// The number in a path.
pub(super) fn number(text: &str) -> Result<i64, Failure> {
    let number = if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None };
    number.filter(|number| *number > 0).ok_or_else(|| {
        Error::new(Kind::Invalid, format!("id: expected a number from 1 to {}", i64::MAX)).into()
    })
}
