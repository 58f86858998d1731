//! Multipart uploads that were begun and never completed. Their parts are kept, and paid for, until they are
//! aborted, and no listing of objects shows them.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use object_store::client::{HttpRequest, HttpRequestBody};
use object_store::path::Path;
use object_store::signer::{Method, SignedUrlOptions, Signer};
use serde::Deserialize;

use super::{Bucket, failed};
use crate::domain::Timestamp;
use crate::store::StoreKey;
use crate::store::entry::{EntryLocation, StoreEntry};

/// How long the signed URL of a request is valid; it is used at once.
const QUESTION_LIFETIME: Duration = Duration::from_secs(60);

/// `ListMultipartUploadsResult` of the S3 API.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    is_truncated: bool,
    next_key_marker: Option<String>,
    next_upload_id_marker: Option<String>,
    #[serde(default, rename = "Upload")]
    uploads: Vec<Unfinished>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Unfinished {
    key: String,
    upload_id: String,
    initiated: String,
}

/// Returns the key of the blob at `path`.
fn key_of(path: &Path) -> Option<StoreKey> {
    let (rest, name) = path.as_ref().rsplit_once('/')?;
    let folder = rest.rsplit_once('/').map_or(rest, |(_, folder)| folder);
    format!("{folder}/{name}").parse().ok()
}

impl Bucket {
    /// Lists the uploads below `folder`. Their size is unknown.
    pub(super) async fn unfinished(self: &Arc<Self>, folder: Path) -> io::Result<Vec<StoreEntry>> {
        let mut listed = Vec::new();
        let mut markers = None;
        loop {
            let (bucket, folder) = (Arc::clone(self), folder.clone());
            let asked = self.runtime.spawn(async move { bucket.ask_for_unfinished(&folder, markers).await });
            let answer = asked.await.map_err(io::Error::other)??;
            for upload in answer.uploads {
                let initiated = Timestamp::parse(&upload.initiated).map_err(io::Error::other)?;
                let since_1970 = Duration::from_millis(initiated.as_millis().unsigned_abs());
                let path = Path::parse(&upload.key).map_err(io::Error::other)?;
                let upload_of = key_of(&path);
                let leftover = EntryLocation::Unfinished { path, upload_id: upload.upload_id };
                let begun = SystemTime::UNIX_EPOCH + since_1970;
                listed.push(StoreEntry::unfinished(upload_of, 0, begun, leftover));
            }
            markers = match (answer.is_truncated, answer.next_key_marker, answer.next_upload_id_marker) {
                (true, Some(key), Some(id)) => Some((key, id)),
                _ => return Ok(listed),
            };
        }
    }

    async fn ask_for_unfinished(
        &self,
        folder: &Path,
        markers: Option<(String, String)>,
    ) -> io::Result<Answer> {
        let mut query = vec![("uploads", String::new()), ("prefix", format!("{folder}/"))];
        if let Some((key, id)) = markers {
            query.extend([("key-marker", key), ("upload-id-marker", id)]);
        }
        let options = SignedUrlOptions::new().with_query(query);
        let root = Path::default();
        let url = self.s3.signed_url_opts(Method::GET, &root, QUESTION_LIFETIME, &options).await;
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = url.map_err(failed)?.as_str().parse().map_err(io::Error::other)?;
        let unreachable = |error| io::Error::new(io::ErrorKind::NotConnected, error);
        let answer = self.http.execute(request).await.map_err(unreachable)?;
        let status = answer.status();
        let body = answer.into_body().bytes().await.map_err(unreachable)?;
        let text = String::from_utf8_lossy(&body);
        if !status.is_success() {
            let why = format!("the bucket does not list unfinished uploads: {status}: {text}");
            return Err(io::Error::new(io::ErrorKind::NotConnected, why));
        }
        quick_xml::de::from_str(&text).map_err(io::Error::other)
    }
}
