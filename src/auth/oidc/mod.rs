//! ID tokens: what a CI system signs for one of its jobs, so that the job needs no secret (`OpenID` Connect).
//!
//! A token is verified here and sent nowhere. It stands for its one job: it gives no user's rights.

mod buildkite;
mod claims;
mod fetch;
mod github;
mod gitlab;
mod json;
pub mod jwt;
pub mod key_set;
mod key_source;
mod vouched;

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use self::claims::{AllowRule, Claims, Terms};
use self::fetch::KeyFetcher;
use self::jwt::{Malformed, UnverifiedToken};
use self::key_source::KeySource;
use super::error::{AuthError, CredentialError};
use crate::domain::{Error, Result, Timestamp};
use crate::settings::{Settings, UpstreamKind, UpstreamSettings};
pub use buildkite::source as source_of_build;
pub use vouched::{VouchedJob, path_below, plain_ref, text_id};

/// Verifies ID tokens.
pub struct IdTokens {
    issuers: Vec<Issuer>,
}

/// An issuer whose tokens are accepted.
struct Issuer {
    upstream: UpstreamSettings,
    name: String,
    audience: String,
    allow: Vec<AllowRule>,
    max_lifetime_seconds: i64,
    keys: KeySource,
}

/// Why an ID token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdTokenRefusal {
    /// It cannot be read.
    Malformed(Malformed),
    /// Nobody is trusted who calls himself so.
    Issuer,
    /// Its issuer has no such key.
    Key,
    /// Its signature is not that of the key.
    Signature,
    /// It is for somebody else.
    Audience,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYet,
    /// It lives for too long.
    Lifetime,
    /// No rule allows it.
    NotAllowed,
    /// This claim is missing or wrong.
    Claim(&'static str),
}

/// An issuer as clients are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownIssuer<'a> {
    /// The upstream, by its name in the settings.
    pub upstream: &'a str,
    /// The issuer.
    pub issuer: &'a str,
    /// The audience that its tokens must have.
    pub audience: &'a str,
}

impl IdTokens {
    /// Returns a verifier of the tokens of the issuers in the settings. Nothing is fetched yet.
    ///
    /// # Errors
    /// `Internal` for an issuer whose certificates cannot be read.
    pub fn new(settings: &Settings) -> Result<Self> {
        let issuers = settings.upstreams.iter().filter_map(|upstream| {
            let oidc = upstream.oidc.as_ref()?;
            let fault = |why: String| Error::internal(format!("upstream {}: {why}", upstream.name));
            let fetcher = KeyFetcher::new(upstream, &oidc.issuer, &oidc.keys).map_err(fault);
            Some(fetcher.map(|fetcher| Issuer {
                upstream: upstream.clone(),
                name: oidc.issuer.clone(),
                audience: oidc.audience.clone(),
                allow: oidc.allow.clone(),
                max_lifetime_seconds: i64::try_from(oidc.max_lifetime.as_secs()).unwrap_or(i64::MAX),
                keys: KeySource::new(fetcher),
            }))
        });
        Ok(Self { issuers: issuers.collect::<Result<_>>()? })
    }

    /// Whether a text can only be an ID token, or one of the tokens that are made here in the same form.
    pub fn has_form(text: &str) -> bool {
        text.starts_with("eyJ")
    }

    /// Returns the issuers whose tokens are accepted.
    pub fn issuers(&self) -> impl Iterator<Item = KnownIssuer<'_>> {
        self.issuers.iter().map(|issuer| KnownIssuer {
            upstream: &issuer.upstream.name,
            issuer: &issuer.name,
            audience: &issuer.audience,
        })
    }

    /// Verifies a token and returns the job that it is for.
    ///
    /// # Errors
    /// [`AuthError::Refused`] for a token that is not accepted; `Unavailable` if its issuer's keys cannot be had.
    pub async fn verify(
        &self,
        token: &SecretString,
        now: Timestamp,
    ) -> std::result::Result<VouchedJob, AuthError> {
        let refused = |why| AuthError::Refused(CredentialError::IdToken(why));
        let token = UnverifiedToken::parse(token.expose_secret());
        let token = token.map_err(|why| refused(IdTokenRefusal::Malformed(why)))?;
        let name = token.claims.get("iss").and_then(serde_json::Value::as_str);
        let issuer = self.issuers.iter().find(|issuer| Some(issuer.name.as_str()) == name);
        let issuer = issuer.ok_or_else(|| refused(IdTokenRefusal::Issuer))?;
        let key = issuer.keys.find(&token.key_id, token.algorithm, now).await?;
        let key = key.ok_or_else(|| refused(IdTokenRefusal::Key))?;
        if !key.verifies(&token) {
            return Err(refused(IdTokenRefusal::Signature));
        }
        issuer.job(Claims(&token.claims), now).map_err(refused)
    }
}

impl Issuer {
    /// Returns the job of a token whose signature is this issuer's.
    fn job(&self, claims: Claims<'_>, now: Timestamp) -> std::result::Result<VouchedJob, IdTokenRefusal> {
        let Self { max_lifetime_seconds, .. } = *self;
        claims.require(&Terms { issuer: &self.name, audience: &self.audience, max_lifetime_seconds, now })?;
        let rule = claims.first_allowed(&self.allow);
        if rule.is_none() && !self.allow.is_empty() {
            return Err(IdTokenRefusal::NotAllowed);
        }
        let (job, workflow_claims) = match self.upstream.kind {
            UpstreamKind::GitLab => (gitlab::job(&self.upstream, claims)?, gitlab::WORKFLOW_CLAIMS),
            UpstreamKind::GitHub => (github::job(&self.upstream, claims)?, github::WORKFLOW_CLAIMS),
            UpstreamKind::Buildkite => (buildkite::job(&self.upstream, claims)?, buildkite::WORKFLOW_CLAIMS),
        };
        let names_workflow = |rule: &AllowRule| workflow_claims.iter().any(|name| rule.contains_key(*name));
        // Any rule that allows the token will do, not only the first.
        let rules = self.allow.iter().filter(|rule| names_workflow(rule));
        let may_finish =
            rules.into_iter().any(|rule| claims.first_allowed(std::slice::from_ref(rule)).is_some());
        Ok(VouchedJob { may_finish, ..job })
    }
}

impl IdTokenRefusal {
    /// Returns the reason, in a few words for the log; holds nothing of the token.
    pub fn reason(self) -> String {
        match self {
            Self::Malformed(why) => format!("ID token cannot be read: {}", why.reason()),
            Self::Issuer => "ID token is of an issuer that is not trusted".into(),
            Self::Key => "ID token names a key that its issuer does not have".into(),
            Self::Signature => "ID token has a wrong signature".into(),
            Self::Audience => "ID token is for another audience".into(),
            Self::Expired => "ID token has expired".into(),
            Self::NotYet => "ID token is not valid yet".into(),
            Self::Lifetime => "ID token lives for longer than oidc.max_lifetime".into(),
            Self::NotAllowed => "no rule of oidc.allow allows the ID token".into(),
            Self::Claim(name) => format!("claim {name} of the ID token is missing or wrong"),
        }
    }
}

impl fmt::Debug for IdTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.issuers()).finish()
    }
}
