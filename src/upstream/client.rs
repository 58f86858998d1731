//! Client: sends one question over HTTP, within bounds, and returns the status and the JSON of the answer.
//!
//! No redirect is followed: the credential in a header of its own would go along. No proxy of the environment is
//! used: it would see every token.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{self, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Response, Url};
use secrecy::ExposeSecret;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;

use super::answer::Outage;
use super::breaker::Breaker;
use super::http_client;
use super::passing::{PassedAnswer, PassedRequest, Passing, VIA};
use super::question::{Asker, AskerKey, Kind, Place};
use super::reply::Reply;
use super::route::Route;
use crate::domain::Timestamp;
use crate::domain::network::counted_as;
use crate::settings::UpstreamSettings;
use crate::shares::{Share, Shares};
use crate::threads::Threads;

/// How long a question may wait for its turn.
const QUEUE: Duration = Duration::from_secs(1);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a download may send nothing, at least.
const SILENCE: Duration = Duration::from_secs(30);

/// The number of downloads at the same time.
const DOWNLOADS: usize = 8;

/// How many of them are for one reader.
const DOWNLOADS_OF_ONE: usize = DOWNLOADS / 2;

/// How long a download may wait for its turn.
const DOWNLOAD_QUEUE: Duration = Duration::from_secs(60);

/// The part of the questions that may be asked for nobody in particular at the same time: one in so many.
const ANONYMOUS_PART: usize = 4;

pub(super) struct Client {
    name: String,
    base: String,
    http: reqwest::Client,
    /// Without a bound on the time that a whole answer takes.
    downloads: reqwest::Client,
    download_turns: Shares<Reader>,
    pull_hosts: Vec<String>,
    turns: Semaphore,
    anonymous_turns: Semaphore,
    breaker: Breaker,
    passing: Passing,
    runtime: Threads,
}

/// For whom something is downloaded: whoever has a token, else whoever is at an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Reader(AskerKey, Option<IpAddr>);

