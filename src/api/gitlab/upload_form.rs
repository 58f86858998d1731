//! What an upload says about its file: in the query, or in form fields before or after the file.
//! Where both speak, the query wins.

use secrecy::SecretString;

use crate::api::gitlab::failure::Failure;
use crate::domain::artifact::{Accessibility, ArtifactFormat, ArtifactKind};
use crate::domain::expiry::Lifetime;
use crate::domain::{Error, Kind, Timestamp};
use crate::http::query::Query;

/// The parameters that are known; others are ignored, as GitLab does.
const NAMES: &[&str] = &["artifact_type", "artifact_format", "accessibility", "expire_in"];

/// What has been said so far, every bit of it checked.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    kind: Option<ArtifactKind>,
    format: Option<ArtifactFormat>,
    accessibility: Option<Accessibility>,
    lifetime: Option<Lifetime>,
    token: Option<SecretString>,
}

impl Parameters {
    /// What the query says.
    pub(super) fn from_query(query: &Query) -> Result<Self, Failure> {
        let mut parameters = Self::default();
        for name in NAMES {
            if let Some(value) = query.get_filled(name) {
                parameters.set(name, value)?;
            }
        }
        Ok(parameters)
    }

    /// Adds a form field.
    pub(super) fn add(&mut self, name: &str, value: String) -> Result<(), Failure> {
        let mut said = Self::default();
        if !value.is_empty() {
            said.set(name, &value)?;
        }
        self.kind = self.kind.or(said.kind);
        self.format = self.format.or(said.format);
        self.accessibility = self.accessibility.or(said.accessibility);
        self.lifetime = self.lifetime.or(said.lifetime);
        self.token = self.token.take().or(said.token);
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let wrong = || Failure::Parameter(format!("{name} does not have a valid value"));
        match name {
            "artifact_type" => {
                let kind = value.parse().ok().filter(|kind: &ArtifactKind| kind.is_uploadable());
                self.kind = Some(kind.ok_or_else(wrong)?);
            }
            "artifact_format" => self.format = Some(value.to_ascii_lowercase().parse().map_err(|_| wrong())?),
            "accessibility" => self.accessibility = Some(accessibility(value).ok_or_else(wrong)?),
            "expire_in" => self.lifetime = Some(Lifetime::parse(value).map_err(|e| bad_expiry(&e))?),
            "token" => self.token = Some(value.into()),
            _ => {}
        }
        Ok(())
    }

    /// A token among the form fields.
    pub(super) fn token(&self) -> Option<&SecretString> {
        self.token.as_ref()
    }

    /// Kind and format, which must fit each other.
    pub(super) fn kind_and_format(&self) -> Result<(ArtifactKind, ArtifactFormat), Failure> {
        let kind = self.kind.unwrap_or(ArtifactKind::Archive);
        let format = self.format.unwrap_or(ArtifactFormat::Zip);
        if kind.format() != format {
            let text = "Validation failed: Invalid file format with specified file type";
            return Err(Failure::Validation(text.into()));
        }
        Ok((kind, format))
    }

    /// Who may read it.
    pub(super) fn accessibility(&self) -> Accessibility {
        self.accessibility.unwrap_or(Accessibility::Public)
    }

    /// When it expires, counted from now.
    pub(super) fn expire_at(&self, default: Lifetime, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
        self.lifetime.unwrap_or(default).expires_at(now).map_err(|e| bad_expiry(&e))
    }
}

/// The stored names, and those of `artifacts:access` in a job's definition.
fn accessibility(value: &str) -> Option<Accessibility> {
    match value {
        "all" => Some(Accessibility::Public),
        "developer" => Some(Accessibility::Private),
        stored => stored.parse().ok(),
    }
}

fn bad_expiry(why: &dyn std::error::Error) -> Failure {
    Failure::Domain(Error::new(Kind::Invalid, format!("expire_in: {why}")))
}
