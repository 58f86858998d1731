//! Forwarding headers: `Forwarded` (RFC 7239) and the lists of `X-Forwarded-*`, in which proxies report on a
//! request.
//!
//! Each proxy appends, so the last item is from the nearest proxy, and earlier items may be forged. Lists are
//! therefore read from their end, as far as the proxies are trusted: whatever a client put there before, open
//! quotes included, does not change later items.

use std::borrow::Cow;
use std::iter::{from_fn, once};
use std::net::IpAddr;

use actix_web::http::header::HeaderMap;

use crate::http::token::is_token_byte;

/// Header of the standard.
const FORWARDED: &str = "forwarded";

/// Most parameters of an element; the standard defines four.
const MAX_PARAMETERS: usize = 16;

/// An element of `Forwarded`: the parameters in which one proxy reports on the request that it received.
#[derive(Debug, PartialEq, Eq)]
pub struct Element<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl<'a> Element<'a> {
    /// Parses an element strictly, except that blanks may surround its parts and that an unquoted value may
    /// hold more than a token does (`host=a:80`). `None` if it is invalid, repeats a parameter, or has more
    /// than 16 of them.
    fn read(element: &'a [u8]) -> Option<Self> {
        let mut rest = std::str::from_utf8(element).ok()?.trim_matches(BLANKS);
        let mut pairs: Vec<(&str, Cow<'_, str>)> = Vec::new();
        while !rest.is_empty() {
            if let Some(behind) = rest.strip_prefix(';') {
                rest = behind.trim_start_matches(BLANKS);
                continue;
            }
            let (name, behind) = rest.split_once('=')?;
            let (value, behind) = match behind.strip_prefix('"') {
                Some(behind) => quoted(behind)?,
                None => bare(behind)?,
            };
            let is_known = pairs.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
            if is_known || !is_token(name) || pairs.len() == MAX_PARAMETERS {
                return None;
            }
            pairs.push((name, value));
            rest = behind.trim_start_matches(BLANKS);
            if !(rest.is_empty() || rest.starts_with(';')) {
                return None;
            }
        }
        (!pairs.is_empty()).then_some(Self(pairs))
    }

    /// Returns the value of a parameter, without quotes.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

/// Returns the text before the closing quote, and the rest.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value.into(), &text[at + 1..])),
            '\\' => value.push(letters.next()?.1),
            _ => value.push(letter),
        }
    }
    None
}

/// Returns an unquoted value, and the rest.
fn bare(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let (value, behind) = text.split_at(text.find([';', ' ', '\t']).unwrap_or(text.len()));
    let is_good =
        !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\,".contains(&byte));
    is_good.then_some((value.into(), behind))
}

fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(is_token_byte)
}

/// Returns the elements of `Forwarded`, last first; `None` for an invalid one.
pub fn elements(headers: &HeaderMap) -> impl Iterator<Item = Option<Element<'_>>> {
    from_last(headers, FORWARDED, last_unquoted).map(Element::read)
}

/// Returns the items of an unquoted list such as `X-Forwarded-For`, last first; `None` for one that is not
/// UTF-8.
pub fn items<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = Option<&'a str>> {
    let is_comma = |line: &[u8]| line.iter().rposition(|byte| *byte == b',');
    let text = |item: &'a [u8]| std::str::from_utf8(item).ok().map(|text| text.trim_matches(BLANKS));
    from_last(headers, name, is_comma).map(text)
}

/// Returns the items of all lines of a header, split at the commas that `last_comma` finds, last first.
fn from_last<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
    last_comma: impl Fn(&[u8]) -> Option<usize> + Copy,
) -> impl Iterator<Item = &'a [u8]> {
    let lines: Vec<&[u8]> = headers.get_all(name).map(|line| line.as_bytes()).collect();
    lines.into_iter().rev().flat_map(move |line| {
        let (mut rest, first) = match last_comma(line) {
            Some(at) => (Some(&line[..at]), &line[at + 1..]),
            None => (None, line),
        };
        once(first).chain(from_fn(move || {
            let line = rest?;
            let comma = last_comma(line);
            rest = comma.map(|at| &line[..at]);
            Some(&line[comma.map_or(0, |at| at + 1)..])
        }))
    })
}

/// Finds the last comma outside of quotes, scanning from the end.
fn last_unquoted(line: &[u8]) -> Option<usize> {
    let is_escaped = |at: usize| line[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
    let mut in_quotes = false;
    (0..line.len()).rev().find(|&at| {
        if line[at] == b'"' && !(in_quotes && is_escaped(at)) {
            in_quotes = !in_quotes;
        }
        line[at] == b',' && !in_quotes
    })
}

/// Parses the address of a node (RFC 7239, section 6), with or without a port. `None` for `unknown` and for
/// an obfuscated name (`_gazonk`). An IPv6 address may lack its brackets, as in `X-Forwarded-For`.
pub fn address(node: &str) -> Option<IpAddr> {
    if let Some(inside) = node.strip_prefix('[') {
        let (address, behind) = inside.split_once(']')?;
        let is_good = behind.is_empty() || behind.strip_prefix(':').is_some_and(is_port);
        return address.parse().ok().filter(|_| is_good);
    }
    node.parse().ok().or_else(|| {
        let (address, port) = node.rsplit_once(':')?;
        address.parse().ok().filter(|address: &IpAddr| address.is_ipv4() && is_port(port))
    })
}

/// Whether a text is a port number or an obfuscated port.
fn is_port(text: &str) -> bool {
    let is_number = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_hidden = |rest: &str| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    is_number || text.strip_prefix('_').is_some_and(is_hidden)
}

#[cfg(test)]
#[path = "forwarded_tests.rs"]
mod tests;
