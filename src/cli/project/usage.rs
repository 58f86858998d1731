//! `artigate project list --usage`: what is stored, by project, and what will be deleted.

use crate::catalog::usage::{self, Growth, StorageView, Stored};
use crate::cli::CommandError;
use crate::cli::catalog_session::CatalogSession;
use crate::cli::listing::{self, Record};
use crate::domain::byte_size::show_roughly;
use crate::domain::{Clock, Timestamp};

/// Counts what takes long to count, as servers do from time to time, and prints everything. `cache_bytes` is what copies
/// from an upstream may take, if there is one.
pub(super) fn list(
    administration: &CatalogSession,
    cache_bytes: Option<u64>,
    json: bool,
) -> Result<(), CommandError> {
    administration.count_storage(cache_bytes)?;
    let now = Clock::System.now();
    let view = administration.read(move |db| usage::view(db, i64::MAX, now))?;
    if json {
        return listing::print_json(&view);
    }
    let mut columns =
        vec!["id", "path", "artifacts", "artifact_bytes", "growth_bytes", "max_storage", "nearly_full"];
    if view.projects.iter().any(|it| it.gone_since.is_some()) {
        columns.push("gone_since");
    }
    listing::print_all(&columns, &projects(&view), false)?;
    listing::print("\n")?;
    listing::print_one(&totals(&view), false)
}

fn projects(view: &StorageView) -> Vec<Record> {
    let of_project = |it: &usage::ProjectStorage| {
        let grown = it.growth.map(|growth| growth.bytes);
        Record::default()
            .with("id", it.id)
            .with("path", it.path.clone())
            .with("artifacts", it.stored.artifacts)
            .with_shown("artifact_bytes", it.stored.bytes, Some(size(it.stored.bytes)))
            .with_shown("growth_bytes", grown, grown.map(signed))
            .with_shown("max_storage", it.max_storage, it.max_storage.map(size))
            .with("nearly_full", it.nearly_full)
            .with("gone_since", it.gone_since.map(|since| since.to_string()))
    };
    view.projects.iter().map(of_project).collect()
}

fn totals(view: &StorageView) -> Record {
    let StorageView { stored, growth, pending_deletions, counts, collection, groups, .. } = view;
    let record = Record::default()
        .with("stored", said(*stored))
        .with("growth", growth.map(grown))
        .with("expired, waiting for a sweep", said(counts.expired))
        .with("the next sweep deletes", said(counts.next_sweep))
        .with("due within a day", said(counts.expiring_in_a_day))
        .with("due within seven days", said(counts.expiring_in_a_week))
        .with("locked", said(counts.locked))
        .with("pending deletions", said(*pending_deletions))
        .with("failed uploads", counts.failed_uploads)
        .with("unfinished uploads", counts.unfinished_uploads)
        .with("blobs without a row", orphans(collection, view.collected_at));
    let groups: Vec<String> = groups
        .iter()
        .map(|group| {
            let (used, max) = (size(group.stored.bytes), size(group.max_storage));
            let warning = if group.nearly_full { ", nearly full" } else { "" };
            format!("{}: {used} of {max}{warning}", group.path)
        })
        .collect();
    record.with("groups", groups)
}

fn orphans(found: &usage::LastCollection, collected_at: Option<Timestamp>) -> String {
    let Some(collected_at) = collected_at else { return "not looked for yet".into() };
    let what = match found.oldest_at {
        None => "none".to_owned(),
        Some(oldest) => {
            let deleted = if found.deleted { "deleted" } else { "NOT deleted" };
            format!("{}, {}, the oldest of {oldest}; {deleted}", found.orphans, show_roughly(found.bytes))
        }
    };
    format!("{what} (at {collected_at})")
}

fn said(Stored { artifacts, bytes }: Stored) -> String {
    format!("{artifacts} artifacts, {}", size(bytes))
}

fn grown(Growth { since, artifacts, bytes }: Growth) -> String {
    format!("{artifacts:+} artifacts, {} since {since}", signed(bytes))
}

fn signed(bytes: i64) -> String {
    let sign = if bytes < 0 { "-" } else { "+" };
    format!("{sign}{}", show_roughly(bytes.unsigned_abs()))
}

/// Formats a size in bytes; sizes in the catalog are never negative.
fn size(bytes: i64) -> String {
    show_roughly(bytes.unsigned_abs())
}
