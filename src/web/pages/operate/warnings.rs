//! Warnings of the page for operators: what somebody should look at, in a sentence each.

use std::net::IpAddr;
use std::time::Duration;

use super::counted;
use crate::catalog::usage::StorageView;
use crate::web::visit::Visit;
use crate::web::words::{Moment, count, seconds};

/// How many quotas that are nearly used up are named.
const NAMED: usize = 20;

/// From which age on counts are old: three of the intervals in which they are made.
const OLD_COUNTS: Duration = Duration::from_secs(15 * 60);

/// By how many intervals a sweep may be late.
const LATE_SWEEPS: u64 = 3;

/// Returns what somebody should look at, where nodes of these releases serve.
pub(super) fn of(visit: &Visit<'_>, view: &StorageView, releases: &[&str]) -> Vec<String> {
    let (app, now) = (&visit.ctx.app, visit.now());
    let age =
        |millis: i64| Duration::from_millis(now.as_millis().saturating_sub(millis).max(0).unsigned_abs());
    let mut found = Vec::new();
    let mut warn = |is_so: bool, text: String| {
        if is_so {
            found.push(text);
        }
    };
    let says = |text: &str| text.to_owned();
    warn(
        !app.belonging.is_known(),
        says("Database and store are not known to belong together: writes are refused."),
    );
    warn(
        is_open_on_the_way(&visit.ctx.base_url()),
        says("People reach this server over plain HTTP: whoever is on the way can take tokens and sessions."),
    );
    warn(releases.len() > 1, format!("Nodes of several releases serve: {}.", releases.join(", ")));
    match view.counted_at {
        None => warn(true, says("What is stored was not counted yet; a node does that every five minutes.")),
        Some(at) => {
            let is_old = age(at.as_millis()) > OLD_COUNTS;
            warn(is_old, format!("No node has counted what is stored since {}.", Moment::new(at, now).date));
        }
    }
    let interval = app.settings.sweep_interval;
    warn(interval.is_zero(), says("This node makes no sweeps by itself (retention.sweep_interval)."));
    if let Some(since) = counted(view).and_then(|counts| counts.overdue_since) {
        let (waited, overdue) = (age(since.as_millis()), view.counts.overdue.artifacts);
        let is_late = waited.as_secs() > interval.as_secs().saturating_mul(LATE_SWEEPS) || interval.is_zero();
        let artifacts = count(usize::try_from(overdue).unwrap_or(0), "artifact waits", "artifacts wait");
        warn(
            is_late,
            format!("Sweeps are late: {artifacts} for one, the first for {}.", seconds(waited.as_secs())),
        );
    }
    warn(app.settings.gc_interval.is_zero(), says("This node collects no garbage (retention.gc_interval)."));
    let collection = &view.collection;
    warn(
        collection.orphans > 0 && !collection.deleted,
        says("The last garbage collection deleted nothing, because more than half of the store has no row."),
    );
    let failed = app.retention.last_sweep().map_or(0, |last| last.swept.removed.failed);
    warn(
        failed > 0,
        format!("The last sweep of this node could not delete {}.", count(failed, "blob", "blobs")),
    );
    let left_alone = app.access.upstream().is_some_and(|upstream| upstream.is_left_alone());
    warn(left_alone, says("The upstream is asked nothing for a while, after failures."));
    let full = &view.counts.nearly_full;
    for owner in full.iter().take(NAMED) {
        warn(true, format!("Four fifths or more of what the {owner} may store are used (max_storage)."));
    }
    warn(full.len() > NAMED, format!("So it is of {} more.", full.len().saturating_sub(NAMED)));
    found
}

/// Whether requests come over plain HTTP from other machines than this one.
fn is_open_on_the_way(base_url: &str) -> bool {
    let Some(behind) = base_url.strip_prefix("http://") else { return false };
    let authority = behind.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    };
    let host = host.unwrap_or_default();
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    !is_loopback && host != "localhost" && !host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::is_open_on_the_way;

    #[test]
    fn plain_http_is_safe_on_loopback_alone() {
        for safe in
            ["https://ci.example.com", "http://127.0.0.1:8929", "http://[::1]:1/ci", "http://localhost"]
        {
            assert!(!is_open_on_the_way(safe), "{safe}");
        }
        for open in ["http://ci.example.com/ci", "http://192.0.2.1:80", "http://localhost.example"] {
            assert!(is_open_on_the_way(open), "{open}");
        }
    }
}
