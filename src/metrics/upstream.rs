//! Metrics of what an upstream is asked, and of the archives that are fetched from it.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::Part;
use super::series::Each;

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuestionOutcome {
    /// Memory answered it.
    Remembered,
    /// It waited for the same question of somebody else.
    Joined,
    /// It was answered with a yes, or with facts.
    Granted,
    /// It was refused.
    Refused,
    /// It was not answered.
    Failed,
}

const QUESTIONS: [&str; 5] = ["remembered", "joined", "granted", "refused", "failed"];

/// How an archive was fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullOutcome {
    /// It is stored.
    Stored,
    /// It may not be fetched, is too large, or finds no room.
    Refused,
    /// It did not come to its end.
    Failed,
}

const PULLS: [&str; 3] = ["stored", "refused", "failed"];

/// What came of the question whether a project is still there, or of an event that tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectOutcome {
    /// It is there.
    There,
    /// It is not, and hidden from now on.
    Hidden,
    /// It shows again.
    Returned,
    /// Nothing follows from the answer.
    Untold,
}

const PROJECTS: [&str; 4] = ["there", "hidden", "returned", "untold"];

/// The metrics of an upstream; clones share them.
#[derive(Debug, Clone)]
pub struct Upstream {
    questions: Each<Counter, 5>,
    calls: Counter,
    pulls: Each<Counter, 3>,
    pulled_bytes: Counter,
    projects: Each<Counter, 4>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            questions: Each::new("outcome", QUESTIONS, Counter::default),
            calls: Counter::default(),
            pulls: Each::new("outcome", PULLS, Counter::default),
            pulled_bytes: Counter::default(),
            projects: Each::new("outcome", PROJECTS, Counter::default),
        }
    }
}

impl Upstream {
    /// Counts a question.
    pub fn asked(&self, outcome: QuestionOutcome) {
        self.questions.at(outcome as usize).inc();
    }

    /// Counts a call that is sent.
    pub fn called(&self) {
        self.calls.inc();
    }

    /// Counts an archive and its bytes.
    pub fn pulled(&self, outcome: PullOutcome, bytes: u64) {
        self.pulls.at(outcome as usize).inc();
        self.pulled_bytes.inc_by(bytes);
    }

    /// Counts a project that was asked about, or hidden because of an event.
    pub fn project(&self, outcome: ProjectOutcome) {
        self.projects.at(outcome as usize).inc();
    }

    /// Returns how many questions ended so.
    pub fn questions(&self, outcome: QuestionOutcome) -> u64 {
        self.questions.at(outcome as usize).get()
    }

    /// Returns how many calls were sent.
    pub fn calls(&self) -> u64 {
        self.calls.get()
    }
}

impl Part for Upstream {
    fn register(&self, registry: &mut Registry) {
        let help = "Questions to the upstream by their outcome";
        self.questions.register(registry, "artigate_upstream_questions", help);
        registry.register("artigate_upstream_calls", "Calls of the upstream's API", self.calls.clone());
        let help = "Archives that were fetched from the upstream, by the outcome";
        self.pulls.register(registry, "artigate_upstream_pulls", help);
        let help = "Bytes of archives that were fetched and stored";
        registry.register("artigate_upstream_pulled_bytes", help, self.pulled_bytes.clone());
        let help = "Projects that the upstream was asked about, or that were hidden or shown because of what it told";
        self.projects.register(registry, "artigate_upstream_projects", help);
    }
}
