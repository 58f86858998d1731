//! Probes check that a bucket can be used, and say in words why not.
//!
//! A service answers 404 for a missing bucket as for a missing object, and 403 for half a dozen reasons.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::multipart::MultipartStore;

use super::Bucket;
use crate::store::StoreKey;

/// How long a probe may take, tries included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);

/// How long it may take to get credentials that are not in the environment: a machine in a cloud has them at
/// hand, any other gets no answer.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(3);

impl Bucket {
    /// Checks that the bucket answers, exists and grants access: asks for the name of one object, which needs
    /// the right to list.
    ///
    /// # Errors
    /// `NotConnected`, with the reason as text.
    pub(in crate::store) async fn probe(self: &Arc<Self>) -> io::Result<()> {
        let bucket = Arc::clone(self);
        self.ask(async move {
            bucket.look_for_credentials().await?;
            let one = PaginatedListOptions { max_keys: Some(1), ..PaginatedListOptions::default() };
            let prefix = bucket.prefix_of_all();
            let listed = bucket.asking.list_paginated(prefix.as_deref(), one);
            let listed = tokio::time::timeout(ANSWER_TIMEOUT, listed);
            bucket.understand(listed.await.map(|answer| answer.map(drop)), "s3:ListBucket")
        })
        .await
    }

    /// Checks that the bucket accepts objects: begins and aborts a multipart upload, which leaves nothing
    /// there.
    ///
    /// # Errors
    /// As [`Bucket::probe`].
    pub(in crate::store) async fn probe_writing(self: &Arc<Self>) -> io::Result<()> {
        let bucket = Arc::clone(self);
        self.ask(async move {
            // If the abort fails, `gc` finds the upload at this path.
            let path = bucket.path(&StoreKey::random());
            let begun = async {
                let id = bucket.asking.create_multipart(&path).await?;
                bucket.asking.abort_multipart(&path, &id).await
            };
            let begun = tokio::time::timeout(ANSWER_TIMEOUT, begun).await;
            bucket.understand(begun, "s3:PutObject and s3:AbortMultipartUpload")
        })
        .await
    }

    async fn ask(&self, question: impl Future<Output = io::Result<()>> + Send + 'static) -> io::Result<()> {
        self.runtime.spawn(question).await.map_err(io::Error::other)?
    }

    /// Checks that there are credentials for the bucket, without asking the bucket.
    ///
    /// # Errors
    /// As [`Bucket::probe`].
    pub(in crate::store) async fn find_credentials(self: &Arc<Self>) -> io::Result<()> {
        let bucket = Arc::clone(self);
        self.ask(async move { bucket.look_for_credentials().await }).await
    }

    async fn look_for_credentials(&self) -> io::Result<()> {
        if self.is_anonymous {
            return Ok(());
        }
        let found = tokio::time::timeout(CREDENTIALS_TIMEOUT, self.asking.credentials().get_credential());
        match found.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(said(format!("{NO_CREDENTIALS}; no other source has any: {error}"))),
            Err(_) => Err(said(NO_CREDENTIALS.to_owned())),
        }
    }

    fn understand(
        &self,
        answer: Result<object_store::Result<()>, tokio::time::error::Elapsed>,
        rights: &str,
    ) -> io::Result<()> {
        match answer {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(said(self.words_for(&error.to_string(), rights))),
            Err(_) => {
                let seconds = ANSWER_TIMEOUT.as_secs();
                Err(said(format!("{} cannot be reached: no answer within {seconds} seconds", self.endpoint)))
            }
        }
    }

    /// Explains the error text of a failed request.
    fn words_for(&self, text: &str, rights: &str) -> String {
        let Self { name, endpoint, .. } = self;
        let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        let code = code.map_or("", |(code, _)| code);
        let status = text.split_once("status code: ").and_then(|(_, rest)| rest.get(..3)).unwrap_or_default();
        match (code, status) {
            ("NoSuchBucket", _) | ("", "404") => format!("bucket {name} does not exist at {endpoint}"),
            ("InvalidAccessKeyId", _) => {
                format!("access denied: {endpoint} does not know the key in AWS_ACCESS_KEY_ID")
            }
            ("SignatureDoesNotMatch", _) => {
                "access denied: AWS_SECRET_ACCESS_KEY is not the secret of AWS_ACCESS_KEY_ID".to_owned()
            }
            ("ExpiredToken" | "InvalidToken", _) => {
                format!("access denied: {endpoint} rejects the session token ({code})")
            }
            ("PermanentRedirect" | "AuthorizationHeaderMalformed", _) => {
                format!("bucket {name} is in another region ({code}): set AWS_REGION")
            }
            (_, "401" | "403") => {
                let code = if code.is_empty() { String::new() } else { format!(" ({code})") };
                format!("access denied{code}: the key needs {rights} on bucket {name}")
            }
            (_, "") => format!("{endpoint} cannot be reached: {text}"),
            _ => format!("{endpoint} gives an unexpected answer: {text}"),
        }
    }
}

const NO_CREDENTIALS: &str = "no S3 credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

fn said(words: String) -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, words)
}
