//! Credentials in headers and parameters, for every dialect that takes them there.
//!
//! A credential that is present but unreadable is not treated as absent, because its sender means to
//! authenticate. Only an empty one is.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};

use crate::auth::{Shown, Unreadable};
use crate::http::query::Query;

/// Schemes of `Authorization` that may be logged. Any other word may be the secret itself, sent without a
/// scheme.
const KNOWN_SCHEMES: &[&str] = &["Basic", "Bearer", "Digest", "Negotiate", "NTLM", "Token"];

/// Returns a header's text; `None` if it is empty or not ASCII.
pub fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|value| !value.is_empty())
}

/// Reads the credential in a header of its own.
pub fn shown(headers: &HeaderMap, name: &'static str) -> Option<Shown> {
    one_of(headers.get_all(name).map(|value| value.as_bytes()), name)
}

/// Reads the credential in a query parameter.
pub fn parameter(query: &Query, name: &'static str) -> Option<Shown> {
    if query.has_list(name) {
        Some(Shown::Unreadable(Unreadable::List(name)))
    } else {
        one_of(query.all(name).map(str::as_bytes), name)
    }
}

/// Returns the first of these headers, or else `Authorization`, that is present and empty.
pub fn empty_header(headers: &HeaderMap, names: &[&'static str]) -> Option<&'static str> {
    let is_empty = |name: &&&str| {
        headers.contains_key(**name) && headers.get_all(**name).all(|it| is_blank(it.as_bytes()))
    };
    let named = names.iter().find(is_empty).copied();
    named.or_else(|| {
        let Authorization { bearer, other } = Authorization::read(headers);
        let is_empty = headers.contains_key(AUTHORIZATION) && bearer.is_none() && other.is_none();
        is_empty.then_some("Authorization")
    })
}

/// Returns the first of these parameters that is present and empty.
pub fn empty_parameter(query: &Query, names: &[&'static str]) -> Option<&'static str> {
    let is_empty = |name: &&&'static str| query.get(name).is_some() && parameter(query, name).is_none();
    names.iter().find(is_empty).copied()
}

/// The content of `Authorization`.
#[derive(Debug, Default)]
pub struct Authorization {
    /// The token of `Bearer` (RFC 6750, section 2.1), or of the scheme that stands for it; `None` if it is empty.
    pub bearer: Option<Shown>,
    /// Any other scheme.
    pub other: Option<Unreadable>,
}

impl Authorization {
    /// Reads the header.
    pub fn read(headers: &HeaderMap) -> Self {
        Self::read_scheme(headers, BEARER)
    }

    /// Reads the header where another scheme stands for `Bearer`.
    pub fn read_scheme(headers: &HeaderMap, wanted: &[u8]) -> Self {
        let lines = || headers.get_all(AUTHORIZATION).map(|value| scheme_and_rest(value.as_bytes()));
        let tokens =
            lines().filter(|(scheme, _)| scheme.eq_ignore_ascii_case(wanted)).map(|(_, token)| token);
        let mut others = lines().map(|(scheme, _)| scheme);
        let other = others.find(|scheme| !scheme.is_empty() && !scheme.eq_ignore_ascii_case(wanted));
        let known =
            |scheme: &[u8]| KNOWN_SCHEMES.iter().find(|known| known.as_bytes().eq_ignore_ascii_case(scheme));
        Self {
            bearer: one_of(tokens, "Authorization"),
            other: other.map(|scheme| Unreadable::Scheme(known(scheme).copied())),
        }
    }
}

const BEARER: &[u8] = b"bearer";

/// Splits `Authorization` into its first word and the rest.
fn scheme_and_rest(value: &[u8]) -> (&[u8], &[u8]) {
    let value = value.trim_ascii();
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    (&value[..end], value[end..].trim_ascii_start())
}

/// Reads the credential from all values of one place. Several must be equal, because each reader would pick
/// another. An empty one counts as absent, as in GitLab: scripts send it for a variable that is not set.
fn one_of<'a>(values: impl Iterator<Item = &'a [u8]>, name: &'static str) -> Option<Shown> {
    let mut values = values.filter(|value| !is_blank(value));
    let first = values.next()?;
    if values.all(|other| other == first) {
        Some(read(first, name))
    } else {
        Some(Shown::Unreadable(Unreadable::Several(name)))
    }
}

fn is_blank(value: &[u8]) -> bool {
    value.trim_ascii().is_empty()
}

/// Reads a value. Tokens are visible ASCII; anything else was corrupted on its way.
fn read(value: &[u8], name: &'static str) -> Shown {
    match std::str::from_utf8(value) {
        Ok(text) if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) => Shown::Token(text.into()),
        _ => Shown::Unreadable(Unreadable::Bytes(name)),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    fn with(value: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        headers
    }

    fn says(value: &[u8]) -> String {
        match Authorization::read(&with(value)) {
            Authorization { bearer: Some(Shown::Token(token)), other: None } => {
                token.expose_secret().to_owned()
            }
            Authorization { bearer: Some(Shown::Unreadable(why)), other: None } => format!("bearer: {why}"),
            Authorization { bearer: None, other: Some(why) } => why.to_string(),
            Authorization { bearer: None, other: None } => "nothing".to_owned(),
            both => panic!("{both:?}"),
        }
    }

    #[test]
    fn authorization_is_a_bearers_token_nothing_or_of_another_form() {
        for (value, expected) in [
            (&b""[..], "nothing"),
            (b" ", "nothing"),
            (b"Bearer", "nothing"),
            (b"Bearer  ", "nothing"),
            (b"bearer  glpat-x ", "glpat-x"),
            (b"BEARER glpat-x", "glpat-x"),
            (b"Bearer gl\xfcpat", "bearer: Authorization is not ASCII text"),
            (b"basic cm9vdDpyb290", "Authorization: Basic"),
            (b"token glpat-x", "Authorization: Token"),
            (b"Basic", "Authorization: Basic"),
            (b"Basic \xff", "Authorization: Basic"),
            (b"glpat-secret", "Authorization does not use the Bearer scheme"),
            (b"gl\xffpat", "Authorization does not use the Bearer scheme"),
        ] {
            assert_eq!(says(value), expected, "{value:?}");
        }
    }

    #[test]
    fn authorization_may_be_there_twice_as_long_as_it_is_the_same() {
        let both = |one: &'static str, other: &'static str| {
            let mut headers = with(one.as_bytes());
            headers.append(AUTHORIZATION, HeaderValue::from_static(other));
            match Authorization::read(&headers) {
                Authorization { bearer: Some(Shown::Token(token)), .. } => token.expose_secret().to_owned(),
                Authorization { bearer: Some(Shown::Unreadable(why)), .. } => why.to_string(),
                Authorization { bearer: None, other } => other.map(|why| why.to_string()).unwrap_or_default(),
            }
        };
        assert_eq!(both("Bearer a", "bearer  a"), "a");
        assert_eq!(both("Bearer", "Bearer a"), "a");
        assert_eq!(both("Basic b", "Bearer a"), "a", "the other scheme counts only alone");
        assert_eq!(both("Bearer a", "Bearer b"), "Authorization has several values");
        assert_eq!(both("Bearer", "Basic b"), "Authorization: Basic");
    }

    #[test]
    fn a_parameter_is_one_token_or_cannot_be_read() {
        for (query, expected) in [
            ("x=a", None),
            ("token=", None),
            ("token=+", None),
            ("token", None),
            ("token=a", Some("a")),
            ("token=&token=a&token=", Some("a")),
            ("token=a&token=a", Some("a")),
            ("token=a&token=b", Some("token has several values")),
            ("token[]=a", Some("token is a list")),
            ("token[]=", Some("token is a list")),
            ("token[x][0]=a&token=a", Some("token is a list")),
            ("token%5B%5D=a", Some("token is a list")),
            ("token=gl%C3%BC", Some("token is not ASCII text")),
            ("token=%ff", Some("token is not ASCII text")),
            ("token=%00", Some("token is not ASCII text")),
        ] {
            let found = parameter(&Query::parse(query), "token").map(|shown| match shown {
                Shown::Token(token) => token.expose_secret().to_owned(),
                Shown::Unreadable(why) => why.to_string(),
            });
            assert_eq!(found.as_deref(), expected, "{query}");
            let is_empty = query.starts_with("token") && expected.is_none();
            assert_eq!(empty_parameter(&Query::parse(query), &["token"]).is_some(), is_empty, "{query}");
        }
    }

    proptest! {
        #[test]
        fn what_is_there_is_something_and_no_reason_repeats_it(secret in "[!-~\u{80}-\u{ff}]{3,20}") {
            let headers = with(secret.as_bytes());
            let shown = shown(&headers, "authorization");
            prop_assert!(shown.is_some());
            prop_assert_eq!(secret.is_ascii(), matches!(shown, Some(Shown::Token(_))));
            if !KNOWN_SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(&secret)) {
                prop_assume!(!"Authorization does not use the Bearer scheme".contains(&secret));
                prop_assert!(!says(secret.as_bytes()).contains(&secret));
            }
        }
    }
}
