//! Upstream: a live GitLab that knows projects, jobs and tokens which are not registered here, and decides who may
//! read them.
//!
//! It is asked with the caller's own credential, over one HTTP client, by a few fixed questions. Answers are kept in
//! memory for a while, by the SHA-256 of the credential; nothing of a credential is stored, and nothing is asked
//! while a connection to the database is held: a [`Consultation`] collects what a request has to ask.

mod answer;
mod application;
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
mod flights;
mod http_client;
mod passing;
mod pipelines;
mod projects;
mod question;
mod reply;
mod route;
mod spare;
mod wire;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

pub use answer::{Answer, Outage, Refusal, Standing, TokenFacts};
pub use application::{Person, PersonTokens, TokenGrant};
pub use archives::{ArchivePage, Download, ListedArchive};
pub use check::{CheckLine, CheckOutcome, Checked, RateLimit};
pub use consultation::Consultation;
pub use counters::Counts;
pub use documents::{Document, Documents, is_same_origin};
pub use passing::{PassedAnswer, PassedRequest, VIA, passed_at_once};
pub use pipelines::PipelineFacts;
pub use projects::ProjectTold;
pub use question::{ArchiveAt, Asker, Place, ProjectKey, Question, RefJob};

use crate::domain::{Clock, Error, Result, Timestamp};
use crate::metrics::{QuestionOutcome, Upstream as Metrics};
use crate::settings::{ApplicationSettings, PullMode, Settings, UpstreamKind, UpstreamSettings};
pub(crate) use answer::Told;
use cache::Cache;
use client::Client;
use flights::{Flight, Flights};
use question::Key;
use spare::SpareQuestions;

/// An upstream. Clones share it.
#[derive(Clone)]
pub struct Upstream(Arc<Inner>);

struct Inner {
    name: String,
    client: Client,
    cache: Cache,
    flights: Flights,
    spare: SpareQuestions,
    metrics: Metrics,
    clock: Clock,
    remember: Duration,
    pulls: bool,
    /// The upstream's own asker, if it has a token for this server.
    service: Option<Asker>,
    /// What this server is to it, if people sign in there.
    application: Option<ApplicationSettings>,
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
            flights: Flights::default(),
            spare: SpareQuestions::default(),
            metrics: Metrics::default(),
            clock,
            remember: settings.remember,
            pulls: settings.pull == PullMode::Archives,
            application: settings.application.clone(),
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
        Counts::of(&self.0.metrics)
    }

    /// The metrics of what it is asked, and of what is fetched from it.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Whether it is left alone now, after failures.
    pub fn is_left_alone(&self) -> bool {
        self.0.client.is_left_alone(self.now())
    }

    /// Forgets what is known of a project: who may read it, and which paths lead to it. What is being asked about it is
    /// not remembered.
    pub fn forget_project(&self, id: i64) {
        let mut flights = self.0.flights.lock();
        flights.forget_project(id);
        self.0.cache.forget_project(id);
    }

    /// Forgets what is known of a user: his tokens and jobs, and what these may read. What is being asked is not
    /// remembered.
    pub fn forget_user(&self, id: i64) {
        let mut flights = self.0.flights.lock();
        flights.forget_all();
        self.0.cache.forget_user(id);
    }

    /// Returns a question as it is asked: what a ref leads to is asked with the upstream's own token, if there is one, and
    /// then once for everybody who may read the project. Else each asker gets his own answer.
    fn as_asked(&self, question: Question) -> Question {
        match (question, &self.0.service) {
            (Question::Newest(_, project_id, wanted), Some(service)) => {
                Question::Newest(service.clone(), project_id, wanted)
            }
            (question, _) => question,
        }
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
    ) -> std::result::Result<Told, Outage> {
        let key = question.key();
        let flight = {
            let mut flights = self.0.flights.lock();
            // A flight is remembered before it ends, so it is in one of the two.
            if let Some(told) = self.0.cache.find(&key, self.0.clock.now(), max_age_millis) {
                self.0.metrics.asked(QuestionOutcome::Remembered);
                return Ok(told);
            }
            match flights.find(&key) {
                Some(flight) => {
                    self.0.metrics.asked(QuestionOutcome::Joined);
                    flight
                }
                None => {
                    let number = flights.number();
                    let flight = self.begin(question.clone(), (key.clone(), number), client);
                    flights.begin(key, number, flight.clone());
                    flight
                }
            }
        };
        flight.await
    }

    /// Begins to ask. The caller holds the lock of the flights, so that this one cannot end before it is known.
    fn begin(&self, question: Question, (key, number): (Key, u64), client: Option<IpAddr>) -> Flight {
        let upstream = self.clone();
        let asked_at = self.0.clock.now();
        let asking = self.0.client.spawn(async move {
            let answered = upstream.put(&question, client).await;
            let told = answered.map(|answer| Told { answer, asked_at });
            upstream.land(&question, (&key, number), &told);
            told
        });
        asking
            .map(|ended| ended.unwrap_or_else(|_| Err(Outage::new("the question was given up"))))
            .boxed()
            .shared()
    }

    /// Ends a flight, and remembers the answer.
    fn land(
        &self,
        question: &Question,
        (key, number): (&Key, u64),
        told: &std::result::Result<Told, Outage>,
    ) {
        let mut flights = self.0.flights.lock();
        flights.end(key, number);
        let Ok(told) = told else { return self.0.metrics.asked(QuestionOutcome::Failed) };
        self.0.metrics.asked(counters::outcome_of(&told.answer));
        // What a ref leads to is of use when it is stored, and remembered then.
        let is_for_later = matches!(told.answer, Answer::Newest(_));
        if !is_for_later && flights.is_current(number, question.project_id(&told.answer)) {
            self.0.cache.keep(question, told, self.0.remember);
        }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upstream {}", self.0.name)
    }
}
