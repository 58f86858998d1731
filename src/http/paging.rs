//! Pages of a list by number, and the headers by which clients walk them.
//!
//! Some clients follow only `Link`, so its addresses are whole and repeat every filter.

use actix_web::HttpResponseBuilder;
use actix_web::http::header;

use crate::http::query::Query;
use crate::http::span::is_secret;

/// How many items a page has when nobody says.
const DEFAULT_SIZE: usize = 20;

/// How many items a page has at most.
const MAX_SIZE: usize = 100;

/// A page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Its number, from 1 on.
    pub number: usize,
    /// How many items a page has.
    pub size: usize,
}

impl Page {
    /// The page that `page` and `per_page` ask for.
    ///
    /// # Errors
    /// The name of the parameter that is no number from 1 on.
    pub fn from_query(query: &Query) -> Result<Self, &'static str> {
        let number = |name: &'static str, default| match query.get_filled(name) {
            None => Ok(default),
            Some(text) => text.parse().ok().filter(|number| *number > 0).ok_or(name),
        };
        let size = number("per_page", DEFAULT_SIZE)?.min(MAX_SIZE);
        Ok(Self { number: number("page", 1)?.min(usize::MAX / MAX_SIZE - 1), size })
    }

    /// Where its items stand in the list.
    pub fn window(self) -> std::ops::Range<usize> {
        (self.number - 1) * self.size..self.number * self.size
    }

    /// Adds the headers for a list of `total` items at `url`, whose raw query was `query`.
    pub fn describe(self, answer: &mut HttpResponseBuilder, total: usize, url: &str, query: &str) {
        let pages = total.div_ceil(self.size).max(1);
        let next = (self.number < pages).then_some(self.number + 1);
        let previous = (self.number > 1).then_some(self.number - 1);
        let shown = |page: Option<usize>| page.map(|page| page.to_string()).unwrap_or_default();
        let filters: Vec<&str> = query.split('&').filter(|pair| is_filter(pair)).collect();
        let link = |page: usize, relation: &str| {
            let paging = format!("page={page}&per_page={}", self.size);
            let all: Vec<&str> = filters.iter().copied().chain([paging.as_str()]).collect();
            format!("<{url}?{}>; rel=\"{relation}\"", all.join("&"))
        };
        let links = [
            previous.map(|page| link(page, "prev")),
            next.map(|page| link(page, "next")),
            Some(link(1, "first")),
            Some(link(pages, "last")),
        ];
        answer
            .insert_header(("X-Page", self.number.to_string()))
            .insert_header(("X-Per-Page", self.size.to_string()))
            .insert_header(("X-Next-Page", shown(next)))
            .insert_header(("X-Prev-Page", shown(previous)))
            .insert_header(("X-Total", total.to_string()))
            .insert_header(("X-Total-Pages", pages.to_string()))
            .insert_header((header::LINK, links.into_iter().flatten().collect::<Vec<_>>().join(", ")));
    }
}

/// Credentials are not repeated: an address may be logged or passed on.
fn is_filter(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    !matches!(name, "" | "page" | "per_page") && !is_secret(pair)
}
