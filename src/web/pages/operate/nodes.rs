//! Nodes on the page for operators: which processes serve, since when, and which of them were not seen for a while.

use std::time::Duration;

use crate::catalog::nodes::Node;
use crate::domain::Timestamp;
use crate::node::BEAT;
use crate::web::visit::Visit;
use crate::web::words::Moment;

/// After how many beats a node is silent that has not shown itself.
const MISSED_BEATS: u32 = 3;

/// A row of the list.
pub(super) struct NodeRow {
    pub(super) name: String,
    /// Whether it has sent this page.
    pub(super) is_this: bool,
    pub(super) version: String,
    pub(super) since: Moment,
    pub(super) seen: Moment,
    pub(super) is_silent: bool,
}

/// Describes nodes at a time by the clock that they were seen by.
pub(super) fn rows(visit: &Visit<'_>, nodes: &[Node], now: Timestamp) -> Vec<NodeRow> {
    let row = |node: &Node| NodeRow {
        name: node.name(),
        is_this: node.number == visit.ctx.app.node.number(),
        version: node.version.clone(),
        since: Moment::new(node.started_at, now),
        seen: Moment::new(node.seen_at, now),
        is_silent: is_silent(node, now),
    };
    nodes.iter().map(row).collect()
}

/// Returns the releases of the nodes that show themselves.
pub(super) fn releases(nodes: &[Node], now: Timestamp) -> Vec<&str> {
    let living = nodes.iter().filter(|node| !is_silent(node, now));
    let mut releases: Vec<&str> = living.map(|node| node.version.as_str()).collect();
    releases.sort_unstable();
    releases.dedup();
    releases
}

fn is_silent(node: &Node, now: Timestamp) -> bool {
    let silence = now.as_millis().saturating_sub(node.seen_at.as_millis());
    Duration::from_millis(silence.max(0).unsigned_abs()) > BEAT * MISSED_BEATS
}
