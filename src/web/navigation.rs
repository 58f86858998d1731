//! Navigation: whether a browser opens an address as a page, and whether one of our own pages sent a form.

use actix_web::dev::RequestHead;
use actix_web::http::header::{ACCEPT, HOST, HeaderMap, ORIGIN};

use super::error::PageError;
use crate::http::context::RequestContext;
use crate::http::credentials::text;

const SEC_FETCH_MODE: &str = "sec-fetch-mode";
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Whether a browser opens the address as a page. Browsers say so, except over plain HTTP; there they are the only
/// clients that ask for HTML.
pub(super) fn is_navigation(headers: &HeaderMap) -> bool {
    match headers.get(SEC_FETCH_MODE) {
        Some(mode) => mode.as_bytes() == b"navigate",
        None => {
            headers.get_all(ACCEPT).any(|accept| accept.as_bytes().split(|byte| *byte == b',').any(is_html))
        }
    }
}

/// Whether an item of `Accept` is HTML, wanted at all.
fn is_html(range: &[u8]) -> bool {
    let range = String::from_utf8_lossy(range);
    let mut parts = range.split(';').map(str::trim);
    let is_html = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"));
    is_html && !parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0"))
}

/// Whether the first label of the request's host is `api`: such a host has no pages.
pub(super) fn is_of_api_host(head: &RequestHead) -> bool {
    let host = head.uri.host().or_else(|| head.headers().get(HOST).and_then(|host| host.to_str().ok()));
    host.and_then(|host| host.split(['.', ':']).next()).is_some_and(|first| first.eq_ignore_ascii_case("api"))
}

/// Requires that one of our own pages sent the form: another site could send it with the cookies of a person who does
/// not know of it.
pub(super) fn require_own_page(ctx: &RequestContext) -> Result<(), PageError> {
    let headers = ctx.request.headers();
    let is_own = match headers.get(SEC_FETCH_SITE) {
        Some(site) => site.as_bytes() == b"same-origin",
        None => text(headers, ORIGIN.as_str()).is_some_and(|origin| origin == origin_of(&ctx.base_url())),
    };
    if is_own { Ok(()) } else { Err(PageError::FromElsewhere) }
}

/// Returns scheme and authority of a base URL.
fn origin_of(base_url: &str) -> &str {
    let begin = base_url.find("://").map_or(0, |at| at + 3);
    let end = base_url[begin..].find('/').map_or(base_url.len(), |at| begin + at);
    &base_url[..end]
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn navigates(headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        is_navigation(&map)
    }

    #[test]
    fn only_a_browser_that_opens_a_page_navigates() {
        let chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        assert!(navigates(&[("accept", chromium)]));
        assert!(navigates(&[("accept", "*/*"), ("sec-fetch-mode", "navigate")]));
        assert!(navigates(&[("accept", "application/xml"), ("accept", "Text/HTML; charset=utf-8")]));
        assert!(!navigates(&[]));
        assert!(!navigates(&[("accept", "*/*")]));
        assert!(!navigates(&[("accept", "application/json, text/html;q=0")]));
        assert!(!navigates(&[("accept", chromium), ("sec-fetch-mode", "cors")]));
        assert!(!navigates(&[("accept", "image/avif,image/webp,*/*;q=0.8"), ("sec-fetch-mode", "no-cors")]));
    }

    #[test]
    fn an_origin_is_a_base_url_without_its_path() {
        for (url, origin) in [
            ("http://127.0.0.1:8929", "http://127.0.0.1:8929"),
            ("https://ci.example.com/artifacts", "https://ci.example.com"),
        ] {
            assert_eq!(origin_of(url), origin);
        }
    }
}
