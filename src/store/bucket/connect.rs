//! Bucket connections: opens a bucket and the runtime that talks to it.

use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::{HttpConnector, ReqwestConnector};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use secrecy::ExposeSecret;

use super::Bucket;
use crate::settings::BucketUrl;
use crate::threads::Threads;

/// The number of threads for signing, TLS and copying; hashing has threads of its own.
const THREADS: usize = 2;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Retries a failed request after 0.1 s, then after twice as long, for as long as a client would wait.
const RETRIES: RetryConfig = RetryConfig {
    backoff: BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(2),
        base: 2.0,
    },
    max_retries: 5,
    retry_timeout: Duration::from_secs(15),
};

/// For requests whose caller waits and will ask again.
const FEW_RETRIES: RetryConfig = RetryConfig { max_retries: 2, ..RETRIES };

impl Bucket {
    /// Opens the bucket without sending a request. `timeout` is how long it may be silent, before a response
    /// or in the middle of one. The whole response has no time limit: a slow client may take hours over a
    /// large artifact.
    pub(in crate::store) fn open(url: &BucketUrl, timeout: Duration) -> io::Result<Arc<Self>> {
        // There is one provider; an earlier call installed the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut options = ClientOptions::new()
            .with_timeout_disabled()
            .with_read_timeout(timeout)
            .with_connect_timeout(CONNECT_TIMEOUT);
        check_credentials(url)?;
        let mut builder = AmazonS3Builder::new();
        let (mut endpoint, mut is_anonymous) = ("AWS".to_owned(), false);
        for (name, value) in &url.options {
            // A variable that the store does not know, such as AWS_PAGER, is for other programs.
            let Ok(key) = AmazonS3ConfigKey::from_str(&name.to_ascii_lowercase()) else { continue };
            match key {
                AmazonS3ConfigKey::Endpoint | AmazonS3ConfigKey::S3Endpoint => {
                    endpoint = without_user(value.expose_secret());
                }
                AmazonS3ConfigKey::SkipSignature => {
                    is_anonymous = matches!(value.expose_secret(), "true" | "1" | "yes" | "on" | "y");
                }
                _ => {}
            }
            builder = builder.with_config(key, value.expose_secret());
        }
        if endpoint.starts_with("http://") {
            // Without TLS no certificates are needed, and a machine without any must not fail.
            options = options.with_allow_http(true).with_no_system_certificates(true);
        }
        let builder = builder.with_bucket_name(&url.bucket).with_client_options(options.clone());
        let asking = builder.clone().with_retry(FEW_RETRIES).build().map_err(io::Error::other)?;
        let s3 = builder.with_retry(RETRIES).build().map_err(io::Error::other)?;
        let http = ReqwestConnector::default().connect(&options).map_err(io::Error::other)?;
        let prefix = Path::parse(&url.prefix).map_err(io::Error::other)?;
        let (name, runtime) = (url.bucket.clone(), Threads::start("bucket", THREADS)?);
        Ok(Arc::new(Self { name, endpoint, is_anonymous, s3, asking, http, prefix, runtime }))
    }
}

/// Rejects incomplete credentials and characters that none can have: the service would answer with another
/// error.
fn check_credentials(url: &BucketUrl) -> io::Result<()> {
    let (mut id, mut secret) = (None, None);
    for (name, value) in &url.options {
        let Ok(key) = AmazonS3ConfigKey::from_str(&name.to_ascii_lowercase()) else { continue };
        match key {
            AmazonS3ConfigKey::AccessKeyId => id = Some(name),
            AmazonS3ConfigKey::SecretAccessKey => secret = Some(name),
            AmazonS3ConfigKey::Token
            | AmazonS3ConfigKey::Region
            | AmazonS3ConfigKey::DefaultRegion
            | AmazonS3ConfigKey::Endpoint
            | AmazonS3ConfigKey::S3Endpoint => {}
            _ => continue,
        }
        if value.expose_secret().contains(|c: char| c.is_whitespace() || c.is_control()) {
            let why = format!("{name} contains white space or a control character, maybe a line break");
            return Err(io::Error::other(why));
        }
    }
    let half = match (id, secret) {
        (Some(id), None) => Some((id, "AWS_SECRET_ACCESS_KEY")),
        (None, Some(secret)) => Some((secret, "AWS_ACCESS_KEY_ID")),
        (Some(_), Some(_)) | (None, None) => None,
    };
    match half {
        Some((set, missing)) => Err(io::Error::other(format!(
            "incomplete S3 credentials: {set} is set, {missing} is missing or empty"
        ))),
        None => Ok(()),
    }
}

/// Removes user and password from an address.
fn without_user(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => address.to_owned(),
    }
}
