//! Parameters of the query, checked, and GitLab's words for those that are wrong. One that is empty is
//! as good as none.

use std::str::FromStr;

use crate::api::gitlab::call::Call;
use crate::api::gitlab::failure::Failure;
use crate::catalog::pages::{Direction, Window};
use crate::domain::Timestamp;
use crate::domain::status::Status;
use crate::http::paging::Page;

impl Call {
    /// A boolean; `false` when it is not there.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool, Failure> {
        self.query.flag(name).map_err(|_| invalid(name))
    }

    /// A whole number.
    pub(super) fn integer(&self, name: &'static str) -> Result<Option<i64>, Failure> {
        self.query.get_filled(name).map(|text| text.parse().map_err(|_| invalid(name))).transpose()
    }

    /// A point in time, as strictly as ISO 8601 is written by those who ask: the zone may be missing,
    /// and a plus that was not encoded has become a space.
    pub(super) fn time(&self, name: &'static str) -> Result<Option<Timestamp>, Failure> {
        let Some(text) = self.query.get_filled(name) else { return Ok(None) };
        let plus = text.replacen(' ', "+", 1);
        let with_zone = format!("{text}Z");
        let readings = [text, &plus, &with_zone];
        let time = readings.into_iter().find_map(|text| Timestamp::parse(text).ok());
        time.map(Some).ok_or_else(|| invalid(name))
    }

    /// One of a few names.
    pub(super) fn choice<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, Failure> {
        self.query.get_filled(name).map(|text| text.parse().map_err(|_| no_choice(name))).transpose()
    }

    /// One of a few names that mean something only here.
    pub(super) fn choice_of<T: Copy>(
        &self,
        name: &'static str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, Failure> {
        let Some(text) = self.query.get_filled(name) else { return Ok(None) };
        let chosen = choices.iter().find(|(known, _)| *known == text).map(|(_, meaning)| *meaning);
        chosen.map(Some).ok_or_else(|| no_choice(name))
    }

    /// Where jobs may stand: one name, or a list of them.
    pub(super) fn scope(&self) -> Result<Vec<Status>, Failure> {
        let names = self.query.list("scope").into_iter();
        names.map(|name| name.parse().map_err(|_| no_choice("scope"))).collect()
    }

    /// Which way a list runs; backwards unless it is said.
    pub(super) fn sort(&self) -> Result<Direction, Failure> {
        let choices = [("asc", Direction::Ascending), ("desc", Direction::Descending)];
        Ok(self.choice_of("sort", &choices)?.unwrap_or(Direction::Descending))
    }

    /// Whether the list is walked from item to item and not from page to page.
    pub(super) fn is_keyset(&self) -> Result<bool, Failure> {
        Ok(self.choice_of("pagination", &[("legacy", false), ("keyset", true)])?.unwrap_or(false))
    }

    /// The page of a list.
    pub(super) fn page(&self) -> Result<Page, Failure> {
        Page::from_query(&self.query).map_err(invalid)
    }
}

/// A page as the catalog has it.
pub(super) fn window(page: Page) -> Window {
    Window { skip: page.skip(), limit: page.limit() }
}

/// A parameter that is not of its type.
pub(super) fn invalid(name: &str) -> Failure {
    Failure::Parameter(format!("{name} is invalid"))
}

/// A parameter that is none of its names.
fn no_choice(name: &str) -> Failure {
    Failure::Parameter(format!("{name} does not have a valid value"))
}

/// The list cannot be walked from item to item in this order.
pub(super) fn no_keyset() -> Failure {
    Failure::NotAvailable("Keyset pagination is not yet available for this type of request".into())
}

/// Rows that are not read past, as in GitLab: whoever wants more walks from item to item.
const MAX_OFFSET: i64 = 50_000;

/// Refuses a page that is too far away.
pub(super) fn refuse_far(page: Page, things: &str) -> Result<(), Failure> {
    match page.skip().saturating_add(page.limit()) > MAX_OFFSET {
        false => Ok(()),
        true => Err(Failure::NotAvailable(format!(
            "Offset pagination has a maximum allowed offset of {MAX_OFFSET} for requests that return objects \
             of type {things}. Remaining records can be retrieved using keyset pagination."
        ))),
    }
}
