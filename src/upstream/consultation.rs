//! Consultation: what one request has asked an upstream, and what it still has to ask.
//!
//! Work on the catalog asks a consultation, which answers from what the request knows and from memory. A question
//! that neither answers stays open, and the work decides against the caller; once it has given its connection
//! back, the open questions are asked and the work is done again. So no connection waits for an upstream.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Upstream;
use super::answer::{Answer, Outage, Refusal, Told};
use super::question::{Asker, AskerKey, Key, ProjectKey, Question};
use crate::audit::AuditContext;
use crate::catalog::foreign::ForeignJob;
use crate::domain::Timestamp;
use crate::metrics::QuestionOutcome;

/// The consultation of one request. Clones share it; the default one has no upstream.
#[derive(Clone, Default)]
pub struct Consultation(Option<Arc<Shared>>);

struct Shared {
    upstream: Upstream,
    client: Option<IpAddr>,
    may_ask: bool,
    max_age_millis: i64,
    audit: AuditContext,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    answers: HashMap<Key, Told>,
    /// Numbers of projects by their paths, in lower case.
    paths: HashMap<String, i64>,
    open: Vec<Question>,
    /// Jobs that are known and have no rows.
    unstored: Vec<Arc<ForeignJob>>,
    /// What was answered, in words for the log.
    said: Vec<String>,
    /// Credentials that nobody knows, and whether they are asked about although the client's address has failed too often.
    spared: HashMap<AskerKey, bool>,
    /// Projects that are hidden here.
    doubted: HashSet<i64>,
}

impl Consultation {
    /// Begins the consultation of an upstream for a client. One that may not ask, because its address has failed too often,
    /// gets refusals where memory does not know a credential, beyond a small share of questions.
    pub fn new(upstream: Upstream, audit: AuditContext, client: Option<IpAddr>, may_ask: bool) -> Self {
        let state = Mutex::default();
        Self(Some(Arc::new(Shared { upstream, client, may_ask, max_age_millis: i64::MAX, audit, state })))
    }

    /// Begins another consultation of the same upstream for the same client, which takes no answer that is older than
    /// `max_age_millis`.
    #[must_use]
    pub fn anew(&self, max_age_millis: i64) -> Self {
        Self(self.0.as_ref().map(|shared| {
            let Shared { upstream, client, may_ask, audit, .. } = &**shared;
            Arc::new(Shared {
                upstream: upstream.clone(),
                client: *client,
                may_ask: *may_ask,
                max_age_millis,
                audit: audit.clone(),
                state: Mutex::default(),
            })
        }))
    }

    /// Returns the name of the upstream; `None` if there is none.
    pub fn upstream(&self) -> Option<&str> {
        self.0.as_deref().map(|shared| shared.upstream.name())
    }

    /// Whether what is not here may be fetched from the upstream.
    pub fn pulls(&self) -> bool {
        self.0.as_deref().is_some_and(|shared| shared.upstream.pulls())
    }

    /// Whether what a ref leads to is asked with the asker's own token, which may not list pipelines.
    pub fn asks_of_refs_as(&self, asker: &Asker) -> bool {
        self.0.as_deref().is_some_and(|shared| shared.upstream.asks_of_refs_as(asker))
    }

    /// Returns the address of the client, if it is known.
    pub fn client(&self) -> Option<IpAddr> {
        self.0.as_deref().and_then(|shared| shared.client)
    }

    /// Returns the answer to a question; `None` leaves it open, and the caller is to decide against the asker.
    pub fn ask(&self, question: Question) -> Option<Answer> {
        let Some(shared) = &self.0 else { return Some(Answer::Refused(Refusal::Unauthenticated)) };
        let shown = question.asker().clone();
        let question = shared.upstream.as_asked(question);
        let key = question.key();
        let mut state = shared.state();
        let known = match state.answers.get(&key) {
            Some(told) => Some(told.clone()),
            None => shared.remembered(&key).inspect(|told| state.learn(&question, key.clone(), told)),
        };
        if let Some(Told { answer, .. }) = known {
            let line = format!("{}: {}", question.kind().as_str(), answer.as_str());
            state.say(line, &shared.audit);
            return Some(answer);
        }
        if !shared.may_ask_about(&mut state, &shown) {
            state.say("not asked".to_owned(), &shared.audit);
            return Some(Answer::Refused(Refusal::Unauthenticated));
        }
        if !state.open.iter().any(|open| open.key() == key) {
            state.open.push(question);
        }
        None
    }

    /// Returns when the upstream was asked about the job of a token; `None` if it has not answered yet.
    pub fn job_asked_at(&self, asker: Asker) -> Option<Timestamp> {
        let shared = self.0.as_deref()?;
        let key = Question::Job(asker).key();
        shared.state().answers.get(&key).map(|told| told.asked_at)
    }

    /// Returns the number of the project to which a path leads at the upstream, if that is known.
    pub fn project_at(&self, path: &str) -> Option<i64> {
        let shared = self.0.as_deref()?;
        let path = path.to_lowercase();
        let known = shared.state().paths.get(&path).copied();
        known.or_else(|| shared.upstream.0.cache.project_at(&path, shared.upstream.0.clock.now()))
    }

    /// Notes that a job has no rows, so that it is stored before the work is done again.
    pub fn require_stored(&self, job: Arc<ForeignJob>) {
        let Some(shared) = &self.0 else { return };
        let mut state = shared.state();
        if !state.unstored.iter().any(|other| other.id == job.id) {
            state.unstored.push(job);
        }
    }

