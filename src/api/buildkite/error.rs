//! Errors of the REST API: a status, and Buildkite's `message`.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::access::{AccessError, AgentError, BuildError, MOST_JOBS};
use crate::auth::CredentialError;
use crate::domain::build::MAX_NAMES;
use crate::domain::scope::{Scope, Scopes};
use crate::domain::status::Status;
use crate::domain::{Error, ErrorKind, byte_size};
use crate::http::error::{RequestError, TOO_MANY_FAILURES, with_reason};

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum ApiError {
    /// There is nothing at the path for this caller: what the client is told, and the reason for the log.
    NotFound(Cow<'static, str>, Cow<'static, str>),
    /// The request is malformed.
    BadRequest(Cow<'static, str>),
    /// What is asked for is not possible.
    Unprocessable(Cow<'static, str>),
    /// Fields of the body are not valid: each with a code.
    Validation(Vec<(String, &'static str)>),
    /// The caller may read, but not change.
    Forbidden(Cow<'static, str>),
    /// The caller may not do this, and is told why.
    Refused(Cow<'static, str>),
    /// The token of an agent's request is missing or not valid.
    AgentToken(CredentialError),
    /// An error that all dialects share.
    Request(RequestError),
}

impl ApiError {
    /// There is no such thing, called as clients know it.
    pub(super) fn missing(what: &'static str) -> Self {
        Self::NotFound(format!("No {what} found").into(), format!("no such {what}").into())
    }

    /// The path is that of no route.
    pub(super) fn no_route(path: &str) -> Self {
        let prefixes = [super::PREFIX, super::agent::PREFIX];
        let rest = prefixes.iter().find_map(|prefix| path.strip_prefix(prefix));
        let path = rest.unwrap_or(path).trim_start_matches('/');
        Self::NotFound(format!("No route matches {path}").into(), "no such route".into())
    }

    /// The same for an agent, whose tokens are others.
    pub(super) fn of_agent(self) -> Self {
        match self {
            Self::Request(RequestError::Credential(refusal)) => Self::AgentToken(refusal),
            other => other,
        }
    }

    /// Whether a credential was sent that is not valid.
    pub(super) fn is_failed_authentication(&self) -> bool {
        matches!(self, Self::Request(error) if error.is_failed_authentication())
    }

    /// Why it is refused, for the log.
    pub(super) fn reason(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound(_, reason)
            | Self::BadRequest(reason)
            | Self::Unprocessable(reason)
            | Self::Refused(reason)
            | Self::Forbidden(reason) => reason.clone(),
            Self::Validation(errors) => {
                let fields: Vec<&str> = errors.iter().map(|(field, _)| field.as_str()).collect();
                format!("not valid: {}", fields.join(", ")).into()
            }
            Self::AgentToken(refusal) => refusal.reason(),
            Self::Request(error) => error.reason(),
        }
    }

    pub(super) fn into_response(self) -> HttpResponse {
        with_reason(self.reason(), self.render())
    }

    fn render(self) -> HttpResponse {
        let status = match &self {
            Self::NotFound(..) => StatusCode::NOT_FOUND,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unprocessable(_) | Self::Validation(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Forbidden(_) | Self::Refused(_) => StatusCode::FORBIDDEN,
            Self::AgentToken(_) => StatusCode::UNAUTHORIZED,
            Self::Request(error) => error.status(),
        };
        let body = match &self {
            Self::NotFound(text, _)
            | Self::BadRequest(text)
            | Self::Unprocessable(text)
            | Self::Refused(text) => said(text),
            Self::AgentToken(CredentialError::MissingScope(_)) => said(AGENT_SCOPE),
            Self::AgentToken(_) => said(AGENT_TOKEN),
            Self::Validation(errors) => {
                let errors: Vec<Value> =
                    errors.iter().map(|(field, code)| json!({ "field": field, "code": code })).collect();
                json!({ "message": "Validation Failed", "errors": errors })
            }
            Self::Forbidden(_) => said("Forbidden"),
            Self::Request(error) => said(&message(error)),
        };
        let mut response = match &self {
            Self::Request(error) => error.begin_response(),
            _ => HttpResponse::build(status),
        };
        response.content_type("application/json; charset=utf-8").body(body.to_string())
    }
}

/// Agents print it, in one line.
const AGENT_TOKEN: &str =
    "Authentication required. Expected 'Authorization: Token' with the token of a running job";

/// Agents print it when they cannot register.
const AGENT_SCOPE: &str = "The token does not have the scope agent, which registers agents";

fn said(text: &str) -> Value {
    json!({ "message": text })
}

fn message(error: &RequestError) -> Cow<'static, str> {
    match error {
        RequestError::Credential(CredentialError::MissingScope(scopes)) => {
            format!("Your access token doesn't have the {} scope", name_of(*scopes)).into()
        }
        RequestError::Credential(_) => {
            "Authentication required. Please supply a valid API Access Token (a personal token, not that of a job \
             or an agent)"
                .into()
        }
        RequestError::TooManyFailures { .. } => TOO_MANY_FAILURES.into(),
        RequestError::PreconditionFailed => "Precondition Failed".into(),
        RequestError::RangeNotSatisfiable(_) => "Range Not Satisfiable".into(),
        RequestError::Domain(error) => error.public_message().to_owned().into(),
    }
}

/// The scope that the dialect knows among those of which a token needs one.
fn name_of(scopes: Scopes) -> &'static str {
    let known = scopes.iter().find(|scope| Scopes::OF_BUILDS.intersects(Scopes::of(&[*scope])));
    known.unwrap_or(Scope::ReadApi).as_str()
}

/// Takes over the errors that all dialects share.
impl<E: Into<RequestError>> From<E> for ApiError {
    fn from(error: E) -> Self {
        match error.into() {
            // Agents print it, and do not try again.
            RequestError::Domain(error) if error.kind() == ErrorKind::OverQuota => {
                Self::Refused(error.public_message().to_owned().into())
            }
            other => Self::Request(other),
        }
    }
}

impl From<BuildError> for ApiError {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Access(error) => error.into(),
            BuildError::NoOrganization => Self::missing("organization"),
            BuildError::NoPipeline => Self::missing("pipeline"),
            BuildError::NoBuild => Self::missing("build"),
            BuildError::NoJob => Self::missing("job"),
            BuildError::NoArtifact => Self::missing("artifact"),
            // Clients compare these texts.
            BuildError::NotCancelable(Status::Canceling) => {
                Self::Unprocessable("Build can't be canceled because it's already being canceled.".into())
            }
            BuildError::NotCancelable(Status::Canceled) => {
                Self::Unprocessable("Build can't be canceled because it's already been canceled.".into())
            }
            BuildError::NotCancelable(_) => {
                Self::Unprocessable("Build can't be canceled because it's already finished.".into())
            }
            BuildError::TooManyJobs(count) => Self::Unprocessable(
                format!(
                    "There are {count} jobs, more than the {MOST_JOBS} of one answer: use exclude_jobs=true, a smaller \
                     per_page, or the list of jobs of a build"
                )
                .into(),
            ),
            BuildError::JobNotFailed => {
                Self::BadRequest("Only failed, timed out or canceled jobs can be retried".into())
            }
            BuildError::JobSuperseded => Self::BadRequest("Jobs can only be retried once".into()),
            BuildError::BuildCanceled => {
                Self::Unprocessable("Jobs from canceled builds cannot be retried".into())
            }
        }
    }
}

impl From<AgentError> for ApiError {
    fn from(error: AgentError) -> Self {
        match error {
            AgentError::Access(error) => error.into(),
            AgentError::TooManyAgents(most) => {
                Self::Unprocessable(format!("The token has {most} agents already (agents.per_token)").into())
            }
            AgentError::OtherJob => Self::Refused("The token is that of another job".into()),
            // Agents do not try again after 422.
            AgentError::NotHeld => Self::Unprocessable("The job is not assigned to this agent".into()),
            AgentError::NotPossible(status) => {
                Self::Unprocessable(format!("The job is {status}, which does not allow that").into())
            }
            AgentError::LogTooLong(most) => {
                let most = byte_size::show(most.unsigned_abs());
                Error::new(ErrorKind::TooLarge, format!("the log of the job is longer than {most}")).into()
            }
            AgentError::TooManyValues => {
                Self::Unprocessable(format!("The build has {MAX_NAMES} values of meta-data already").into())
            }
            AgentError::ValuesTooLarge(most) => {
                let most = byte_size::show(most.unsigned_abs());
                Self::Unprocessable(format!("The meta-data of the build is larger than {most}").into())
            }
            AgentError::BuildNotRunning(status) => {
                Self::Unprocessable(format!("The build is {status}, in which no job begins").into())
            }
            AgentError::NoBuild => Self::missing("build"),
        }
    }
}

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        let reason = error.reason();
        match error {
            AccessError::Credential(refusal) => Self::Request(RequestError::Credential(refusal)),
            AccessError::Other(error) => error.into(),
            AccessError::Forbidden(_)
            | AccessError::JobTokenRequired
            | AccessError::TokenOfAnotherJob
            | AccessError::JobNotRunning(_)
            | AccessError::JobErased
            | AccessError::JobNotErasable
            | AccessError::ArtifactJustExpired
            | AccessError::NotAdministrator
            | AccessError::JobTokenNotAllowed { .. } => Self::Forbidden(reason),
            AccessError::ProjectNotFound(_) | AccessError::ProjectMoved { .. } => {
                Self::NotFound("No pipeline found".into(), reason)
            }
            AccessError::JobNotFound { .. } => Self::NotFound("No job found".into(), reason),
            AccessError::PipelineNotFound(_)
            | AccessError::RefNotFound(_)
            | AccessError::CommitNotFound(_)
            | AccessError::NoDefaultBranch
            | AccessError::RefWithoutPipeline => Self::NotFound("No build found".into(), reason),
            AccessError::ArtifactNotFound(_)
            | AccessError::ArtifactExpired(_)
            | AccessError::ArtifactOfRefNotFound { .. } => Self::NotFound("No artifact found".into(), reason),
        }
    }
}
