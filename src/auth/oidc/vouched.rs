//! Vouched job: the job that a verified ID token is for, in the catalog's own terms.

use crate::catalog::foreign::{ForeignId, ReportedPipeline, ReportedProject};
use crate::domain::Timestamp;
use crate::domain::pipeline::UNKNOWN_REF;
use crate::domain::project::is_valid_path;

/// A job for which its CI system vouches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VouchedJob {
    /// Its project.
    pub project: ReportedProject,
    /// Its pipeline.
    pub pipeline: ReportedPipeline,
    /// How its CI system calls it, among those of its pipeline.
    pub id: ForeignId,
    /// Its name as long as nobody tells another.
    pub default_name: String,
    /// Whether it may say that it and its pipeline were successful, because a rule names its workflow.
    pub may_finish: bool,
    /// When its CI system vouched for it, by the clock of that.
    pub issued_at: Timestamp,
}

/// Returns an ID that is a text.
pub fn text_id(id: impl ToString) -> ForeignId {
    ForeignId::Text { id: Some(id.to_string()), name: None }
}

/// Returns the name of a branch or tag as lookups know it. A name that begins like another kind of ref, and one that
/// git does not accept, cannot be told from that ref.
pub fn plain_ref(name: &str) -> String {
    let is_plain = !name.is_empty()
        && !name.starts_with("refs/")
        && !name.contains([':', '?', '*', '[', '\\', '^', '~', ' ']);
    if is_plain { name.to_owned() } else { UNKNOWN_REF.to_owned() }
}

/// Returns the path of a project below that of its upstream, made of names if they can be segments, and else of
/// `otherwise`.
pub fn path_below(prefix: &str, names: &[&str], otherwise: &str) -> String {
    let path = format!("{prefix}/{}", names.join("/"));
    let is_good = names.iter().all(|name| !name.contains('/')) && is_valid_path(&path);
    if is_good { path } else { format!("{prefix}/{otherwise}") }
}
