//! Upload form: the parameters of an upload, in the query or in form fields before or after the file. The
//! query wins over the form.

use secrecy::ExposeSecret;

use crate::access::Statement;
use crate::api::gitlab::artifact_types::can_be_uploaded;
use crate::api::gitlab::error::ApiError;
use crate::auth::{Shown, Unreadable};
use crate::domain::artifact::{Accessibility, ArtifactFormat, ArtifactKind};
use crate::domain::expiry::Lifetime;
use crate::domain::{Error, ErrorKind, Timestamp};
use crate::http::query::Query;

/// Parameters of the query; a token there is read with the other credentials.
const NAMES: &[&str] = &["artifact_type", "artifact_format", "accessibility", "expire_in", "job", "finished"];

/// Longest name of a job, in characters.
const MAX_JOB_NAME: usize = 255;

/// The parameters received so far, all of them checked.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    kind: Option<ArtifactKind>,
    format: Option<ArtifactFormat>,
    accessibility: Option<Accessibility>,
    lifetime: Option<Lifetime>,
    token: Option<Shown>,
    job: Option<String>,
    finished: Option<bool>,
}

impl Parameters {
    /// Reads the query.
    pub(super) fn from_query(query: &Query) -> Result<Self, ApiError> {
        let mut parameters = Self::default();
        for name in NAMES {
            parameters.add(name, query.get(name).unwrap_or_default())?;
        }
        Ok(parameters)
    }

    /// Adds a form field, unless the parameter is known already. An empty value is ignored.
    pub(super) fn add(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        let wrong = || ApiError::Parameter(format!("{name} does not have a valid value"));
        match name {
            _ if value.is_empty() => {}
            "artifact_type" if self.kind.is_none() => {
                let kind = value.parse().ok().filter(|kind: &ArtifactKind| can_be_uploaded(*kind));
                self.kind = Some(kind.ok_or_else(wrong)?);
            }
            "artifact_format" if self.format.is_none() => {
                self.format = Some(value.to_ascii_lowercase().parse().map_err(|_| wrong())?);
            }
            "accessibility" if self.accessibility.is_none() => {
                self.accessibility = Some(accessibility(value).ok_or_else(wrong)?);
            }
            "expire_in" if self.lifetime.is_none() => {
                self.lifetime = Some(Lifetime::parse(value).map_err(|e| bad_expiry(&e))?);
            }
            "job" if self.job.is_none() => {
                let is_name = value.chars().count() <= MAX_JOB_NAME && !value.contains(char::is_control);
                self.job = Some(value.to_owned()).filter(|_| is_name);
                self.job.as_ref().ok_or_else(wrong)?;
            }
            "finished" if self.finished.is_none() => {
                self.finished = Some(match value {
                    "true" | "1" => true,
                    "false" | "0" => false,
                    _ => return Err(wrong()),
                });
            }
            "token" => self.add_token(value),
            _ => {}
        }
        Ok(())
    }

    /// Adds a token, which must be the same in all places.
    fn add_token(&mut self, value: &str) {
        self.token = Some(match self.token.take() {
            Some(Shown::Token(known)) if known.expose_secret() == value => Shown::Token(known),
            Some(_) => Shown::Unreadable(Unreadable::Several("token")),
            None => Shown::Token(value.into()),
        });
    }

    /// Returns the token among the form fields.
    pub(super) fn token(&self) -> Option<&Shown> {
        self.token.as_ref()
    }

    /// Returns what a job of another CI system says of itself; nobody else's `job` and `finished` count.
    pub(super) fn statement(&self) -> Statement {
        Statement { name: self.job.clone(), finished: self.finished == Some(true) }
    }

    /// Returns the kind, which the format must fit.
    pub(super) fn kind(&self) -> Result<ArtifactKind, ApiError> {
        let kind = self.kind.unwrap_or(ArtifactKind::Archive);
        let format = self.format.unwrap_or(ArtifactFormat::Zip);
        if kind.default_format() != format {
            let text = "Validation failed: Invalid file format with specified file type";
            return Err(ApiError::Validation(text.into()));
        }
        Ok(kind)
    }

    /// Returns who may read the artifact.
    pub(super) fn accessibility(&self) -> Accessibility {
        self.accessibility.unwrap_or(Accessibility::Public)
    }

    /// Returns when the artifact expires, counted from `now`.
    pub(super) fn expire_at(&self, default: Lifetime, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
        self.lifetime.unwrap_or(default).expires_at(now).map_err(|e| bad_expiry(&e))
    }
}

/// Parses an accessibility: the stored names, and those of `artifacts:access` in a job's definition.
fn accessibility(value: &str) -> Option<Accessibility> {
    match value {
        "all" => Some(Accessibility::Public),
        "developer" => Some(Accessibility::Private),
        stored => stored.parse().ok(),
    }
}

fn bad_expiry(why: &dyn std::error::Error) -> ApiError {
    Error::new(ErrorKind::Invalid, format!("expire_in: {why}")).into()
}
