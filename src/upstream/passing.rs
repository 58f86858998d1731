//! Passing on: a runner's question for a job, which the upstream answers: sent to it as it came, and answered with
//! what it answers.
//!
//! The upstream may let a runner wait for as long as there is no job for it. So these requests have connections and
//! turns of their own, and a time of their own.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, Url};
use rustix::process::{Resource, getrlimit};
use std::net::IpAddr;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::Upstream;
use super::answer::Outage;
use super::client::failure;

/// How every request to an upstream names this server, so that a proxy before the upstream does not send it back here.
pub const VIA: &str = "1.1 artigate";

/// The largest answer, in bytes. GitLab's are as large as the variables and files of a job.
const MAX_ANSWER: usize = 16 << 20;

/// Most requests at the same time.
const AT_ONCE: usize = 1024;

/// The part of all open files that these requests may take: one in so many.
const FILES: u64 = 8;

/// Headers of one connection, which are not passed on, and those that this server writes itself.
const OF_CONNECTION: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers of requests that are not passed on besides: what a proxy says of its client, the codings that hide an answer
/// from this server, and the credentials of users and jobs, which no runner shows when it asks for a job.
const OF_REQUEST: &[&str] = &[
    "accept-encoding",
    "authorization",
    "cookie",
    "forwarded",
    "job-token",
    "private-token",
    "via",
    "x-real-ip",
];

/// Headers of proxies that begin like this are not passed on.
const OF_PROXIES: &str = "x-forwarded-";

/// The beginning of every ID token: those are never sent on.
const ID_TOKEN_PREFIX: &[u8] = b"eyJ";

/// Names and values of headers, in order.
type Headers = Vec<(String, Vec<u8>)>;

/// A request that is passed on. Nothing of it is ever printed.
#[derive(Clone)]
pub struct PassedRequest {
    /// The raw query, without its question mark.
    pub query: Option<String>,
    /// The headers as they came.
    pub headers: Headers,
    /// The whole body.
    pub body: Bytes,
    /// The address of the client, if it is known.
    pub client: Option<IpAddr>,
}

/// The answer to a request that was passed on. Nothing of it is ever printed.
#[derive(Clone)]
pub struct PassedAnswer {
    /// The status.
    pub status: u16,
    /// The headers, without those of the connection and the length.
    pub headers: Headers,
    /// The whole body, at most 16 MiB.
    pub body: Bytes,
}

/// Returns how many requests may be passed on at the same time by a process that may have so many files open; `None`
/// for no bound.
pub fn passed_at_once(open_files: Option<u64>) -> usize {
    let part = open_files.map_or(AT_ONCE as u64, |files| (files / FILES).max(1));
    usize::try_from(part).unwrap_or(AT_ONCE).min(AT_ONCE)
}

/// Connections and turns of requests that are passed on.
pub(super) struct Passing {
    http: reqwest::Client,
    turns: Arc<Semaphore>,
}

impl Passing {
    pub(super) fn new(http: reqwest::Client) -> Self {
        // The server raises its limit to the most that it may have.
        let at_once = passed_at_once(getrlimit(Resource::Nofile).maximum);
        Self { http, turns: Arc::new(Semaphore::new(at_once)) }
    }

    /// Takes a turn, without waiting for one: whoever waits here would be answered as late as whoever waits there.
    pub(super) fn turn(&self) -> Result<OwnedSemaphorePermit, Outage> {
        let late = |_| Outage::not_asked("too many runners ask for a job at the same time", 5);
        Arc::clone(&self.turns).try_acquire_owned().map_err(late)
    }

    pub(super) async fn send(&self, address: &str, request: PassedRequest) -> Result<PassedAnswer, Outage> {
        let mut url = Url::parse(address).map_err(|_| Outage::not_asked("its address cannot be read", 60))?;
        url.set_query(request.query.as_deref());
        let headers = sent_headers(&request.headers, request.client);
        let sending = self.http.post(url).headers(headers).body(request.body).send();
        let response = sending.await.map_err(|error| late_or_failed(&error))?;
        let status = response.status().as_u16();
        let headers = answered_headers(response.headers());
        Ok(PassedAnswer { status, headers, body: read(response).await? })
    }
}

/// A poll that is not answered in time says nothing about the upstream's other answers.
fn late_or_failed(error: &reqwest::Error) -> Outage {
    if error.is_timeout() && !error.is_connect() {
        return Outage::not_asked("a runner's question for a job is not answered within poll_timeout", 5);
    }
    failure(error)
}

