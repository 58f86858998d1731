//! Client: sends one question over HTTP, within bounds, and returns the status and the JSON of the answer.
//!
//! No redirect is followed: the credential in a header of its own would go along. No proxy of the environment is
//! used: it would see every token.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Certificate, redirect, retry};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;

use super::answer::Outage;
use super::breaker::Breaker;
use super::question::{Asker, Kind, Place};
use super::route::Route;
use crate::domain::Timestamp;
use crate::settings::UpstreamSettings;

/// How long a question may wait for its turn.
const QUEUE: Duration = Duration::from_secs(1);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The largest answer, in bytes.
const MAX_BODY: usize = 1 << 20;

/// The part of the questions that may be asked for nobody in particular at the same time: one in so many.
const ANONYMOUS_PART: usize = 4;

pub(super) struct Client {
    name: String,
    base: String,
    http: reqwest::Client,
    turns: Semaphore,
    anonymous_turns: Semaphore,
    breaker: Breaker,
    runtime: Runtime,
}

/// An answer as it was received.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// The body, `Null` if the status is that of a redirect or the body is none of JSON.
    pub(super) json: Value,
    /// The target of a redirect.
    pub(super) location: Option<String>,
    /// The headers.
    pub(super) headers: HeaderMap,
}

/// For whom and about what a question is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Errand<'a> {
    pub(super) kind: Kind,
    pub(super) asker: &'a Asker,
    pub(super) client: Option<IpAddr>,
    pub(super) now: Timestamp,
}

impl Client {
    pub(super) fn new(settings: &UpstreamSettings) -> Result<Self, String> {
        // There is one provider; an earlier call installed the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("artigate/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(settings.timeout)
            .pool_max_idle_per_host(settings.concurrency);
        let own = match &settings.ca_certificates {
            Some(pem) => {
                Certificate::from_pem_bundle(pem.as_bytes()).map_err(|_| "ca_file: no PEM certificates")?
            }
            None => Vec::new(),
        };
        builder = if settings.url.starts_with("http://") {
            // Without TLS no certificates are needed, and a machine without any must not fail.
            builder.tls_certs_only(own)
        } else {
            builder.tls_certs_merge(own)
        };
        let runtime = Runtime::start().map_err(|error| error.to_string())?;
        Ok(Self {
            name: settings.name.clone(),
            base: settings.url.clone(),
            http: builder.build().map_err(|error| one_line(&error))?,
            turns: Semaphore::new(settings.concurrency),
            anonymous_turns: Semaphore::new(settings.concurrency.div_ceil(ANONYMOUS_PART)),
            breaker: Breaker::default(),
            runtime,
        })
    }

    /// Returns the upstream's address, without a trailing slash.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Runs work on the client's own thread, to its end.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.runtime.spawn(work)
    }

    /// Asks once. A refusal of any kind is a reply; an answer that no GitLab gives is an outage.
    pub(super) async fn get(&self, errand: Errand<'_>, route: Route<'_>) -> Result<Reply, Outage> {
        self.breaker.check(errand.kind, errand.now)?;
        let outcome = match self.turn(errand.asker).await {
            Ok(_turns) => self.send(errand, route).await,
            Err(outage) => Err(outage),
        };
        let outcome = outcome.and_then(|reply| self.judge(errand, reply));
        match &outcome {
            Ok(_) => self.breaker.succeeded(),
            Err(outage) => self.breaker.failed(&self.name, outage, errand.now),
        }
        outcome
    }

    /// Waits for a turn. Questions for nobody in particular have only a part of all turns.
    async fn turn(
        &self,
        asker: &Asker,
    ) -> Result<(SemaphorePermit<'_>, Option<SemaphorePermit<'_>>), Outage> {
        let late = || Outage::not_asked("too many questions at the same time", 1);
        let waiting = async {
            let anonymous = if asker.is_nobody() {
                Some(self.anonymous_turns.acquire().await.map_err(|_| late())?)
            } else {
                None
            };
            Ok((self.turns.acquire().await.map_err(|_| late())?, anonymous))
        };
        tokio::time::timeout(QUEUE, waiting).await.unwrap_or_else(|_| Err(late()))
    }

    async fn send(&self, errand: Errand<'_>, route: Route<'_>) -> Result<Reply, Outage> {
        let mut request = self.http.get(format!("{}{route}", self.base)).headers(credential(errand.asker)?);
        if let Some(client) = errand.client {
            // Of use where the upstream trusts this server as a proxy: its limits by address are the client's then.
            request = request.header("X-Forwarded-For", client.to_string());
        }
        let mut response = request.send().await.map_err(|error| failure(&error))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let location = text(LOCATION).map(str::to_owned);
        let is_json = text(CONTENT_TYPE).is_some_and(|media| {
            media.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"))
        });
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(Outage::new("the answer is too large"));
            }
            body.extend_from_slice(&chunk);
        }
        let json = if is_json { serde_json::from_slice(&body).ok() } else { None };
        Ok(Reply { status, json: json.unwrap_or(Value::Null), location, headers })
    }

    /// Tells what GitLab says from what stands before it.
    fn judge(&self, errand: Errand<'_>, reply: Reply) -> Result<Reply, Outage> {
        match reply.status {
            200 if reply.json.is_null() => Err(Outage::new("200 without JSON")),
            // A page that is no JSON is not GitLab's word, but that of something before it.
            400 | 401 | 403 | 404 if reply.json.is_null() => {
                Err(Outage::new(format!("{} without JSON", reply.status)))
            }
            200 | 301 | 400 | 401 | 403 | 404 => Ok(reply),
            429 => {
                let text = reply.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                let seconds = text.and_then(|text| text.trim().parse().ok());
                Err(self.breaker.limited(errand.kind, seconds, errand.now))
            }
            status => Err(Outage::new(format!("status {status}"))),
        }
    }
}

/// Returns the header with the asker's token.
fn credential(asker: &Asker) -> Result<HeaderMap, Outage> {
    let mut headers = HeaderMap::new();
    let Some((place, token)) = asker.token() else { return Ok(headers) };
    let text = token.expose_secret();
    let unsendable = |_| Outage::not_asked("the token cannot be sent", 1);
    let mut value = match place {
        Place::Bearer => HeaderValue::try_from(format!("Bearer {text}")),
        Place::Personal | Place::Job => HeaderValue::try_from(text),
    }
    .map_err(unsendable)?;
    value.set_sensitive(true);
    match place {
        Place::Bearer => headers.insert(AUTHORIZATION, value),
        Place::Personal => headers.insert("private-token", value),
        Place::Job => headers.insert("job-token", value),
    };
    Ok(headers)
}

/// Returns why a request failed: the kind, and the innermost cause. The address is the operator's, and in the log.
fn failure(error: &reqwest::Error) -> Outage {
    let kind = match error {
        error if error.is_timeout() => "timeout",
        error if error.is_connect() => "no connection",
        _ => "broken answer",
    };
    Outage::new(format!("{kind}: {}", one_line(error)))
}

/// Returns the innermost cause of an error, on one line.
fn one_line(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A runtime that may be dropped anywhere.
struct Runtime(Option<tokio::runtime::Runtime>);

impl Runtime {
    fn start() -> std::io::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("upstream").enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.0.as_ref().expect("it is there until it is dropped").spawn(work)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // Waiting for the thread would panic inside another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