    /// Notes that a project is hidden: that the upstream tells of it after all is of use.
    pub fn doubt(&self, project_id: i64) {
        if let Some(shared) = &self.0 {
            shared.state().doubted.insert(project_id);
        }
    }

    /// Whether the request has met a project that is hidden.
    pub fn doubts(&self, project_id: i64) -> bool {
        self.0.as_deref().is_some_and(|shared| shared.state().doubted.contains(&project_id))
    }

    /// Asks the open questions, and returns what was answered, and what is to be stored; empty if there is neither.
    ///
    /// # Errors
    /// [`Outage`], with the name of the upstream, when there is no answer.
    pub(crate) async fn answer_open(&self) -> Result<Vec<(Option<Question>, Told)>, (String, Outage)> {
        let Some(shared) = &self.0 else { return Ok(Vec::new()) };
        let open = std::mem::take(&mut shared.state().open);
        let unstored = std::mem::take(&mut shared.state().unstored);
        let mut answers: Vec<_> = {
            let state = shared.state();
            let told =
                |job: Arc<ForeignJob>| Told { asked_at: state.asked_at(&job), answer: Answer::Job(job) };
            unstored.into_iter().map(|job| (None, told(job))).collect()
        };
        for question in open {
            match shared.upstream.answer(&question, shared.client, shared.max_age_millis).await {
                Ok(told) => {
                    shared.state().learn(&question, question.key(), &told);
                    answers.push((Some(question), told));
                }
                Err(outage) => {
                    let line = format!("{}: {}", question.kind().as_str(), outage.reason);
                    shared.state().say(line, &shared.audit);
                    return Err((shared.upstream.name().to_owned(), outage));
                }
            }
        }
        Ok(answers)
    }

    /// Remembers the answer to a question whose rows are stored now.
    pub fn stored(&self, question: &Question) {
        let Some(shared) = &self.0 else { return };
        let inner = &shared.upstream.0;
        if let Some(told) = shared.state().answers.get(&question.key()) {
            inner.cache.keep(question, told, inner.remember);
        }
    }

    /// Takes an answer back that cannot be true here: whoever has asked for it is refused.
    pub fn contradict(&self, job_id: i64) {
        let Some(shared) = &self.0 else { return };
        let inner = &shared.upstream.0;
        for (key, told) in &mut shared.state().answers {
            if matches!(&told.answer, Answer::Job(job) if job.id == job_id) {
                told.answer = Answer::Refused(Refusal::Contradicted);
                inner.cache.refuse(key, Refusal::Contradicted, inner.clock.now(), inner.remember);
            }
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembered(&self, key: &Key) -> Option<Told> {
        let inner = &self.upstream.0;
        let told = inner.cache.find(key, inner.clock.now(), self.max_age_millis)?;
        inner.metrics.asked(QuestionOutcome::Remembered);
        Some(told)
    }

    /// Whether a credential may be asked about. From an address that has failed too often, that is one which was answered
    /// before, or takes a question out of the share that such addresses have.
    fn may_ask_about(&self, state: &mut State, asker: &Asker) -> bool {
        let (key, inner) = (asker.key(), &self.upstream.0);
        if self.may_ask || asker.is_nobody() {
            return true;
        }
        let was_answered = |(answered, told): (&Key, &Told)| {
            answered.asker == key && !matches!(told.answer, Answer::Refused(_))
        };
        let now = inner.clock.now();
        if state.answers.iter().any(was_answered) || inner.cache.is_valid(&key, now) {
            return true;
        }
        *state
            .spared
            .entry(key)
            .or_insert_with(|| self.client.is_none_or(|client| inner.spare.take(client, asker.is_job(), now)))
    }
}

impl State {
    /// Returns when the upstream was asked about a job; long ago if that is not known.
    fn asked_at(&self, job: &ForeignJob) -> Timestamp {
        let is_its = |told: &&Told| matches!(&told.answer, Answer::Job(known) if known.id == job.id);
        self.answers.values().find(is_its).map_or(Timestamp::from_millis(0), |told| told.asked_at)
    }

    fn learn(&mut self, question: &Question, key: Key, told: &Told) {
        match &told.answer {
            Answer::Job(job) => {
                self.paths.insert(job.project_path.to_lowercase(), job.project_id);
            }
            Answer::MayRead { project_id, path } => {
                if let Question::MayRead(_, ProjectKey::Path(asked)) = question {
                    self.paths.insert(asked.clone(), *project_id);
                }
                if let Some(path) = path {
                    self.paths.insert(path.to_lowercase(), *project_id);
                }
                let by_id = Key { project: Some(ProjectKey::Id(*project_id)), ..key.clone() };
                self.answers.insert(by_id, told.clone());
            }
            Answer::Token(_) | Answer::Role(_) | Answer::Newest(_) | Answer::Archive | Answer::Refused(_) => {
            }
        }
        self.answers.insert(key, told.clone());
    }

    fn say(&mut self, line: String, audit: &AuditContext) {
        if !self.said.contains(&line) {
            self.said.push(line);
        }
        let said = self.said.join(", ");
        audit.update(|event| event.upstream = Some(said));
    }
}

impl fmt::Debug for Consultation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consultation of {:?}", self.upstream())
    }
}
