//! Client IP: the address of the peer or, if the peer is a trusted proxy, the one that it reports.

use std::net::IpAddr;

use actix_web::HttpMessage;
use actix_web::http::header::HeaderMap;

use crate::domain::network::Network;
use crate::http::forwarded;

/// Header that nearly every proxy writes; the newest hop is last.
const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// Address of a request's client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client(pub IpAddr);

/// Returns the client's address, as resolved by the middleware.
pub fn of(request: &impl HttpMessage) -> Option<IpAddr> {
    request.extensions().get::<Client>().map(|client| client.0)
}

/// Returns the client's address: follows the reported hops back from `peer` to the first that is not a
/// trusted proxy; anybody can send the headers, so earlier hops are not trusted.
///
/// A proxy writes `X-Forwarded-For` or `Forwarded` and may pass on the other from its client; where the two
/// disagree, neither is used, and the proxy itself is the client.
pub fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let by_list = headers.contains_key(X_FORWARDED_FOR).then(|| {
        let hops = forwarded::items(headers, X_FORWARDED_FOR);
        walk(peer, hops.map(|hop| forwarded::address(hop?)), is_trusted)
    });
    // An invalid element, or one without `for`, says nothing about the client.
    let names_one =
        forwarded::elements(headers).next().flatten().is_some_and(|last| last.get("for").is_some());
    let by_standard = names_one.then(|| {
        let hops = forwarded::elements(headers);
        walk(peer, hops.map(|hop| forwarded::address(hop?.get("for")?)), is_trusted)
    });
    match (by_list, by_standard) {
        (Some(one), Some(other)) if one != other => peer,
        (one, other) => one.or(other).unwrap_or(peer),
    }
}

