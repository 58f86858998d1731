//! Counts: how often an upstream was asked, and what became of the questions.

use super::answer::Answer;
use crate::metrics::{QuestionOutcome, Upstream as Metrics};

/// Counts since the start of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that were sent.
    pub calls: u64,
    /// Questions that memory answered.
    pub remembered: u64,
    /// Questions that waited for the same question of somebody else.
    pub joined: u64,
    /// Questions that were answered with a yes, or with facts.
    pub granted: u64,
    /// Questions that were refused.
    pub refused: u64,
    /// Questions that were not answered.
    pub failed: u64,
}

impl Counts {
    pub(super) fn of(metrics: &Metrics) -> Self {
        Self {
            calls: metrics.calls(),
            remembered: metrics.questions(QuestionOutcome::Remembered),
            joined: metrics.questions(QuestionOutcome::Joined),
            granted: metrics.questions(QuestionOutcome::Granted),
            refused: metrics.questions(QuestionOutcome::Refused),
            failed: metrics.questions(QuestionOutcome::Failed),
        }
    }
}

/// Returns how a question ends with an answer.
pub(super) fn outcome_of(answer: &Answer) -> QuestionOutcome {
    match answer {
        Answer::Refused(_) => QuestionOutcome::Refused,
        _ => QuestionOutcome::Granted,
    }
}
