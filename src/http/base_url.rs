//! Base URL: scheme and host of the absolute URLs in responses.
//!
//! Clients follow such URLs with their token, so only a trusted proxy may choose another host than the one
//! the client itself requested, and an invalid host is never repeated.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::dev::RequestHead;
use actix_web::http::header::{self, HeaderMap};

use crate::domain::network::Network;
use crate::http::forwarded;
use crate::settings::Settings;

const X_FORWARDED_HOST: &str = "x-forwarded-host";
const X_FORWARDED_PROTO: &str = "x-forwarded-proto";

/// Longest host, in bytes: a name of 253, a port.
const MAX_HOST_BYTES: usize = 260;

/// Returns the base URL of a request, without a slash at its end: the configured one, the one a trusted proxy
/// reports, or the one the client used.
pub fn of(request: &HttpRequest, settings: &Settings) -> String {
    if let Some(url) = &settings.external_url {
        return url.clone();
    }
    let headers = request.headers();
    let peer = request.peer_addr().map(|peer| peer.ip());
    let said = said_by_proxy(peer, headers, &settings.trusted_proxies);
    let asked = headers.get(header::HOST).and_then(|host| host.to_str().ok()).filter(|host| is_host(host));
    let host = said.host.as_deref().or(asked).unwrap_or(&settings.listen);
    format!("{}://{host}", said.scheme.unwrap_or(settings.scheme()))
}

/// Returns the host that a request names, with its port if it has one: the one that a trusted proxy reports, or the
/// client's own.
pub fn requested_host(head: &RequestHead, trusted: &[Network]) -> Option<String> {
    let said = said_by_proxy(head.peer_addr.map(|peer| peer.ip()), head.headers(), trusted);
    let own = || {
        let of_target = head.uri.authority().map(|authority| authority.as_str());
        let asked = head.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        of_target.or(asked).filter(|host| is_host(host)).map(str::to_owned)
    };
    said.host.or_else(own)
}

/// Whether `Host` is absent, empty or a valid host, and given at most once. Any other request is refused (RFC
/// 9112, section 3.2).
pub fn has_good_host(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::HOST);
    match (lines.next(), lines.next()) {
        (None, _) => true,
        (Some(value), None) => value.to_str().is_ok_and(|host| host.is_empty() || is_host(host)),
        (Some(_), Some(_)) => false,
    }
}

/// The host and scheme that the nearest proxy reports.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    host: Option<String>,
    scheme: Option<&'static str>,
}

/// Reads the report of a trusted proxy. It writes `X-Forwarded-*` or `Forwarded` and may pass on the other
/// from its client; where the two disagree, neither is used. Of several values the last is its own.
fn said_by_proxy(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[Network]) -> Said {
    if !peer.is_some_and(|peer| trusted.iter().any(|network| network.contains(peer))) {
        return Said::default();
    }
    let element = forwarded::elements(headers).next().flatten();
    let parameter = |name| element.as_ref().and_then(|element| element.get(name));
    let host = agreed(last(headers, X_FORWARDED_HOST), parameter("host"));
    let scheme = agreed(last(headers, X_FORWARDED_PROTO), parameter("proto"));
    Said { host: host.filter(|host| is_host(host)).map(str::to_owned), scheme: scheme.and_then(known_scheme) }
}

fn agreed<'a>(one: Option<&'a str>, other: Option<&'a str>) -> Option<&'a str> {
    match (one, other) {
        (Some(one), Some(other)) if !one.eq_ignore_ascii_case(other) => None,
        _ => one.or(other),
    }
}

/// Returns the last item of a list header; `None` if it is empty.
fn last<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a str> {
    forwarded::items(headers, name).next().flatten().filter(|item| !item.is_empty())
}

fn known_scheme(text: &str) -> Option<&'static str> {
    ["http", "https"].into_iter().find(|scheme| text.eq_ignore_ascii_case(scheme))
}

