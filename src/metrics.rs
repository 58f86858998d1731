//! Metrics: what a node counts and measures of itself, in the form that a monitoring system reads.
//!
//! Each part of the application holds the metrics of what it does, as handles that cost a few atomic
//! operations; [`Exposition`] knows them all and writes the text. No label holds a project, a user, a path or
//! anything else that clients choose, so the number of series is bounded.

mod auth;
mod catalog;
mod database;
mod exposition;
mod http;
mod index_cache;
mod process;
mod reports;
mod retention;
mod series;
mod store;
mod uploads;
mod upstream;

use prometheus_client::registry::Registry;

pub use self::http::{Http, Received, Sent, Working};
pub use auth::{AuthFailures, FailureReason};
pub use catalog::{CatalogGauges, Totals};
pub use database::{Database, DatabaseAccess};
pub use exposition::{Exposition, Form};
pub use index_cache::{IndexCacheUse, Looked};
pub use reports::{ReportTokenOutcome, ReportTokens};
pub use retention::Retention;
pub use store::{Store, StoreOperation, StoreOutcome};
pub use uploads::{UploadMeasure, UploadOutcome, Uploads};
pub use upstream::{ProjectOutcome, PullOutcome, QuestionOutcome, Upstream};

/// The metrics of one part.
pub trait Part {
    /// Makes them known under their names.
    fn register(&self, registry: &mut Registry);
}
