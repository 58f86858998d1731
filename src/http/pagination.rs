//! Pagination: numbered pages of a list, and the headers that link them.
//!
//! Some clients follow only `Link`, so its URLs are absolute and repeat every filter.

use actix_web::HttpResponseBuilder;
use actix_web::http::header;

use crate::access::Total;
use crate::catalog::slice::Slice;
use crate::http::query::{InvalidParameter, Query};
use crate::http::redact;

/// How a dialect paginates its lists.
#[derive(Debug, PartialEq, Eq)]
pub struct PageRules {
    /// Items per page if the request does not say.
    pub default_size: usize,
    /// Most items per page; a larger `per_page` is reduced to it.
    pub max_size: usize,
    /// How a `page` or `per_page` that is no positive integer is treated.
    pub bad_numbers: BadNumbers,
    /// The headers that link the pages.
    pub headers: PageHeaders,
}

/// How a `page` or `per_page` that is no positive integer is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadNumbers {
    /// The request is refused.
    Refused,
    /// The parameter is ignored.
    Ignored,
}

/// The headers that link the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageHeaders {
    /// `Link` with every existing relation, and numbers in `X-Page`, `X-Per-Page`, `X-Next-Page`,
    /// `X-Prev-Page` and, for counted lists, `X-Total` and `X-Total-Pages`.
    LinkAndNumbers,
    /// `Link` alone, without relations to the page itself; none for a list of one page.
    Link,
}

/// A page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Page number, from 1 on.
    pub number: usize,
    /// Items per page.
    pub size: usize,
    rules: &'static PageRules,
}

impl Page {
    /// Reads `page` and `per_page`.
    ///
    /// # Errors
    /// The parameter that is no positive integer, if the rules refuse it.
    pub fn from_query(query: &Query, rules: &'static PageRules) -> Result<Self, InvalidParameter> {
        let number = |name: &'static str, default| match query.get_filled(name) {
            None => Ok(default),
            Some(text) => match (positive(text), rules.bad_numbers) {
                (Some(number), _) => Ok(number),
                (None, BadNumbers::Ignored) => Ok(default),
                (None, BadNumbers::Refused) => Err(InvalidParameter::Type(name)),
            },
        };
        let size = number("per_page", rules.default_size)?.min(rules.max_size);
        Ok(Self { number: number("page", 1)?.min(usize::MAX / rules.max_size - 1), size, rules })
    }

    /// Returns the first page of the same size.
    #[must_use]
    pub fn first(self) -> Self {
        Self { number: 1, ..self }
    }

    /// Returns the indexes of the page's items in the list.
    pub fn range(self) -> std::ops::Range<usize> {
        (self.number - 1) * self.size..self.number * self.size
    }

    /// Returns the page as offset and limit.
    pub fn slice(self) -> Slice {
        Slice {
            offset: i64::try_from((self.number - 1) * self.size).unwrap_or(i64::MAX),
            limit: self.size as i64,
        }
    }

    /// Adds the pagination headers for a list at `url`, whose raw query was `query`.
    pub fn write_headers(self, response: &mut HttpResponseBuilder, total: Total, url: &str, query: &str) {
        let (next, pages) = match total {
            Total::Known(total) => {
                let pages = total.div_ceil(self.size).max(1);
                ((self.number < pages).then_some(self.number + 1), Some((total, pages)))
            }
            Total::Unknown { more } => (more.then_some(self.number + 1), None),
        };
        let previous = (self.number > 1).then_some(self.number - 1);
        let last = pages.map(|(_, pages)| pages);
        let (first, last) = match self.rules.headers {
            PageHeaders::LinkAndNumbers => (Some(1), last),
            PageHeaders::Link => (previous.map(|_| 1), last.filter(|last| self.number < *last)),
        };
        let relations = [(previous, "prev"), (next, "next"), (first, "first"), (last, "last")];
        let links: Vec<String> = relations
            .into_iter()
            .filter_map(|(page, relation)| {
                let paging = format!("page={}&per_page={}", page?, self.size);
                Some(link(url, query, &["page"], &paging, relation))
            })
            .collect();
        if !links.is_empty() {
            response.insert_header((header::LINK, links.join(", ")));
        }
        if self.rules.headers == PageHeaders::LinkAndNumbers {
            self.write_numbers(response, (previous, next), pages);
        }
    }

    fn write_numbers(
        self,
        response: &mut HttpResponseBuilder,
        (previous, next): (Option<usize>, Option<usize>),
        pages: Option<(usize, usize)>,
    ) {
        let shown = |page: Option<usize>| page.map(|page| page.to_string()).unwrap_or_default();
        response
            .insert_header(("X-Page", self.number.to_string()))
            .insert_header(("X-Per-Page", self.size.to_string()))
            .insert_header(("X-Next-Page", shown(next)))
            .insert_header(("X-Prev-Page", shown(previous)));
        if let Some((total, pages)) = pages {
            response
                .insert_header(("X-Total", total.to_string()))
                .insert_header(("X-Total-Pages", pages.to_string()));
        }
    }

    /// Adds the `Link` to the next page of a list without page numbers, which begins after `position`, the
    /// value of the parameter `name`.
    pub fn write_next_link(
        self,
        response: &mut HttpResponseBuilder,
        (name, position): (&str, &str),
        url: &str,
        query: &str,
    ) {
        let paging = format!("{name}={position}&per_page={}", self.size);
        response.insert_header((header::LINK, link(url, query, &["page", name], &paging, "next")));
    }
}

