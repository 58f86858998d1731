//! Signed links: URLs below `/-/blobs/` that carry their own permission for one artifact or upload.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ring::hmac;

use super::keys::SigningKeys;
use crate::domain::{Result, Timestamp, Uuid};

/// Path prefix of signed links.
pub const PREFIX: &str = "/-/blobs";

/// The field of a form for a link that holds the path of its file.
pub const PATH_FIELD: &str = "path";

/// The field of a form for a link that is its file.
pub const FILE_FIELD: &str = "file";

/// What a link permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To read an artifact.
    Download,
    /// To send the pieces of an upload.
    Upload,
    /// To send a part of a declared upload; its number is the link's path.
    Part,
    /// To send the files of a batch of declared uploads in forms.
    Form,
}

/// What a link is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it permits.
    pub purpose: Purpose,
    /// The UUID of the artifact or upload.
    pub uuid: Uuid,
    /// The path of a file of the artifact, which is an archive; the artifact itself without one. Of a part its number.
    pub path: Option<String>,
    /// When it ends.
    pub until: Timestamp,
}

/// Why a link is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkRefusal {
    /// It is not signed, or not by one of our keys.
    Forged,
    /// It has ended.
    Ended,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Download => "get",
            Self::Upload => "put",
            Self::Part => "part",
            Self::Form => "form",
        }
    }
}

impl Link {
    /// Returns the link's path and query.
    ///
    /// # Errors
    /// Those of the catalog, which keeps the keys.
    pub async fn sign(&self, keys: &SigningKeys, now: Timestamp) -> Result<String> {
        let key = keys.newest(now).await?;
        let seconds = self.until.as_millis() / 1000;
        let signature = hmac::sign(&key.links, self.message(seconds).as_bytes());
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature.as_ref());
        let (uuid, purpose) = (self.uuid, self.purpose.as_str());
        let path = match &self.path {
            Some(path) => format!("&path={}", utf8_percent_encode(path, NON_ALPHANUMERIC)),
            None => String::new(),
        };
        Ok(format!("{PREFIX}/{uuid}?for={purpose}{path}&until={seconds}&key={}&sig={signature}", key.id))
    }

    /// Verifies a link for `uuid` whose query holds these values.
    ///
    /// # Errors
    /// Those of the catalog, which keeps the keys.
    pub async fn verify(
        keys: &SigningKeys,
        uuid: &str,
        query: LinkQuery<'_>,
        now: Timestamp,
    ) -> Result<std::result::Result<Self, LinkRefusal>> {
        let purposes = [Purpose::Download, Purpose::Upload, Purpose::Part, Purpose::Form];
        let purpose = purposes.into_iter().find(|purpose| query.purpose == Some(purpose.as_str()));
        // Only the spelling that was signed is accepted.
        let seconds = query.until.filter(|text| is_number(text)).and_then(|text| text.parse::<i64>().ok());
        let key_id = query.key.filter(|text| is_number(text)).and_then(|text| text.parse::<i64>().ok());
        let signature = query.signature.and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok());
        let known = uuid.parse::<Uuid>().ok().filter(|known| known.to_string() == uuid);
        let (Some(purpose), Some(seconds), Some(key_id), Some(signature), Some(uuid)) =
            (purpose, seconds, key_id, signature, known)
        else {
            return Ok(Err(LinkRefusal::Forged));
        };
        let Some(key) = keys.find(key_id).await? else { return Ok(Err(LinkRefusal::Forged)) };
        let path = query.path.map(str::to_owned);
        let link = Self { purpose, uuid, path, until: Timestamp::from_millis(seconds.saturating_mul(1000)) };
        if hmac::verify(&key.links, link.message(seconds).as_bytes(), &signature).is_err() {
            return Ok(Err(LinkRefusal::Forged));
        }
        Ok(if link.until <= now { Err(LinkRefusal::Ended) } else { Ok(link) })
    }

    fn message(&self, seconds: i64) -> String {
        let message = format!("1\n{}\n{}\n{seconds}", self.purpose.as_str(), self.uuid);
        match &self.path {
            Some(path) => format!("{message}\n{path}"),
            None => message,
        }
    }
}

/// The parameters of a link, as its query holds them.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinkQuery<'a> {
    /// `for`
    pub purpose: Option<&'a str>,
    /// `path`
    pub path: Option<&'a str>,
    /// `until`
    pub until: Option<&'a str>,
    /// `key`
    pub key: Option<&'a str>,
    /// `sig`
    pub signature: Option<&'a str>,
}

/// Whether a text is a number in its one spelling.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
}