impl Reader {
    pub(super) fn of(asker: &Asker, client: Option<IpAddr>) -> Self {
        Self(asker.key(), client.filter(|_| asker.is_nobody()).map(counted_as))
    }
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
        let sent_by = HeaderMap::from_iter([(header::VIA, HeaderValue::from_static(VIA))]);
        let builder = || {
            let is_plain = settings.url.starts_with("http://");
            let builder = http_client::builder(settings.ca_certificates.as_deref(), is_plain)?;
            let builder =
                builder.no_proxy().default_headers(sent_by.clone()).connect_timeout(CONNECT_TIMEOUT);
            Ok::<_, String>(builder.pool_max_idle_per_host(settings.concurrency))
        };
        let http = builder()?.timeout(settings.timeout).build().map_err(|error| one_line(&error))?;
        let silence = settings.timeout.max(SILENCE);
        let downloads = builder()?.read_timeout(silence).build().map_err(|error| one_line(&error))?;
        let polls = builder()?.timeout(settings.poll_timeout).build().map_err(|error| one_line(&error))?;
        let runtime = Threads::start("upstream", 1).map_err(|error| error.to_string())?;
        Ok(Self {
            name: settings.name.clone(),
            base: settings.url.clone(),
            http,
            downloads,
            download_turns: Shares::new(DOWNLOADS, DOWNLOADS_OF_ONE),
            pull_hosts: settings.pull_hosts.clone(),
            turns: Semaphore::new(settings.concurrency),
            anonymous_turns: Semaphore::new(settings.concurrency.div_ceil(ANONYMOUS_PART)),
            breaker: Breaker::default(),
            passing: Passing::new(polls),
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
        self.ask(errand, self.http.get(format!("{}{route}", self.base)), false).await
    }

    /// Asks once whether there is something to be had, without having it.
    pub(super) async fn head(&self, errand: Errand<'_>, route: Route<'_>) -> Result<Reply, Outage> {
        self.ask(errand, self.http.head(format!("{}{route}", self.base)), true).await
    }

    /// Asks once with a form, which may hold secrets.
    pub(super) async fn post(
        &self,
        errand: Errand<'_>,
        route: Route<'_>,
        form: String,
    ) -> Result<Reply, Outage> {
        let request = self.http.post(format!("{}{route}", self.base));
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        self.ask(errand, request, false).await
    }

    async fn ask(
        &self,
        errand: Errand<'_>,
        request: reqwest::RequestBuilder,
        is_head: bool,
    ) -> Result<Reply, Outage> {
        self.breaker.check((errand.kind, errand.asker.key()), errand.now)?;
        let outcome = match self.turn(errand.asker).await {
            Ok(_turns) => self.send(errand, request).await,
            Err(outage) => Err(outage),
        };
        let judge = if is_head { Self::judge_head } else { Self::judge };
        let outcome = outcome.and_then(|reply| judge(self, errand, reply));
        match &outcome {
            Ok(_) => self.breaker.succeeded(),
            Err(outage) => self.breaker.failed(&self.name, outage, errand.now),
        }
        outcome
    }

    /// Begins a download, which may be redirected once to one of the hosts in the settings. Nothing of a credential
    /// goes there. A refusal is a reply.
    pub(super) async fn download(
        &self,
        errand: Errand<'_>,
        route: Route<'_>,
    ) -> Result<Result<Response, Reply>, Outage> {
        self.breaker.check((errand.kind, errand.asker.key()), errand.now)?;
        let outcome = self.begin_download(errand, route).await;
        match &outcome {
            Ok(_) => self.breaker.succeeded(),
            Err(outage) => self.breaker.failed(&self.name, outage, errand.now),
        }
        outcome
    }

    async fn begin_download(
        &self,
        errand: Errand<'_>,
        route: Route<'_>,
    ) -> Result<Result<Response, Reply>, Outage> {
        let request = self.downloads.get(format!("{}{route}", self.base));
        let response = addressed(request, errand)?.send().await.map_err(|error| failure(&error))?;
        let response = match response.status().as_u16() {
            200 => response,
            302 | 303 | 307 => {
                let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
                let target = self.allowed_target(location)?;
                let request = self.downloads.get(target);
                // A bucket that fails says nothing about the upstream's own answers.
                let of_bucket = |why: String| Outage::of_question(format!("{why} of its bucket"));
                let response =
                    request.send().await.map_err(|error| of_bucket(failure(&error).reason.into_owned()))?;
                if response.status().as_u16() != 200 {
                    return Err(of_bucket(format!("status {}", response.status().as_u16())));
                }
                response
            }
            _ => return self.judge(errand, Reply::read(response).await?).map(Err),
        };
        Ok(Ok(response))
    }

    /// Takes one of the turns to pass a request on, without waiting, if the upstream is not left alone.
    pub(super) fn passing_turn(&self, now: Timestamp) -> Result<OwnedSemaphorePermit, Outage> {
        self.breaker.check_failures(now)?;
        self.passing.turn()
    }

    /// Passes a request on, and returns what is answered, whatever that is.
    pub(super) async fn pass(&self, request: PassedRequest, now: Timestamp) -> Result<PassedAnswer, Outage> {
        let outcome = self.passing.send(&format!("{}{}", self.base, Route::JobRequest), request).await;
        // What a runner is answered, by the upstream or by what stands before it, is no answer to a question: it does not
        // show that questions are answered again.
        if let Err(outage) = &outcome {
            self.breaker.failed(&self.name, outage, now);
        }
        outcome
    }

    /// Whether the upstream is left alone after failures.
    pub(super) fn is_left_alone(&self, now: Timestamp) -> bool {
        self.breaker.check_failures(now).is_err()
    }

    /// Returns where a download is redirected to, if that is one of the hosts in the settings.
    fn allowed_target(&self, location: Option<&str>) -> Result<Url, Outage> {
        let target = location.and_then(|text| Url::parse(text).ok());
        let target = target.ok_or_else(|| Outage::of_question("redirect to no address"))?;
        let host = target.host_str().unwrap_or_default().to_owned();
        let host = target.port().map_or(host.clone(), |port| format!("{host}:{port}"));
        let is_secure = target.scheme() == "https" || self.base.starts_with("http://");
        if !self.pull_hosts.contains(&host) || !is_secure {
            let why = format!("redirect to {host}, which is not among its pull_hosts");
            return Err(Outage::of_question(why));
        }
        Ok(target)
    }

    /// Waits for the turn to download something.
    pub(super) async fn download_turn(&self, reader: Reader) -> Result<Share<Reader>, Outage> {
        let late = |_| Outage::not_asked("too many downloads at the same time", 5);
        tokio::time::timeout(DOWNLOAD_QUEUE, self.download_turns.take(reader)).await.map_err(late)
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

    async fn send(&self, errand: Errand<'_>, request: reqwest::RequestBuilder) -> Result<Reply, Outage> {
        Reply::read(addressed(request, errand)?.send().await.map_err(|error| failure(&error))?).await
    }

    /// Like [`Client::judge`], for an answer without a body.
    fn judge_head(&self, errand: Errand<'_>, reply: Reply) -> Result<Reply, Outage> {
        match reply.status {
            200 if !reply.has_media("text/html") => Ok(reply),
            // The redirect to a bucket is not followed: that it is offered is the answer. One to elsewhere, such as a page
            // to sign in, is none.
            302 | 303 | 307 => self.allowed_target(reply.location.as_deref()).map(|_| reply),
            401 | 403 | 404 if reply.has_media("application/json") => Ok(reply),
            200 => Err(Outage::new("200 with a page in place of an archive")),
            401 | 403 | 404 => Err(Outage::new(format!("{} without JSON", reply.status))),
            301 => Err(Outage::new("redirect to another place")),
            _ => self.judge(errand, reply),
        }
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
                Err(self.breaker.limited((errand.kind, errand.asker.key()), seconds, errand.now))
            }
            // It refuses this question, and answers others.
            status @ 402..=499 => Err(Outage::of_question(format!("status {status}"))),
            status => Err(Outage::new(format!("status {status}"))),
        }
    }
}

/// Adds whose question it is.
fn addressed(
    request: reqwest::RequestBuilder,
    errand: Errand<'_>,
) -> Result<reqwest::RequestBuilder, Outage> {
    let request = request.headers(credential(errand.asker)?);
    Ok(match errand.client {
        // Of use where the upstream trusts this server as a proxy: its limits by address are the client's then.
        Some(client) => request.header("X-Forwarded-For", client.to_string()),
        None => request,
    })
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
pub(super) fn failure(error: &reqwest::Error) -> Outage {
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
