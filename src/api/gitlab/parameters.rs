//! Parameters that GitLab's lists share, and GitLab's messages for invalid ones.

use crate::access::NumberedJob;
use crate::api::gitlab::error::ApiError;
use crate::catalog::slice::Direction;
use crate::http::pagination::{BadNumbers, Page, PageHeaders, PageRules};
use crate::http::query::{InvalidParameter, Query};

/// Largest offset, as in GitLab: clients that need more use keyset pagination.
const MAX_OFFSET: i64 = 50_000;

/// How GitLab paginates lists.
static PAGE_RULES: PageRules = PageRules {
    default_size: 20,
    max_size: 100,
    bad_numbers: BadNumbers::Refused,
    headers: PageHeaders::LinkAndNumbers,
};

/// Reads the page of a list.
pub(super) fn page(query: &Query) -> Result<Page, InvalidParameter> {
    Page::from_query(query, &PAGE_RULES)
}

/// Reads the direction of a list; descending by default.
pub(super) fn sort(query: &Query) -> Result<Direction, InvalidParameter> {
    let choices = [("asc", Direction::Ascending), ("desc", Direction::Descending)];
    Ok(query.choice_of("sort", &choices)?.unwrap_or(Direction::Descending))
}

/// Whether keyset pagination is requested instead of page numbers.
pub(super) fn is_keyset(query: &Query) -> Result<bool, InvalidParameter> {
    let choices = [("legacy", false), ("keyset", true)];
    Ok(query.choice_of("pagination", &choices)?.unwrap_or(false))
}

/// Reads an ID in a path. A number too large for an ID becomes one that no row has.
pub(super) fn id(text: &str, name: &'static str) -> Result<i64, InvalidParameter> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidParameter::Type(name));
    }
    Ok(text.parse().unwrap_or(i64::MAX))
}

/// Reads the job in a path of the jobs' own routes: its ID, or `current` for the one that makes the request.
pub(super) fn numbered_job(text: &str) -> Result<NumberedJob, InvalidParameter> {
    if text == "current" { Ok(NumberedJob::Current) } else { id(text, "id").map(NumberedJob::Id) }
}

/// Refuses keyset pagination in this order.
pub(super) fn keyset_unavailable() -> ApiError {
    ApiError::NotAvailable("Keyset pagination is not yet available for this type of request".into())
}

/// Refuses a page beyond [`MAX_OFFSET`].
pub(super) fn check_offset_limit(page: Page, things: &str) -> Result<(), ApiError> {
    let slice = page.slice();
    if slice.offset.saturating_add(slice.limit) > MAX_OFFSET {
        Err(ApiError::NotAvailable(format!(
            "Offset pagination has a maximum allowed offset of {MAX_OFFSET} for requests that return objects \
             of type {things}. Remaining records can be retrieved using keyset pagination."
        )))
    } else {
        Ok(())
    }
}
