//! `Forwarded` as the standard has it, as proxies write it, and as clients bend it.

use actix_web::http::header::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

fn headers(name: &'static str, lines: &[&[u8]]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let Ok(value) = HeaderValue::from_bytes(line) else { continue };
        headers.append(HeaderName::from_static(name), value);
    }
    headers
}

/// Returns the `for` of each element, last first.
fn fors(lines: &[&str]) -> Vec<Option<String>> {
    let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
    let headers = headers("forwarded", &lines);
    elements(&headers).map(|element| Some(element?.get("for")?.to_owned())).collect()
}

fn last(line: &[u8]) -> Option<Vec<(String, String)>> {
    let headers = headers("forwarded", &[line]);
    let Element(pairs) = elements(&headers).next()??;
    Some(pairs.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned())).collect())
}

#[test]
fn elements_come_the_last_first_and_quotes_hide_commas() {
    let some = |all: &[&str]| all.iter().map(|text| Some((*text).to_owned())).collect::<Vec<_>>();
    for (lines, expected) in [
        (&["for=192.0.2.43"][..], &["192.0.2.43"][..]),
        (&["for=192.0.2.43, for=\"[2001:db8:cafe::17]:4711\""], &["[2001:db8:cafe::17]:4711", "192.0.2.43"]),
        (&["For=a;proto=http;by=b", "fOr=c"], &["c", "a"]),
        (&["for=\"a,b\", for=c"], &["c", "a,b"]),
        (&["for=\"a,b\""], &["a,b"]),
        (&[r#"for="a\",b", for=c"#], &["c", "a\",b"]),
        (&[r#"for="a\\",for="b\\\"""#], &["b\\\"", "a\\"]),
        (&["\t;for=_hidden ; ;proto=https;"], &["_hidden"]),
        (&["for=192.0.2.1:80;host=\"\""], &["192.0.2.1:80"]),
    ] {
        assert_eq!(fors(lines), some(expected), "{lines:?}");
    }
}

#[test]
fn what_is_no_element_is_none() {
    for line in [
        "",
        " ",
        ";",
        "for",
        "for=",
        "=a",
        "for=a b",
        "for=\"a\"b",
        "for=\"a",
        "for=a\"",
        "for=a;for=b",
        "for=a;FOR=a",
        "f r=a",
        "for =a",
        "for= a",
        "for=a;x",
        "for=\"a\\",
        "for=ü",
        "for=a\\b",
    ] {
        assert_eq!(last(line.as_bytes()), None, "{line}");
    }
    assert_eq!(last(b"for=\"\xff\""), None);
    let many = |count: usize| (0..count).map(|number| format!("a{number}=b")).collect::<Vec<_>>().join(";");
    assert_eq!(last(many(16).as_bytes()).map(|pairs| pairs.len()), Some(16));
    assert_eq!(last(many(17).as_bytes()), None);
    assert_eq!(fors(&["for=a,", "for=b, ,for=c"]).iter().flatten().count(), 3);
    assert_eq!(fors(&["for=a,"])[0], None, "nobody's word stands behind a comma");
}

#[test]
fn a_node_is_an_address_or_hides_one() {
    for (node, expected) in [
        ("192.0.2.1", Some("192.0.2.1")),
        ("192.0.2.1:80", Some("192.0.2.1")),
        ("192.0.2.1:_http", Some("192.0.2.1")),
        ("[2001:db8::1]", Some("2001:db8::1")),
        ("[2001:DB8::1]:65535", Some("2001:db8::1")),
        ("[2001:db8::1]:_a.b-c", Some("2001:db8::1")),
        ("2001:db8::1", Some("2001:db8::1")),
        ("unknown", None),
        ("_gazonk", None),
        ("_192.0.2.1", None),
        ("", None),
        ("192.0.2.1:", None),
        ("192.0.2.1:x", None),
        ("192.0.2.1:123456", None),
        ("[2001:db8::1", None),
        ("[2001:db8::1]80", None),
        ("[2001:db8::1]:", None),
        ("[unknown]", None),
        ("192.0.2.1, 192.0.2.2", None),
        ("localhost", None),
    ] {
        assert_eq!(address(node).map(|address| address.to_string()).as_deref(), expected, "{node}");
    }
}

#[test]
fn a_line_that_is_no_text_is_no_reason_to_believe_the_one_before() {
    let headers = headers("x-forwarded-for", &[&b"192.0.2.1"[..], b"\xfc, 192.0.2.2"]);
    let all: Vec<_> = items(&headers, "x-forwarded-for").collect();
    assert_eq!(all, [Some("192.0.2.2"), None, Some("192.0.2.1")]);
}

fn quote(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Parameters with values that need quotes.
fn parameters() -> impl Strategy<Value = Vec<(String, String)>> {
    proptest::collection::btree_map("(for|host|proto|by|x-[a-z]{1,3})", "[ -~]{0,12}", 1..4)
        .prop_map(|pairs| pairs.into_iter().collect())
}

fn written(pairs: &[(String, String)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={}", quote(value))).collect::<Vec<_>>().join("; ")
}

proptest! {
    #[test]
    fn what_is_written_is_read_from_the_end(all in proptest::collection::vec(parameters(), 1..5), lines in 1..4_usize) {
        let texts: Vec<String> = all.iter().map(|pairs| written(pairs)).collect();
        let per_line = texts.len().div_ceil(lines);
        let lines: Vec<String> = texts.chunks(per_line).map(|some| some.join(", ")).collect();
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        let headers = headers("forwarded", &lines);
        let read: Vec<Vec<(String, String)>> = elements(&headers)
            .map(|element| element.unwrap().0.into_iter().map(|(n, v)| (n.to_owned(), v.into_owned())).collect())
            .collect();
        let backwards: Vec<_> = all.into_iter().rev().collect();
        prop_assert_eq!(read, backwards);
    }

    #[test]
    fn nothing_before_a_proxys_own_element_changes_it(before in "[ -~\u{e4}]{0,20}|[\",;=\\\\a]{0,12}", pairs in parameters()) {
        let line = format!("{before},{}", written(&pairs));
        prop_assert_eq!(last(line.as_bytes()), Some(pairs), "{}", line);
    }

    #[test]
    fn no_line_is_too_much(line in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), Just(b','), 0x20..=0xff_u8], 0..60)) {
        let headers = headers("forwarded", &[&line]);
        let commas = line.iter().filter(|byte| **byte == b',').count();
        prop_assert!(elements(&headers).count() <= commas + 1);
        for node in elements(&headers).flatten().filter_map(|element| element.get("for").map(str::to_owned)) {
            address(&node);
        }
    }

    #[test]
    fn an_address_is_read_however_it_is_written(bits: u128, is_v4: bool, port in "(:[0-9]{1,5}|:_[a-z._-]{1,5})?") {
        let (address, bare) = if is_v4 {
            let v4 = std::net::Ipv4Addr::from_bits(bits as u32);
            (IpAddr::from(v4), v4.to_string())
        } else {
            let v6 = std::net::Ipv6Addr::from_bits(bits);
            (IpAddr::from(v6), format!("[{v6}]"))
        };
        prop_assert_eq!(super::address(&format!("{bare}{port}")), Some(address));
    }
}