/// Reads a positive integer; one that is too large to be held is the largest.
fn positive(text: &str) -> Option<usize> {
    match text.parse() {
        Ok(number) => Some(number).filter(|number| *number > 0),
        Err(_) => {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then_some(usize::MAX)
        }
    }
}

/// Formats a link to another page: all filters, without the old pagination parameters.
fn link(url: &str, query: &str, without: &[&str], paging: &str, relation: &str) -> String {
    format!("<{}>; rel=\"{relation}\"", address(url, query, without, paging))
}

/// The address of another page: all filters without the parameters `without`, and `paging`.
pub fn address(url: &str, query: &str, without: &[&str], paging: &str) -> String {
    let filters = query.split('&').filter(|pair| is_filter(pair, without));
    let all: Vec<&str> = filters.chain([paging]).filter(|pair| !pair.is_empty()).collect();
    if all.is_empty() { url.to_owned() } else { format!("{url}?{}", all.join("&")) }
}

/// Whether a pair of the query is repeated in links. Credentials are not, because a URL may be logged or
/// passed on; nor are names without a value, at which some clients stumble.
fn is_filter(pair: &str, without: &[&str]) -> bool {
    let Some((name, _)) = pair.split_once('=') else { return false };
    !matches!(name, "" | "per_page") && !without.contains(&name) && !redact::holds_secret(pair)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::HttpResponse;

    const NUMBERS: PageRules = PageRules {
        default_size: 20,
        max_size: 100,
        bad_numbers: BadNumbers::Refused,
        headers: PageHeaders::LinkAndNumbers,
    };
    const LINK: PageRules = PageRules {
        bad_numbers: BadNumbers::Ignored,
        headers: PageHeaders::Link,
        default_size: 30,
        ..NUMBERS
    };
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
        let page = Page::from_query(&Query::parse(QUERY), &NUMBERS).unwrap();
        let link = |page: usize, relation: &str| {
            format!("<{URL}?{FILTERS}&page={page}&per_page=5>; rel=\"{relation}\"")
        };
        let links = [link(2, "prev"), link(4, "next"), link(1, "first"), link(5, "last")].join(", ");
        assert_eq!(
            headers(|answer| page.write_headers(answer, Total::Known(21), URL, QUERY)),
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
        assert_eq!(page.slice(), Slice { offset: 10, limit: 5 });
        assert_eq!(page.range(), 10..15);
    }

    #[test]
    fn a_list_that_nobody_counted_has_no_totals_and_no_last_page() {
        let page = Page { number: 1, size: 20, rules: &NUMBERS };
        let link =
            |page: usize, relation: &str| format!("<{URL}?page={page}&per_page=20>; rel=\"{relation}\"");
        for (more, next) in [(true, "2"), (false, "")] {
            let links =
                if more { format!("{}, {}", link(2, "next"), link(1, "first")) } else { link(1, "first") };
            assert_eq!(
                headers(|answer| page.write_headers(answer, Total::Unknown { more }, URL, "")),
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
        let page = Page::from_query(&Query::parse(&query), &NUMBERS).unwrap();
        assert_eq!(
            headers(|answer| page.write_next_link(answer, ("cursor", "new"), URL, &query)),
            [said(
                "link",
                format!("<{URL}?{FILTERS}&pagination=keyset&cursor=new&per_page=5>; rel=\"next\"")
            )]
        );
    }

    #[test]
    fn bad_numbers_are_refused_or_ignored() {
        for query in ["page=0", "page=-1", "page=x", "page=1.5"] {
            let query = Query::parse(query);
            assert_eq!(Page::from_query(&query, &NUMBERS), Err(InvalidParameter::Type("page")));
            assert_eq!(Page::from_query(&query, &LINK).map(|page| (page.number, page.size)), Ok((1, 30)));
        }
        let large = Page::from_query(&Query::parse("per_page=1000"), &LINK);
        assert_eq!(large.map(|page| page.size), Ok(100));
    }

    #[test]
    fn a_dialect_may_have_links_alone_and_none_for_a_single_page() {
        let page = |number| Page { number, size: 30, rules: &LINK };
        let link =
            |page: usize, relation: &str| format!("<{URL}?page={page}&per_page=30>; rel=\"{relation}\"");
        let links = |number| headers(|answer| page(number).write_headers(answer, Total::Known(70), URL, ""));
        assert_eq!(links(1), [said("link", [link(2, "next"), link(3, "last")].join(", "))]);
        assert_eq!(links(3), [said("link", [link(2, "prev"), link(1, "first")].join(", "))]);
        assert_eq!(headers(|answer| page(1).write_headers(answer, Total::Known(30), URL, "")), []);
    }
}
