//! Runtime tokens: JSON Web Tokens for one job, in the form that GitHub's toolkit expects of its runner.
//!
//! The toolkit takes the job out of the claim `scp` before it sends anything, so the token cannot be opaque. It is
//! signed with HMAC-SHA-256 and counts only while its job is running.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::auth::error::{AuthError, CredentialError};
use crate::auth::keys::SigningKeys;
use crate::domain::{Error, Result, Timestamp, Uuid};

/// The scope in which the toolkit looks for the IDs.
const RESULTS: &str = "Actions.Results";

/// The issuer of every token.
const ISSUER: &str = "artigate";

/// How far the clock of the node that signed may be ahead, in seconds.
const SKEW_SECONDS: i64 = 60;

/// How long a token is valid at most, in seconds; it ends with its job.
const LIFETIME_SECONDS: u64 = 30 * 86_400;

/// A job, by a valid runtime token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuntimeToken {
    /// The pipeline.
    pub pipeline_id: i64,
    /// The job.
    pub job_id: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    scp: String,
    iss: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
}

impl RuntimeToken {
    /// Whether a text has the form of these tokens: a JSON object in base64, and three parts that dots divide. No token
    /// that is stored has it.
    pub fn has_form(text: &str) -> bool {
        text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// Returns the token as text.
    ///
    /// # Errors
    /// Those of the catalog, which keeps the keys.
    pub async fn sign(&self, keys: &SigningKeys, now: Timestamp) -> Result<SecretString> {
        let key = keys.newest(now).await?;
        let seconds = now.as_millis() / 1000;
        let exp = now.plus_seconds(LIFETIME_SECONDS).map_or(seconds, |time| time.as_millis() / 1000);
        let claims = Claims {
            scp: format!("{RESULTS}:{}:{}", self.pipeline_id, self.job_id),
            iss: ISSUER.to_owned(),
            iat: seconds,
            nbf: seconds,
            exp,
            jti: Uuid::for_row().to_string(),
        };
        let header = Header { kid: Some(key.id.to_string()), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&key.tokens));
        Ok(token.map_err(Error::internal)?.into())
    }

    /// Whether a text is a token that was made here, valid or not.
    ///
    /// # Errors
    /// Those of the catalog, which keeps the keys.
    pub async fn is_ours(keys: &SigningKeys, token: &SecretString) -> Result<bool> {
        let text = token.expose_secret();
        let header = jsonwebtoken::decode_header(text).ok().filter(|header| header.alg == Algorithm::HS256);
        let Some(key_id) = header.and_then(|header| header.kid?.parse::<i64>().ok()) else {
            return Ok(false);
        };
        let Some(key) = keys.find(key_id).await? else { return Ok(false) };
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.validate_exp = false;
        validation.validate_aud = false;
        let key = DecodingKey::from_secret(&key.tokens);
        Ok(jsonwebtoken::decode::<Claims>(text, &key, &validation).is_ok())
    }

    /// Verifies a token: its signature by one of our keys, its issuer and its time.
    ///
    /// # Errors
    /// [`AuthError::Refused`] for any other text; those of the catalog, which keeps the keys.
    pub async fn verify(
        keys: &SigningKeys,
        token: &SecretString,
        now: Timestamp,
    ) -> std::result::Result<Self, AuthError> {
        let unknown = || AuthError::Refused(CredentialError::Unknown);
        let text = token.expose_secret();
        let header = jsonwebtoken::decode_header(text).map_err(|_| unknown())?;
        let key_id = header.kid.and_then(|kid| kid.parse::<i64>().ok()).ok_or_else(unknown)?;
        let key = keys.find(key_id).await?.ok_or_else(unknown)?;
        // The one algorithm of our tokens: none that the token names itself.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        // Times are compared with the server's clock below.
        validation.validate_exp = false;
        validation.validate_aud = false;
        let decoded =
            jsonwebtoken::decode::<Claims>(text, &DecodingKey::from_secret(&key.tokens), &validation);
        let claims = decoded.map_err(|_| unknown())?.claims;
        let seconds = now.as_millis() / 1000;
        if claims.exp <= seconds {
            return Err(CredentialError::Expired.into());
        }
        if claims.nbf > seconds + SKEW_SECONDS {
            return Err(unknown());
        }
        let ids: Vec<&str> = claims.scp.split(':').collect();
        let [RESULTS, pipeline, job] = ids[..] else { return Err(unknown()) };
        match (pipeline.parse(), job.parse()) {
            (Ok(pipeline_id), Ok(job_id)) => Ok(Self { pipeline_id, job_id }),
            _ => Err(unknown()),
        }
    }
}
