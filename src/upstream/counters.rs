//! Counters: how often an upstream was asked, and what became of the questions.

use std::sync::atomic::{AtomicU64, Ordering};

use super::answer::Answer;

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

#[derive(Debug, Default)]
pub(super) struct Counters {
    calls: AtomicU64,
    remembered: AtomicU64,
    joined: AtomicU64,
    granted: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

impl Counters {
    pub(super) fn called(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remembered(&self) {
        self.remembered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn joined(&self) {
        self.joined.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, answer: &Answer) {
        let counter = if matches!(answer, Answer::Refused(_)) { &self.refused } else { &self.granted };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            calls: read(&self.calls),
            remembered: read(&self.remembered),
            joined: read(&self.joined),
            granted: read(&self.granted),
            refused: read(&self.refused),
            failed: read(&self.failed),
        }
    }
}