/// Returns the first address, from `peer` on, that is not trusted or reports no readable hop.
fn walk(
    peer: IpAddr,
    mut hops: impl Iterator<Item = Option<IpAddr>>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer;
    while is_trusted(client) {
        match hops.next().flatten() {
            Some(hop) => client = hop.to_canonical(),
            None => break,
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    const STANDARD: &str = "forwarded";

    fn client_by(peer: &str, lines: &[(&'static str, &str)], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            let Ok(value) = HeaderValue::from_bytes(line.as_bytes()) else { continue };
            headers.append(HeaderName::from_static(name), value);
        }
        let trusted: Vec<Network> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        behind(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    fn client(peer: &str, lines: &[&str], trusted: &[&str]) -> String {
        let lines: Vec<_> = lines.iter().map(|line| (X_FORWARDED_FOR, *line)).collect();
        client_by(peer, &lines, trusted)
    }

    #[test]
    fn nobody_is_believed_who_is_not_trusted() {
        assert_eq!(client("192.0.2.1", &["203.0.113.9"], &[]), "192.0.2.1");
        assert_eq!(client("192.0.2.1", &["203.0.113.9"], &["10.0.0.0/8"]), "192.0.2.1");
        assert_eq!(client_by("192.0.2.1", &[(STANDARD, "for=203.0.113.9")], &["10.0.0.0/8"]), "192.0.2.1");
    }

    #[test]
    fn a_trusted_proxy_speaks_for_its_client_and_not_for_what_that_says() {
        let trusted = &["127.0.0.1", "10.0.0.0/8"];
        assert_eq!(client("127.0.0.1", &["203.0.113.9"], trusted), "203.0.113.9");
        assert_eq!(client("127.0.0.1", &["1.2.3.4, 203.0.113.9, 10.1.1.1"], trusted), "203.0.113.9");
        assert_eq!(client("127.0.0.1", &["1.2.3.4", "203.0.113.9:4711"], trusted), "203.0.113.9");
        assert_eq!(client("127.0.0.1", &["[2001:db8::1]:80"], trusted), "2001:db8::1");
        assert_eq!(client("::ffff:127.0.0.1", &["[2001:db8::1]"], trusted), "2001:db8::1");
        assert_eq!(client("127.0.0.1", &["1.2.3.4, unknown"], trusted), "127.0.0.1");
        assert_eq!(client("127.0.0.1", &[], trusted), "127.0.0.1");
        assert_eq!(client("127.0.0.1", &["10.2.2.2"], trusted), "10.2.2.2");
        assert_eq!(
            client("127.0.0.1", &["1.2.3.4", "ü, 10.2.2.2"], trusted),
            "10.2.2.2",
            "what cannot be read ends it"
        );
    }

    #[test]
    fn the_same_is_said_in_the_way_of_the_standard() {
        let trusted = &["127.0.0.1", "10.0.0.0/8"];
        for (lines, expected) in [
            (&["for=203.0.113.9"][..], "203.0.113.9"),
            (&["for=1.2.3.4, for=\"203.0.113.9:4711\";proto=https, For=10.1.1.1"], "203.0.113.9"),
            (&["for=1.2.3.4", "for=203.0.113.9"], "203.0.113.9"),
            (&["proto=https;for=\"[2001:db8::1]:80\";host=\"a,b\""], "2001:db8::1"),
            (&["for=\"1.2.3.4, for=203.0.113.9"], "203.0.113.9"),
            (&["for=1.2.3.4, for=unknown"], "127.0.0.1"),
            (&["for=1.2.3.4, for=_hidden"], "127.0.0.1"),
            (&["for=1.2.3.4, proto=https"], "127.0.0.1"),
            (&["for=1.2.3.4, for=203.0.113.9,"], "127.0.0.1"),
            (&["for=1.2.3.4, , for=10.2.2.2"], "10.2.2.2"),
            (&["for=1.2.3.4, for=\"10.2.2.2\"x, for=10.3.3.3"], "10.3.3.3"),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| (STANDARD, *line)).collect();
            assert_eq!(client_by("127.0.0.1", &lines, trusted), expected, "{lines:?}");
        }
    }

    #[test]
    fn where_the_two_disagree_neither_is_believed() {
        let trusted = &["127.0.0.1", "10.0.0.0/8"];
        for (list, standard, expected) in [
            ("203.0.113.9", "for=203.0.113.9", "203.0.113.9"),
            ("1.2.3.4, ::ffff:203.0.113.9", "for=\"203.0.113.9:80\";proto=https", "203.0.113.9"),
            ("203.0.113.9, 10.1.1.1", "for=203.0.113.9", "203.0.113.9"),
            ("203.0.113.9", "for=1.2.3.4", "127.0.0.1"),
            ("203.0.113.9", "for=unknown", "127.0.0.1"),
            ("unknown", "for=203.0.113.9", "127.0.0.1"),
            ("203.0.113.9", "proto=https", "203.0.113.9"),
            ("203.0.113.9", "for=\"1.2.3.4", "203.0.113.9"),
        ] {
            let lines = [(X_FORWARDED_FOR, list), (STANDARD, standard)];
            assert_eq!(client_by("127.0.0.1", &lines, trusted), expected, "{list} and {standard}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_a_stranger_trusted(line in "[0-9a-f.:, \\[\\]]{0,60}", standard in "(for=|[0-9a-f.:,; \"\\[\\]]){0,30}") {
            let lines = [(X_FORWARDED_FOR, line.as_str()), (STANDARD, standard.as_str())];
            prop_assert_eq!(client_by("192.0.2.1", &lines, &["10.0.0.0/8"]), "192.0.2.1");
            client_by("10.0.0.1", &lines, &["0.0.0.0/0"]);
        }

        #[test]
        fn a_client_cannot_change_what_its_proxy_says(before in "[ -~]{0,40}", name in "(x-forwarded-for|forwarded)", address: u32) {
            let address = std::net::Ipv4Addr::from_bits(address);
            prop_assume!(!address.octets().starts_with(&[10]));
            let (name, own) = match name.as_str() {
                STANDARD => (STANDARD, format!("for=\"{address}:80\"")),
                _ => (X_FORWARDED_FOR, address.to_string()),
            };
            let line = format!("{before}, {own}");
            prop_assert_eq!(client_by("10.0.0.1", &[(name, &line)], &["10.0.0.0/8"]), address.to_string());
            prop_assert_eq!(client_by("10.0.0.1", &[(name, &before), (name, &own)], &["10.0.0.0/8"]), address.to_string());
        }
    }
}
