//! Pages of a list by number, and the headers by which clients walk them.
//!
//! Some clients follow only `Link`, so its addresses are whole and repeat every filter.

use actix_web::HttpResponseBuilder;
use actix_web::http::header;

use crate::http::query::Query;
use crate::http::redact;

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

    /// How many items stand before it.
    pub fn skip(self) -> i64 {
        i64::try_from((self.number - 1) * self.size).unwrap_or(i64::MAX)
    }

    /// How many items it has at most, as the catalog counts.
    pub fn limit(self) -> i64 {
        self.size as i64
    }

    /// Adds the headers for a list at `url`, whose raw query was `query`.
    pub fn describe(self, answer: &mut HttpResponseBuilder, length: Length, url: &str, query: &str) {
        let (next, pages) = match length {
            Length::Known(total) => {
                let pages = total.div_ceil(self.size).max(1);
                ((self.number < pages).then_some(self.number + 1), Some((total, pages)))
            }
            Length::Unknown { more } => (more.then_some(self.number + 1), None),
        };
        let previous = (self.number > 1).then_some(self.number - 1);
        let shown = |page: Option<usize>| page.map(|page| page.to_string()).unwrap_or_default();
        let link = |page: usize, relation: &str| {
            let paging = format!("page={page}&per_page={}", self.size);
            address(url, query, &["page"], &paging, relation)
        };
        let links = [
            previous.map(|page| link(page, "prev")),
            next.map(|page| link(page, "next")),
            Some(link(1, "first")),
            pages.map(|(_, pages)| link(pages, "last")),
        ];
        answer
            .insert_header(("X-Page", self.number.to_string()))
            .insert_header(("X-Per-Page", self.size.to_string()))
            .insert_header(("X-Next-Page", shown(next)))
            .insert_header(("X-Prev-Page", shown(previous)))
            .insert_header((header::LINK, links.into_iter().flatten().collect::<Vec<_>>().join(", ")));
        if let Some((total, pages)) = pages {
            answer
                .insert_header(("X-Total", total.to_string()))
                .insert_header(("X-Total-Pages", pages.to_string()));
        }
    }

    /// Adds the header by which a list without page numbers is walked: `position` is the parameter
    /// that says behind which item the next page begins.
    pub fn describe_next(
        self,
        answer: &mut HttpResponseBuilder,
        (name, position): (&str, &str),
        url: &str,
        query: &str,
    ) {
        let paging = format!("{name}={position}&per_page={}", self.size);
        answer.insert_header((header::LINK, address(url, query, &["page", name], &paging, "next")));
    }
}

/// How long a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// It has this many items.
    Known(usize),
    /// Nobody counted.
    Unknown {
        /// Whether there are items behind the page.
        more: bool,
    },
}

/// An address of another page: all filters, without the parameters that say where a page begins.
fn address(url: &str, query: &str, without: &[&str], paging: &str, relation: &str) -> String {
    let filters = query.split('&').filter(|pair| is_filter(pair, without));
    let all: Vec<&str> = filters.chain([paging]).collect();
    format!("<{url}?{}>; rel=\"{relation}\"", all.join("&"))
}

/// Credentials are not repeated: an address may be logged or passed on.
fn is_filter(pair: &str, without: &[&str]) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    !matches!(name, "" | "per_page") && !without.contains(&name) && !redact::holds_secret(pair)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::HttpResponse;

    const URL: &str = "http://h/api/v4/projects/1/jobs";
    const QUERY: &str = "scope%5B%5D=success&scope[]=failed&page=3&per_page=5&private_token=secret&x=%C3%BC";
    const FILTERS: &str = "scope%5B%5D=success&scope[]=failed&x=%C3%BC";

    fn headers(describe: impl FnOnce(&mut HttpResponseBuilder)) -> Vec<(String, String)> {
        let mut answer = HttpResponse::Ok();
        describe(&mut answer);
        let answer = answer.finish();
        let text = |value: &header::HeaderValue| value.to_str().unwrap().to_owned();
        let mut all: Vec<_> =
            answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        all.sort();
        all
    }

    fn said(name: &str, value: impl ToString) -> (String, String) {
        (name.to_owned(), value.to_string())
    }

    #[test]
    fn a_counted_list_says_everything_and_repeats_every_filter_but_no_credential() {
        let page = Page::from_query(&Query::parse(QUERY)).unwrap();
        let link = |page: usize, relation: &str| {
            format!("<{URL}?{FILTERS}&page={page}&per_page=5>; rel=\"{relation}\"")
        };
        let links = [link(2, "prev"), link(4, "next"), link(1, "first"), link(5, "last")].join(", ");
        assert_eq!(
            headers(|answer| page.describe(answer, Length::Known(21), URL, QUERY)),
            [
                said("link", links),
                said("x-next-page", 4),
                said("x-page", 3),
                said("x-per-page", 5),
                said("x-prev-page", 2),
                said("x-total", 21),
                said("x-total-pages", 5),
            ]
        );
        assert_eq!((page.skip(), page.limit()), (10, 5));
    }

    #[test]
    fn a_list_that_nobody_counted_has_no_totals_and_no_last_page() {
        let page = Page { number: 1, size: 20 };
        let link =
            |page: usize, relation: &str| format!("<{URL}?page={page}&per_page=20>; rel=\"{relation}\"");
        for (more, next) in [(true, "2"), (false, "")] {
            let links = match more {
                true => format!("{}, {}", link(2, "next"), link(1, "first")),
                false => link(1, "first"),
            };
            assert_eq!(
                headers(|answer| page.describe(answer, Length::Unknown { more }, URL, "")),
                [
                    said("link", links),
                    said("x-next-page", next),
                    said("x-page", 1),
                    said("x-per-page", 20),
                    said("x-prev-page", ""),
                ]
            );
        }
    }

    #[test]
    fn a_list_without_page_numbers_says_only_where_it_goes_on() {
        let query = format!("{QUERY}&pagination=keyset&cursor=old");
        let page = Page::from_query(&Query::parse(&query)).unwrap();
        assert_eq!(
            headers(|answer| page.describe_next(answer, ("cursor", "new"), URL, &query)),
            [said(
                "link",
                format!("<{URL}?{FILTERS}&pagination=keyset&cursor=new&per_page=5>; rel=\"next\"")
            )]
        );
    }
}
