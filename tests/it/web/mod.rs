//! Pages for people, as a browser opens them: what they show, to whom, and what they let be changed.

mod browse;
pub mod browser;
mod changes;
mod clients;
mod copied_links;
mod errors;
mod file_search;
mod file_search_bounds;
mod measured;
mod newest;
mod nodes;
mod operate;
mod pages;
mod refs;
pub mod report;
mod report_ends;
mod report_hosts;
pub mod report_sessions;
mod running;
pub mod sign_in;
mod sign_in_attacks;
mod sign_in_audit;
mod sign_in_upstream;
mod view;
mod web_urls;

use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Request};

/// What Chromium sends when a person opens an address.
pub const ACCEPT: &str =
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8";

/// A request as a browser sends it for a page.
pub fn navigation(gateway: &Gateway, method: &str, path: &str) -> Request {
    gateway.request(method, path).header("Accept", ACCEPT).header("Sec-Fetch-Mode", "navigate")
}

/// Opens an address as a browser does, signed in with a token or as nobody.
pub fn open(gateway: &Gateway, token: &str, path: &str) -> Answer {
    let request = navigation(gateway, "GET", path);
    if token.is_empty() { request.send() } else { request.private_token(token).send() }
}

/// Sends a form of one of our own pages.
pub fn submit(gateway: &Gateway, token: &str, path: &str) -> Answer {
    let request = navigation(gateway, "POST", path).header("Sec-Fetch-Site", "same-origin").body(Vec::new());
    if token.is_empty() { request.send() } else { request.private_token(token).send() }
}

/// Returns the HTML of a page, which must have been sent with its headers and be what every page is.
pub fn html(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{}", answer.text());
    is_page(answer);
    answer.text()
}

/// Every page has the headers that keep it from harm, one heading, a way past the navigation, and no script or style.
pub fn is_page(answer: &Answer) {
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{answer:?}");
    let policy = answer.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let text = answer.text();
    assert!(text.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"), "{text}");
    assert_eq!(text.matches("<h1>").count(), 1, "{text}");
    assert_eq!(text.matches("<main ").count(), 1);
    assert!(text.contains("href=\"#main\"") && text.contains("<nav aria-label=\"Breadcrumb\">"));
    for tag in text.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        let attributes = tag.split(' ').skip(1).filter_map(|part| part.split_once('='));
        for (name, value) in attributes {
            let runs =
                name.starts_with("on") || name == "style" || value.to_lowercase().contains("javascript:");
            assert!(!runs, "{tag}");
        }
        assert!(
            !tag.starts_with("script") && !tag.starts_with("style") && !tag.starts_with("iframe"),
            "{tag}"
        );
    }
}

/// The addresses of the links of a page, as a browser reads them.
pub fn links(html: &str) -> Vec<String> {
    let values = html.split("<a ").skip(1).filter_map(|tag| tag.split("href=\"").nth(1)?.split('"').next());
    values.map(|value| value.replace("&amp;", "&").replace("&#38;", "&")).collect()
}

/// The address of the link whose text is this.
pub fn link(html: &str, text: &str) -> String {
    let tags = html.split("<a ").skip(1);
    let found = tags.filter(|tag| {
        let inner = tag.split_once('>').map_or("", |(_, rest)| rest).split("</a>").next().unwrap();
        inner.split("<span class=\"hidden\">").next() == Some(text)
    });
    let tag = found.last().unwrap_or_else(|| panic!("no link {text} in {html}"));
    tag.split("href=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}
