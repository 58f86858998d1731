//! Asks a bucket whether it can be worked with, and says in words what is in the way: a service answers 404
//! for a bucket that is not there just as for an object, and 403 for half a dozen reasons.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::multipart::MultipartStore;

use super::Bucket;
use crate::store::StoreKey;

/// How long a question may take, tries included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);

/// How long it may take to come by credentials that are not in the environment: a machine in a cloud has them
/// at hand, any other has nobody who would answer.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(3);

impl Bucket {
    /// Whether the bucket answers, is there, and lets us in: it is asked for the name of one object, which
    /// needs the right to list.
    ///
    /// # Errors
    /// `NotConnected`, with a text that says what is in the way.
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

    /// Whether the bucket takes objects: a large one is begun and given up, which leaves nothing there.
    ///
    /// # Errors
    /// As [`Bucket::probe`].
    pub(in crate::store) async fn probe_writing(self: &Arc<Self>) -> io::Result<()> {
        let bucket = Arc::clone(self);
        self.ask(async move {
            // Should it be left after all, it lies where `gc` looks for such.
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

    /// Whether there are credentials to show to the bucket, which itself is not asked.
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
            Ok(Err(error)) => Err(said(format!("{NO_CREDENTIALS}; there are no others: {error}"))),
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

    /// What the text of a failed request comes to.
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
                format!("access denied: {endpoint} does not take the session token ({code})")
            }
            ("PermanentRedirect" | "AuthorizationHeaderMalformed", _) => {
                format!("bucket {name} is in another region ({code}): set AWS_REGION")
            }
            (_, "401" | "403") => {
                let code = if code.is_empty() { String::new() } else { format!(" ({code})") };
                format!("access denied{code}: the key needs {rights} on bucket {name}")
            }
            (_, "") => format!("{endpoint} cannot be reached: {text}"),
            _ => format!("{endpoint} does not answer as it should: {text}"),
        }
    }
}

const NO_CREDENTIALS: &str = "no S3 credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

fn said(words: String) -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, words)
}
