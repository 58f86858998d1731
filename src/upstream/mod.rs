//! Upstream: a live GitLab that knows projects, jobs and tokens which are not registered here, and decides who may
//! read them.
//!
//! It is asked with the caller's own credential, over one HTTP client, by a few fixed questions. Answers are kept in
//! memory for a while, by the SHA-256 of the credential; nothing of a credential is stored, and nothing is asked
//! while a connection to the database is held: a [`Consultation`] collects what a request has to ask.

mod answer;
mod archives;
mod ask;
mod breaker;
mod by_ref;
mod cache;
mod check;
mod client;
mod consultation;
mod counters;
mod documents;
mod http_client;
mod passing;
mod pipelines;
mod question;
mod route;
mod wire;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

pub use answer::{Answer, Outage, Refusal, Standing, TokenFacts};
pub use archives::{ArchivePage, Download, ListedArchive};
pub use check::{CheckLine, CheckOutcome, Checked, RateLimit};
pub use consultation::Consultation;
pub use counters::Counts;
pub use documents::{Document, Documents, is_same_origin};
pub use passing::{PassedAnswer, PassedRequest, VIA, passed_at_once};
pub use pipelines::PipelineFacts;
pub use question::{ArchiveAt, Asker, Place, ProjectKey, Question, RefJob};

use crate::domain::{Clock, Error, Result, Timestamp};
use crate::settings::{PullMode, Settings, UpstreamKind, UpstreamSettings};
use cache::Cache;
use client::Client;
use counters::Counters;
use question::Key;

/// A question that is being asked, for everybody who waits for it.
type Flight = Shared<BoxFuture<'static, std::result::Result<Answer, Outage>>>;

/// An upstream. Clones share it.
#[derive(Clone)]
pub struct Upstream(Arc<Inner>);

struct Inner {
    name: String,
    client: Client,
    cache: Cache,
    flights: Mutex<HashMap<Key, Flight>>,
    counters: Counters,
    clock: Clock,
    remember: Duration,
    pulls: bool,
    /// The upstream's own asker, if it has a token for this server.
    service: Option<Asker>,
}

impl Upstream {
    /// Opens the upstream that the settings name, without asking it anything; `None` if they name none that can be
    /// asked.
    ///
    /// # Errors
    /// `Internal` if its certificates cannot be read, or the system refuses a thread.
    pub fn open(settings: &Settings, clock: Clock) -> Result<Option<Self>> {
        let found = settings.upstreams.iter().find(|upstream| upstream.kind == UpstreamKind::GitLab);
        found.map(|upstream| Self::new(upstream, clock)).transpose()
    }

    /// Opens one upstream, as [`Upstream::open`].
    ///
    /// # Errors
    /// As [`Upstream::open`].
    pub fn new(settings: &UpstreamSettings, clock: Clock) -> Result<Self> {
        let client = Client::new(settings)
            .map_err(|why| Error::internal(format!("upstream {}: {why}", settings.name)))?;
        Ok(Self(Arc::new(Inner {
            name: settings.name.clone(),
            client,
            cache: Cache::default(),
            flights: Mutex::default(),
            counters: Counters::default(),
            clock,
            remember: settings.remember,
            pulls: settings.pull == PullMode::Archives,
            service: settings
                .service_token
                .as_ref()
                .and_then(|token| Asker::with_token(Place::Bearer, token)),
        })))
    }

    /// Returns its name in the settings.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether archives are fetched from it.
    pub fn pulls(&self) -> bool {
        self.0.pulls
    }

    /// Runs work on its own thread, to its end.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.0.client.spawn(work)
    }

    /// Returns the time by which it counts what it remembers.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Returns what was asked so far, and how it was answered.
    pub fn counts(&self) -> Counts {
        self.0.counters.counts()
    }

    /// Forgets what is known of a project: who may read it, and which paths lead to it.
    pub fn forget_project(&self, id: i64) {
        self.0.cache.forget_project(id);
    }

    /// Answers a question. Everybody who asks the same at the same time gets the same answer to one call, which goes
    /// on if the one who asked first has gone. What was answered meanwhile, and is not older than `max_age_millis`, is
    /// not asked again.
    ///
    /// # Errors
    /// [`Outage`] when there is no answer.
    pub(crate) async fn answer(
        &self,
        question: &Question,
        client: Option<IpAddr>,
        max_age_millis: i64,
    ) -> std::result::Result<Answer, Outage> {
        let key = question.key();
        let flight = {
            let mut flights = self.0.flights.lock().unwrap_or_else(PoisonError::into_inner);
            // A flight is remembered before it ends, so it is in one of the two.
            if let Some(answer) = self.0.cache.find(&key, self.0.clock.now(), max_age_millis) {
                self.0.counters.remembered();
                return Ok(answer);
            }
            match flights.get(&key) {
                Some(flight) => {
                    self.0.counters.joined();
                    flight.clone()
                }
                None => {
                    let flight = self.begin(question.clone(), key.clone(), client);
                    flights.insert(key, flight.clone());
                    flight
                }
            }
        };
        flight.await
    }

    /// Begins to ask. The caller holds the lock of the flights, so that this one cannot end before it is known.
    fn begin(&self, question: Question, key: Key, client: Option<IpAddr>) -> Flight {
        let upstream = self.clone();
        let asking = self.0.client.spawn(async move {
            let answered = upstream.put(&question, client).await;
            upstream.remember(&question, &answered);
            upstream.0.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            answered
        });
        asking
            .map(|ended| ended.unwrap_or_else(|_| Err(Outage::new("the question was given up"))))
            .boxed()
            .shared()
    }

    fn remember(&self, question: &Question, answered: &std::result::Result<Answer, Outage>) {
        match answered {
            Ok(answer) => {
                self.0.counters.answered(answer);
                // What a ref leads to is of use when it is stored, and remembered then.
                if !matches!(answer, Answer::Newest(_)) {
                    self.0.cache.keep(question, answer, self.0.clock.now(), self.0.remember);
                }
            }
            Err(_) => self.0.counters.failed(),
        }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upstream {}", self.0.name)
    }
}