async fn read(mut response: Response) -> Result<Bytes, Outage> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| late_or_failed(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(Outage::new("the job for a runner is larger than 16 MiB"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

/// Returns the headers that are sent to the upstream.
fn sent_headers(came: &Headers, client: Option<IpAddr>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let named = named_by_connection(came.iter().map(|(name, value)| (name.as_str(), value.as_slice())));
    let mut via = String::new();
    for (name, value) in came {
        let name = name.to_ascii_lowercase();
        if name == "via"
            && let Ok(value) = std::str::from_utf8(value)
        {
            via = format!("{via}{value}, ");
        }
        let name = name.as_str();
        let stays = OF_CONNECTION.contains(&name) || OF_REQUEST.contains(&name) || named.contains(name);
        if stays || name.starts_with(OF_PROXIES) || value.starts_with(ID_TOKEN_PREFIX) {
            continue;
        }
        if let (Ok(name), Ok(mut value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
        {
            value.set_sensitive(true);
            headers.append(name, value);
        }
    }
    let own = [
        ("accept-encoding", Some("identity".to_owned())),
        ("via", Some(format!("{via}{VIA}"))),
        ("x-forwarded-for", client.map(|client| client.to_string())),
    ];
    for (name, value) in own {
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers
}

/// Returns the headers that go to the client.
fn answered_headers(came: &HeaderMap) -> Headers {
    let named = named_by_connection(came.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
    let passed = came.iter().filter(|(name, _)| {
        let name = name.as_str();
        !OF_CONNECTION.contains(&name) && !named.contains(name)
    });
    passed.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

/// Returns the names, in lower case, of the headers that `Connection` keeps to one connection.
fn named_by_connection<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> std::collections::BTreeSet<String> {
    let lists = headers.filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
    let lists = lists.filter_map(|(_, value)| std::str::from_utf8(value).ok());
    lists.flat_map(|list| list.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

impl Upstream {
    /// Passes a runner's question for a job on. The call ends with the future: nobody waits for a job whose runner has
    /// gone.
    ///
    /// # Errors
    /// [`Outage`] when there is no answer.
    pub(crate) async fn pass(&self, request: PassedRequest) -> Result<PassedAnswer, Outage> {
        let now = self.0.clock.now();
        let turn = self.0.client.passing_turn(now)?;
        self.0.metrics.called();
        let upstream = self.clone();
        let passing = self.0.client.spawn(async move {
            let _turn = turn;
            upstream.0.client.pass(request, now).await
        });
        let ended = EndedWithThis(passing).await;
        ended.unwrap_or_else(|| Err(Outage::not_asked("the question was given up", 5)))
    }
}

/// Work that is aborted when this is dropped; `None` if it has not come to its end.
struct EndedWithThis<T>(JoinHandle<T>);

impl<T> Future for EndedWithThis<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.0).poll(cx).map(Result::ok)
    }
}

impl<T> Drop for EndedWithThis<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> Headers {
        list.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn what_belongs_to_a_connection_or_to_somebody_else_stays_here() {
        let came = headers(&[
            ("Connection", "close, X-Hop"),
            ("X-Hop", "1"),
            ("Host", "front"),
            ("Accept-Encoding", "gzip"),
            ("X-Forwarded-For", "203.0.113.9"),
            ("X-Forwarded-Host", "front"),
            ("Forwarded", "for=203.0.113.9"),
            ("PRIVATE-TOKEN", "glpat-x"),
            ("Authorization", "Bearer x"),
            ("Cookie", "a=b"),
            ("Runner-Token", "eyJhbGciOi.x.y"),
            ("Via", "1.1 front"),
            ("Runner-Token", "glrt-x"),
            ("X-Two", "1"),
            ("X-Two", "2"),
        ]);
        let sent = sent_headers(&came, Some([192, 0, 2, 1].into()));
        let mut sent: Vec<_> =
            sent.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        sent.sort_unstable();
        let expected = [
            ("accept-encoding", "identity"),
            ("runner-token", "glrt-x"),
            ("via", "1.1 front, 1.1 artigate"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-two", "1"),
            ("x-two", "2"),
        ];
        assert_eq!(sent, expected);
    }

    #[test]
    fn they_take_a_part_of_the_open_files_and_wait_for_nobody() {
        assert_eq!(passed_at_once(None), 1024);
        assert_eq!(passed_at_once(Some(1 << 20)), 1024);
        assert_eq!(passed_at_once(Some(1024)), 128);
        assert_eq!(passed_at_once(Some(0)), 1);
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
        let passing = Passing { http, turns: Arc::new(Semaphore::new(1)) };
        let turn = passing.turn().unwrap();
        let late = passing.turn().unwrap_err();
        assert_eq!((late.retry_after, late.is_failure), (5, false));
        drop(turn);
        assert!(passing.turn().is_ok());
    }
}
