//! Documents of an issuer: its description and its keys, fetched without a credential.

use super::json::object;
use crate::settings::{KeySource as KeyLocation, UpstreamSettings};
use crate::upstream::{Document, Documents, is_same_origin};

/// Where an issuer's description is, below the issuer.
const DISCOVERY: &str = ".well-known/openid-configuration";

/// Fetches the keys of one issuer.
#[derive(Debug, Clone)]
pub(super) struct KeyFetcher {
    documents: Documents,
    issuer: String,
    location: KeyLocation,
}

impl KeyFetcher {
    /// Returns a fetcher that sends nothing yet.
    ///
    /// # Errors
    /// A text for a certificate that cannot be read.
    pub(super) fn new(
        upstream: &UpstreamSettings,
        issuer: &str,
        location: &KeyLocation,
    ) -> Result<Self, String> {
        let is_plain = match location {
            KeyLocation::Discovery => issuer.starts_with("http://"),
            KeyLocation::Url(url) => url.starts_with("http://"),
            KeyLocation::File(..) => true,
        };
        let documents = Documents::new(upstream.ca_certificates.as_deref(), is_plain, upstream.timeout)?;
        Ok(Self { documents, issuer: issuer.to_owned(), location: location.clone() })
    }

    /// Fetches the keys.
    ///
    /// # Errors
    /// A text for the log.
    pub(super) async fn keys(&self) -> Result<Document, String> {
        match &self.location {
            KeyLocation::File(_, text) => Ok(Document { bytes: text.clone().into_bytes(), max_age: None }),
            KeyLocation::Url(url) => self.documents.get(url).await,
            KeyLocation::Discovery => {
                let url = format!("{}/{DISCOVERY}", self.issuer.trim_end_matches('/'));
                let description = self.documents.get(&url).await?;
                self.documents.get(&self.keys_url(&description.bytes)?).await
            }
        }
    }

    /// Reads the address of the keys out of an issuer's description, which must be its own and lead to itself.
    fn keys_url(&self, description: &[u8]) -> Result<String, String> {
        let description = object(description).ok_or("the issuer's description is no JSON object")?;
        let text = |name: &str| description.get(name).and_then(|value| value.as_str());
        if text("issuer") != Some(&self.issuer) {
            return Err("the issuer's description is that of another".into());
        }
        let url = text("jwks_uri").ok_or("the issuer's description has no jwks_uri")?;
        if !is_same_origin(url, &self.issuer) {
            return Err(
                "jwks_uri is on another host than the issuer; set oidc.jwks_url if that is right".into()
            );
        }
        Ok(url.to_owned())
    }
}
