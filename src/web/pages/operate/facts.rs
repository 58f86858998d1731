//! Facts of the page for operators: what is stored, what waits, and the settings that decide about it. No secret is one.

use std::time::Duration;

use super::{Fact, counted, signed_size, stored, with_age};
use crate::catalog::usage::{LastCollection, StorageView};
use crate::domain::Timestamp;
use crate::domain::expiry::Lifetime;
use crate::retention::LastSweep;
use crate::settings::{DatabaseUrl, ReportScripts, Settings, StorageUrl};
use crate::web::visit::Visit;
use crate::web::words::{Moment, count, seconds, size};

/// What has to be counted, before it was.
const NOT_YET: &str = "not counted yet";

/// Describes what is stored and what waits.
pub(super) fn of(visit: &Visit<'_>, view: &StorageView) -> Vec<Fact> {
    let counts = counted(view);
    let growth = view.growth.map_or_else(
        || "not known before the first day has passed".to_owned(),
        |grown| {
            format!(
                "{:+} artifacts, {} since {}",
                grown.artifacts,
                signed_size(grown.bytes),
                day(grown.since)
            )
        },
    );
    let or_not_yet = |text: Option<String>| text.unwrap_or_else(|| NOT_YET.to_owned());
    let plain = |number: i64| count(usize::try_from(number).unwrap_or(0), "upload", "uploads");
    let pending = stored(view.pending_deletions);
    // The age is that of the last count, and may be of what is gone by now.
    let oldest_pending = view.counts.waiting_since.filter(|_| view.pending_deletions.artifacts > 0);
    vec![
        Fact::new("Stored", stored(view.stored)),
        Fact::new("Growth over 30 days", growth),
        Fact::new("Expires in 24 hours", or_not_yet(counts.map(|it| stored(it.expiring_in_a_day)))),
        Fact::new("Expires in 7 days", or_not_yet(counts.map(|it| stored(it.expiring_in_a_week)))),
        Fact::new(
            "Past its date",
            or_not_yet(
                counts.map(|it| with_age(visit, stored(it.expired), it.expired_since, "the first due")),
            ),
        ),
        Fact::new("Locked, whatever its date", or_not_yet(counts.map(|it| stored(it.locked)))),
        Fact::new("Pending deletions", with_age(visit, pending, oldest_pending, "the oldest deleted")),
        Fact::new(
            "Unfinished uploads",
            or_not_yet(counts.map(|it| {
                with_age(visit, plain(it.unfinished_uploads), it.unfinished_since, "the oldest begun")
            })),
        ),
        Fact::new("Failed uploads", or_not_yet(counts.map(|it| plain(it.failed_uploads)))),
        Fact::new("Blobs without a row", orphans(visit, view)),
        Fact::new("Last sweep of this node", last_sweep(visit, visit.ctx.app.retention.last_sweep())),
    ]
}

fn orphans(visit: &Visit<'_>, view: &StorageView) -> String {
    let LastCollection { orphans, bytes, oldest_at, deleted } = &view.collection;
    let Some(at) = view.collected_at else { return "not looked for yet".to_owned() };
    let looked = format!("looked for {}", Moment::new(at, visit.now()).words);
    if *orphans == 0 {
        return format!("none, {looked}");
    }
    let found = with_age(visit, count(*orphans, "blob", "blobs"), *oldest_at, "the oldest stored");
    let fate = if *deleted { "deleted" } else { "not deleted" };
    format!("{found}, {}, {fate}; {looked}", size(*bytes))
}

fn last_sweep(visit: &Visit<'_>, last: Option<LastSweep>) -> String {
    let Some(LastSweep { at, swept }) = last else { return "none since it was started".to_owned() };
    let when = Moment::new(at, visit.now()).words;
    let expired = count(swept.expired, "artifact", "artifacts");
    let removed = count(swept.removed.blobs, "blob", "blobs");
    format!("{when}: {expired} expired or deleted, {removed} removed, {} failed", swept.removed.failed)
}

fn day(time: Timestamp) -> String {
    time.to_string().get(..10).unwrap_or_default().to_owned()
}

/// Names the settings that decide who reaches this node, and what is stored, for how long, and where.
pub(super) fn settings(settings: &Settings) -> Vec<Fact> {
    let database = match settings.database {
        DatabaseUrl::Sqlite(_) => "SQLite",
        DatabaseUrl::Postgres(_) => "PostgreSQL",
    };
    let storage = |url: &StorageUrl| match url {
        StorageUrl::Directory(_) => "a directory".to_owned(),
        StorageUrl::Bucket(bucket) => format!("the bucket {}", bucket.bucket),
    };
    let every = |interval: Duration| match interval.as_secs() {
        0 => "never".to_owned(),
        all => format!("every {}", seconds(all)),
    };
    let bytes =
        |limit: Option<u64>| limit.filter(|bytes| *bytes > 0).map_or_else(|| "no limit".to_owned(), size);
    let none = || "not set".to_owned();
    let upstreams: Vec<&str> = settings.upstreams.iter().map(|it| it.name.as_str()).collect();
    let proxies = match settings.trusted_proxies.len() {
        0 => none(),
        number => count(number, "network", "networks"),
    };
    let scripts = match settings.report_scripts {
        ReportScripts::All => "all",
        ReportScripts::SignedIn => "signed-in",
        ReportScripts::None => "none",
    };
    vec![
        Fact::new("server.listen", settings.listen.clone()),
        Fact::new("server.external_url", settings.external_url.clone().unwrap_or_else(none)),
        Fact::new("server.reports_url", if settings.reports_url.is_some() { "set" } else { "not set" }),
        Fact::new("server.trusted_proxies", proxies),
        Fact::new(
            "server.tls_certificate",
            if settings.tls_certificate.is_some() { "set" } else { "not set" },
        ),
        Fact::new("reports.scripts", scripts),
        Fact::new("database.url", database),
        Fact::new("storage.url", storage(&settings.storage)),
        Fact::new("storage.previous_url", settings.previous_storage.as_ref().map_or_else(none, storage)),
        Fact::new("storage.direct_download", settings.direct_download.to_string()),
        Fact::new("limits.max_artifact_size", bytes(settings.max_artifact_bytes)),
        Fact::new("retention.default_expire_in", lifetime(settings.default_expire_in)),
        Fact::new("retention.max_expire_in", lifetime(settings.max_expire_in)),
        Fact::new("retention.sweep_interval", every(settings.sweep_interval)),
        Fact::new("retention.gc_interval", every(settings.gc_interval)),
        Fact::new("retention.orphan_grace", seconds(settings.orphan_grace.as_secs())),
        Fact::new("retention.tombstones", seconds(settings.tombstones.as_secs())),
        Fact::new("metrics.listen", settings.metrics_listen.clone().unwrap_or_else(none)),
        Fact::new("upstream", if upstreams.is_empty() { "none".to_owned() } else { upstreams.join(", ") }),
    ]
}

fn lifetime(lifetime: Lifetime) -> String {
    match lifetime {
        Lifetime::Never => "never".to_owned(),
        Lifetime::Seconds(all) => seconds(all),
    }
}
