//! Where a request came from: who is connected or, where that is a proxy that we were told to trust,
//! whom it speaks for.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpMessage;
use actix_web::http::header::HeaderMap;

use crate::domain::network::Network;

/// What every proxy writes; the newest hop stands last.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of a request's client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client(pub IpAddr);

/// The client of a request, as the middleware found it.
pub fn of(request: &impl HttpMessage) -> Option<IpAddr> {
    request.extensions().get::<Client>().map(|client| client.0)
}

/// Goes back from `peer` over every hop that a trusted proxy reports, to the first that is not one
/// itself. Anybody can send the header, so what stands beyond that is nobody's word.
pub fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer;
    let lines: Vec<&str> = headers.get_all(FORWARDED_FOR).filter_map(|line| line.to_str().ok()).collect();
    let mut hops = lines.iter().flat_map(|line| line.split(',')).rev();
    while is_trusted(client) {
        match hops.next().and_then(address) {
            Some(hop) => client = hop,
            None => break,
        }
    }
    client.to_canonical()
}

/// An address, with or without a port.
fn address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn client(peer: &str, lines: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            let Ok(value) = HeaderValue::from_str(line) else { continue };
            headers.append(HeaderName::from_static(FORWARDED_FOR), value);
        }
        let trusted: Vec<Network> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        behind(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn nobody_is_believed_who_is_not_trusted() {
        assert_eq!(client("192.0.2.1", &["203.0.113.9"], &[]), "192.0.2.1");
        assert_eq!(client("192.0.2.1", &["203.0.113.9"], &["10.0.0.0/8"]), "192.0.2.1");
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
    }

    proptest! {
        #[test]
        fn no_header_makes_a_stranger_trusted(line in "[0-9a-f.:, \\[\\]]{0,60}") {
            prop_assert_eq!(client("192.0.2.1", &[&line], &["10.0.0.0/8"]), "192.0.2.1");
            client("10.0.0.1", &[&line], &["0.0.0.0/0"]);
        }
    }
}
