//! Documents of an issuer: its description and its keys, fetched without a credential.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};

use super::json::object;
use crate::settings::{KeySource as KeyLocation, UpstreamSettings};

/// Longest document, in bytes.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// Where an issuer's description is, below the issuer.
const DISCOVERY: &str = ".well-known/openid-configuration";

/// A document, and for how long it says that it may be kept.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) bytes: Vec<u8>,
    pub(super) max_age: Option<Duration>,
}

/// Fetches the keys of one issuer.
#[derive(Debug, Clone)]
pub(super) struct KeyFetcher {
    client: Client,
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
        // There is one provider; an earlier call installed the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .timeout(upstream.timeout)
            .connect_timeout(upstream.timeout)
            .pool_max_idle_per_host(0);
        let is_plain = match location {
            KeyLocation::Discovery => issuer.starts_with("http://"),
            KeyLocation::Url(url) => url.starts_with("http://"),
            KeyLocation::File(..) => true,
        };
        if is_plain {
            // Without TLS no certificates are needed, and a machine without any must not fail.
            builder = builder.tls_certs_only([]);
        } else if let Some(text) = &upstream.ca_certificates {
            builder = builder.tls_certs_merge(certificates(text)?);
        }
        let client = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { client, issuer: issuer.to_owned(), location: location.clone() })
    }

    /// Fetches the keys.
    ///
    /// # Errors
    /// A text for the log.
    pub(super) async fn keys(&self) -> Result<Document, String> {
        match &self.location {
            KeyLocation::File(_, text) => Ok(Document { bytes: text.clone().into_bytes(), max_age: None }),
            KeyLocation::Url(url) => self.get(url).await,
            KeyLocation::Discovery => {
                let url = format!("{}/{DISCOVERY}", self.issuer.trim_end_matches('/'));
                let description = self.get(&url).await?;
                self.get(&self.keys_url(&description.bytes)?).await
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
        let origin = |url: &str| Url::parse(url).map(|url| url.origin()).ok();
        if origin(url).is_none() || origin(url) != origin(&self.issuer) {
            return Err(
                "jwks_uri is on another host than the issuer; set oidc.jwks_url if that is right".into()
            );
        }
        Ok(url.to_owned())
    }

    async fn get(&self, url: &str) -> Result<Document, String> {
        let failed = |error: reqwest::Error| {
            let error = error.without_url();
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            format!("{url}: {error}{}", cause.unwrap_or_default())
        };
        let mut answer =
            self.client.get(url).header("Accept", "application/json").send().await.map_err(failed)?;
        if answer.status().as_u16() != 200 {
            return Err(format!("{url}: answered {}", answer.status()));
        }
        let max_age = answer.headers().get("cache-control").and_then(|value| max_age(value.to_str().ok()?));
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(failed)? {
            if bytes.len() + piece.len() > MAX_DOCUMENT_BYTES {
                return Err(format!("{url}: more than {MAX_DOCUMENT_BYTES} bytes"));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(Document { bytes, max_age })
    }
}

fn certificates(text: &str) -> Result<Vec<Certificate>, String> {
    Certificate::from_pem_bundle(text.as_bytes()).map_err(|error| format!("ca_file: {error}"))
}

/// Reads `max-age` of `Cache-Control`.
fn max_age(value: &str) -> Option<Duration> {
    let mut directives = value.split(',').map(str::trim);
    let seconds = directives
        .find_map(|directive| directive.to_ascii_lowercase().strip_prefix("max-age=")?.parse().ok());
    seconds.map(Duration::from_secs)
}
