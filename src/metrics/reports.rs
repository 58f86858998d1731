//! Metrics of the addresses of reports.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::Part;
use super::series::Each;

/// What became of the token in the address of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportTokenOutcome {
    /// It was given to somebody.
    Issued,
    /// It was shown after its time, or after the right to read the report had ended.
    Ended,
    /// It was shown, and is none of ours or one for another host.
    Refused,
}

/// The metrics of reports' tokens; clones share them.
#[derive(Debug, Clone)]
pub struct ReportTokens(Each<Counter, 3>);

impl Default for ReportTokens {
    fn default() -> Self {
        Self(Each::new("outcome", ["issued", "ended", "refused"], Counter::default))
    }
}

impl ReportTokens {
    /// Counts a token.
    pub fn count(&self, outcome: ReportTokenOutcome) {
        self.0.at(outcome as usize).inc();
    }
}

impl Part for ReportTokens {
    fn register(&self, registry: &mut Registry) {
        self.0.register(registry, "artigate_report_tokens", "Tokens in the addresses of reports");
    }
}
