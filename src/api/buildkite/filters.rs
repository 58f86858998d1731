//! Filters of the lists of builds, from a query.

use super::states;
use crate::catalog::builds::{BuildList, BuildState};
use crate::domain::Timestamp;
use crate::http::context::RequestContext;
use crate::http::query::Query;

use super::error::ApiError;

/// Most values of a filter, and most pairs of meta-data: each makes the search longer.
const MOST_VALUES: usize = 50;
const MOST_PAIRS: usize = 10;

/// The furthest build that a list reaches.
const DEEPEST: usize = 100_000;

/// Refuses a page that is so far into a list that nobody reads it by eye.
pub(super) fn check_depth(offset: usize) -> Result<(), ApiError> {
    if offset < DEEPEST {
        return Ok(());
    }
    Err(ApiError::BadRequest(
        "Listing builds this deep is not supported. Please narrow your query using filters such as branch or \
         created_from."
            .into(),
    ))
}

/// Reads the filters of a list; a value that nothing can equal selects nothing.
pub(super) fn read(ctx: &RequestContext) -> Result<BuildList, ApiError> {
    let query = &ctx.query;
    let owned = |name: &str| query.list(name).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let states = query.list("state");
    let meta_data = query.table("meta_data");
    let counts = [
        ("branch", query.list("branch").len()),
        ("commit", query.list("commit").len()),
        ("state", states.len()),
    ];
    let too_many = counts.into_iter().find(|(_, count)| *count > MOST_VALUES);
    let too_many = too_many.or((meta_data.len() > MOST_PAIRS).then_some(("meta_data", meta_data.len())));
    if let Some((name, count)) = too_many {
        return Err(ApiError::BadRequest(format!("{name} has {count} values, which is too many").into()));
    }
    let selected = |names: Vec<&str>| {
        let mut selected: Vec<BuildState> = Vec::new();
        for state in names.into_iter().flat_map(states::selected) {
            if !selected.contains(&state) {
                selected.push(state);
            }
        }
        selected
    };
    let mut list = BuildList {
        refs: owned("branch"),
        commits: owned("commit"),
        created_from: time(query, "created_from")?,
        created_before: time(query, "created_to")?,
        finished_from: time(query, "finished_from")?,
        creator: None,
        states: (!states.is_empty()).then(|| selected(states)),
        meta_data,
    };
    if let Some(creator) = query.get_filled("creator") {
        match creator.parse() {
            Ok(uuid) => list.creator = Some(uuid),
            // Nobody has this ID.
            Err(_) => list.states = Some(Vec::new()),
        }
    }
    Ok(list)
}

fn time(query: &Query, name: &'static str) -> Result<Option<Timestamp>, ApiError> {
    query.time(name).map_err(|_| ApiError::BadRequest(format!("{name} is not a time in ISO 8601").into()))
}
