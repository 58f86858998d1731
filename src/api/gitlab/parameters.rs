//! Parameters that GitLab's lists share, and GitLab's words for those that do not fit.

use crate::api::gitlab::error::ApiError;
use crate::catalog::slice::Direction;
use crate::http::pagination::{BadNumbers, Page, PageHeaders, PageRules};
use crate::http::query::{InvalidParameter, Query};

/// Rows that are not read past, as in GitLab: clients that want more use keyset pagination.
const MAX_OFFSET: i64 = 50_000;

/// How GitLab cuts lists into pages.
static PAGE_RULES: PageRules = PageRules {
    default_size: 20,
    max_size: 100,
    bad_numbers: BadNumbers::Refused,
    headers: PageHeaders::LinkAndNumbers,
};

/// The page of a list.
pub(super) fn page(query: &Query) -> Result<Page, InvalidParameter> {
    Page::from_query(query, &PAGE_RULES)
}

/// Which way a list runs; descending unless `sort` says otherwise.
pub(super) fn sort(query: &Query) -> Result<Direction, InvalidParameter> {
    let choices = [("asc", Direction::Ascending), ("desc", Direction::Descending)];
    Ok(query.choice_of("sort", &choices)?.unwrap_or(Direction::Descending))
}

/// Whether a list is walked from item to item instead of from page to page.
pub(super) fn is_keyset(query: &Query) -> Result<bool, InvalidParameter> {
    let choices = [("legacy", false), ("keyset", true)];
    Ok(query.choice_of("pagination", &choices)?.unwrap_or(false))
}

/// The ID in a path. One too large for an ID is one that nothing has.
pub(super) fn id(text: &str, name: &'static str) -> Result<i64, InvalidParameter> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidParameter::Type(name));
    }
    Ok(text.parse().unwrap_or(i64::MAX))
}

/// The list cannot be walked from item to item in this order.
pub(super) fn keyset_unavailable() -> ApiError {
    ApiError::NotAvailable("Keyset pagination is not yet available for this type of request".into())
}

/// Refuses a page that is too far away.
pub(super) fn check_offset_limit(page: Page, things: &str) -> Result<(), ApiError> {
    let window = page.slice();
    if window.offset.saturating_add(window.limit) > MAX_OFFSET {
        Err(ApiError::NotAvailable(format!(
            "Offset pagination has a maximum allowed offset of {MAX_OFFSET} for requests that return objects \
             of type {things}. Remaining records can be retrieved using keyset pagination."
        )))
    } else {
        Ok(())
    }
}
