//! Metrics of uploads.

use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::Part;
use super::series::Each;

/// Upper bounds of the time that an upload takes, in seconds.
const TIMES: [f64; 10] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0];

/// How an upload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadOutcome {
    /// Its bytes are stored, or were before.
    Stored,
    /// Its bytes were not wanted.
    Refused,
    /// It did not come to its end.
    Broken,
}

const OUTCOMES: [&str; 3] = ["stored", "refused", "broken"];

/// The metrics of uploads; clones share them.
#[derive(Debug, Clone)]
pub struct Uploads {
    outcomes: Each<Counter, 3>,
    times: Each<Histogram, 3>,
}

impl Default for Uploads {
    fn default() -> Self {
        Self {
            outcomes: Each::new("outcome", OUTCOMES, Counter::default),
            times: Each::new("outcome", OUTCOMES, || Histogram::new(TIMES)),
        }
    }
}

impl Uploads {
    /// Begins to measure an upload. It counts as broken unless something else is said before it ends.
    pub fn begin(&self) -> UploadMeasure {
        UploadMeasure { uploads: self.clone(), began: Instant::now(), outcome: UploadOutcome::Broken }
    }
}

impl Part for Uploads {
    fn register(&self, registry: &mut Registry) {
        self.outcomes.register(registry, "artigate_uploads", "Uploads, or pieces of one, by their outcome");
        let help = "Time from the turn of an upload to its end";
        self.times.register(registry, "artigate_upload_duration_seconds", help);
    }
}

/// The measure of an upload in progress, which ends when this is dropped.
#[derive(Debug)]
pub struct UploadMeasure {
    uploads: Uploads,
    began: Instant,
    outcome: UploadOutcome,
}

impl UploadMeasure {
    /// Says how the upload ends.
    pub fn ends(&mut self, outcome: UploadOutcome) {
        self.outcome = outcome;
    }
}

impl Drop for UploadMeasure {
    fn drop(&mut self) {
        let place = self.outcome as usize;
        self.uploads.outcomes.at(place).inc();
        self.uploads.times.at(place).observe(self.began.elapsed().as_secs_f64());
    }
}
