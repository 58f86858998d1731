//! Documents: what an issuer publishes for everybody, fetched without a credential.

use std::time::Duration;

use reqwest::{Client, Url};

use super::http_client;

/// Longest document, in bytes.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// A document, and for how long it says that it may be kept.
#[derive(Debug)]
pub struct Document {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How long it may be kept.
    pub max_age: Option<Duration>,
}

/// Fetches documents.
#[derive(Debug, Clone)]
pub struct Documents(Client);

impl Documents {
    /// Returns a fetcher that sends nothing yet. It trusts `ca_certificates` besides the system's; `is_plain` says that
    /// nothing is fetched over TLS.
    ///
    /// # Errors
    /// A text for a certificate that cannot be read.
    pub fn new(ca_certificates: Option<&str>, is_plain: bool, timeout: Duration) -> Result<Self, String> {
        let builder = http_client::builder(ca_certificates, is_plain)?;
        let builder = builder.timeout(timeout).connect_timeout(timeout).pool_max_idle_per_host(0);
        Ok(Self(builder.build().map_err(|error| error.to_string())?))
    }

    /// Fetches a document of at most 256 KiB.
    ///
    /// # Errors
    /// A text for the log.
    pub async fn get(&self, url: &str) -> Result<Document, String> {
        let failed = |error: reqwest::Error| {
            let error = error.without_url();
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            format!("{url}: {error}{}", cause.unwrap_or_default())
        };
        let request = self.0.get(url).header("Accept", "application/json");
        let mut answer = request.send().await.map_err(failed)?;
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

/// Whether two addresses have the same scheme, host and port.
pub fn is_same_origin(one: &str, other: &str) -> bool {
    let origin = |url: &str| Url::parse(url).map(|url| url.origin()).ok();
    origin(one).is_some() && origin(one) == origin(other)
}

/// Reads `max-age` of `Cache-Control`.
fn max_age(value: &str) -> Option<Duration> {
    let mut directives = value.split(',').map(str::trim);
    let seconds = directives
        .find_map(|directive| directive.to_ascii_lowercase().strip_prefix("max-age=")?.parse().ok());
    seconds.map(Duration::from_secs)
}