/// Whether a text is a host, with or without a port: a name, an IPv4 address, an IPv6 address in
/// brackets.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (text, ""),
    };
    let is_named = || {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        !host.is_empty() && host.bytes().all(is_letter)
    };
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_address = |text: &str| text.parse::<std::net::Ipv6Addr>().is_ok();
    text.len() <= MAX_HOST_BYTES
        && port.len() <= 5
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && address.map_or_else(is_named, is_address)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) else { continue };
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
        }
        headers
    }

    fn said(peer: &str, lines: &[(&str, &str)]) -> (Option<String>, Option<&'static str>) {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let headers = headers(lines);
        let said = said_by_proxy(Some(peer.parse().unwrap()), &headers, &trusted);
        (said.host, said.scheme)
    }

    const STRANGER: &str = "192.0.2.1";
    const PROXY: &str = "10.0.0.1";

    #[test]
    fn nobody_is_believed_who_is_not_trusted() {
        let lines = [
            ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-Proto", "https"),
            ("Forwarded", "host=evil"),
        ];
        assert_eq!(said(STRANGER, &lines), (None, None));
    }

    #[test]
    fn a_trusted_proxy_names_host_and_scheme_in_either_way() {
        let expected = (Some("ci.example.com:8443".to_owned()), Some("https"));
        let by_x = [("X-Forwarded-Host", "ci.example.com:8443"), ("X-Forwarded-Proto", "HTTPS")];
        let by_rfc = [("Forwarded", "for=\"[::1]:4\"; Host=\"ci.example.com:8443\";proto=https")];
        assert_eq!(said(PROXY, &by_x), expected);
        assert_eq!(said(PROXY, &by_rfc), expected);
        assert_eq!(said(PROXY, &[&by_x[..], &by_rfc].concat()), expected);
    }

    #[test]
    fn what_came_from_its_client_is_not_believed() {
        for lines in [
            &[("X-Forwarded-Host", "evil.example, good"), ("X-Forwarded-Proto", "ftp, http")][..],
            &[
                ("X-Forwarded-Host", "evil.example"),
                ("X-Forwarded-Host", "good"),
                ("X-Forwarded-Proto", "http"),
            ],
            &[("Forwarded", "host=evil;for=\", host=good;proto=http")],
            &[("Forwarded", "host=good;proto=http;for=\"a, host=evil;proto=https\"")],
        ] {
            assert_eq!(said(PROXY, lines), (Some("good".into()), Some("http")), "{lines:?}");
        }
        let disagreeing = [("X-Forwarded-Host", "good"), ("Forwarded", "host=evil;proto=https")];
        assert_eq!(said(PROXY, &disagreeing), (None, Some("https")));
        assert_eq!(said(PROXY, &[("X-Forwarded-Host", "evil>; rel=\"next\"")]), (None, None));
        assert_eq!(said(PROXY, &[("X-Forwarded-Proto", "javascript")]), (None, None));
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for good in
            ["a", "ci.example.com", "my_host:80", "192.0.2.1:8929", "[::1]", "[2001:db8::1]:443", "a:"]
        {
            assert!(is_host(good), "{good}");
        }
        for bad in [
            "", ":80", "a b", "a>", "a/b", "a@b", "a:b", "a:123456", "[::1", "::1", "[a]", "a\"", "a,b", "ü",
            "a:1:2",
        ] {
            assert!(!is_host(bad), "{bad}");
        }
        assert!(!is_host(&"a".repeat(MAX_HOST_BYTES + 1)));
    }

    #[test]
    fn a_request_may_have_no_host_but_no_bad_one() {
        assert!(has_good_host(&headers(&[])) && has_good_host(&headers(&[("Host", "")])));
        assert!(has_good_host(&headers(&[("Host", "a:80")])));
        assert!(!has_good_host(&headers(&[("Host", "a b>")])) && !has_good_host(&headers(&[("Host", "ü")])));
        assert!(!has_good_host(&headers(&[("Host", "a"), ("Host", "b")])), "two of them");
    }

    proptest! {
        #[test]
        fn nothing_but_a_host_gets_through(name in "(X-Forwarded-Host|Forwarded)", value in "(host=)?[ -~]{0,40}") {
            let (host, _) = said(PROXY, &[(&name, &value)]);
            let is_safe = |host: &str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:[]".contains(&b));
            prop_assert!(host.as_deref().is_none_or(is_safe), "{:?}", host);
            prop_assert_eq!(said(STRANGER, &[(&name, &value)]), (None, None));
        }
    }
}
