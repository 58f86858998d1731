//! Credentials in headers, for every dialect that takes them there.
//!
//! What is there and cannot be read is not nothing: whoever sends it means to be somebody.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};

use crate::auth::{Shown, Unreadable};

/// Schemes of `Authorization` that may be named in the log. Any other word may be the secret itself, sent
/// without a scheme.
const KNOWN_SCHEMES: &[&str] = &["Basic", "Digest", "Negotiate", "NTLM", "Token"];

/// A header's text; an empty one is none, and so is one that is no ASCII text.
pub fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|value| !value.is_empty())
}

/// The credential in a header of its own; an empty one is none.
pub fn shown(headers: &HeaderMap, name: &'static str) -> Option<Shown> {
    let value = headers.get(name)?.as_bytes().trim_ascii();
    (!value.is_empty()).then(|| read(value, name))
}

/// What stands in `Authorization`.
#[derive(Debug, Default)]
pub struct Authorization {
    /// The token of `Bearer` (RFC 6750, section 2.1); an empty one is none.
    pub bearer: Option<Shown>,
    /// Anything that is no `Bearer`.
    pub other: Option<Unreadable>,
}

impl Authorization {
    /// Reads the header.
    pub fn read(headers: &HeaderMap) -> Self {
        let name = AUTHORIZATION.as_str();
        let value = headers.get(name).map(|value| value.as_bytes().trim_ascii()).unwrap_or_default();
        let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
        let (scheme, token) = (&value[..end], value[end..].trim_ascii_start());
        if value.is_empty() {
            return Self::default();
        }
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return Self { bearer: (!token.is_empty()).then(|| read(token, "Authorization")), other: None };
        }
        let known = KNOWN_SCHEMES.iter().find(|known| known.as_bytes().eq_ignore_ascii_case(scheme));
        Self { bearer: None, other: Some(Unreadable::Scheme(known.copied())) }
    }
}

/// Tokens are visible ASCII; anything else was mangled on its way.
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
            (b"Bearer gl\xfcpat", "bearer: Authorization is no ASCII text"),
            (b"basic cm9vdDpyb290", "Authorization: Basic"),
            (b"token glpat-x", "Authorization: Token"),
            (b"Basic", "Authorization: Basic"),
            (b"Basic \xff", "Authorization: Basic"),
            (b"glpat-secret", "Authorization is not of the scheme Bearer"),
            (b"gl\xffpat", "Authorization is not of the scheme Bearer"),
        ] {
            assert_eq!(says(value), expected, "{value:?}");
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
                prop_assume!(!"Authorization is not of the scheme Bearer".contains(&secret));
                prop_assert!(!says(secret.as_bytes()).contains(&secret));
            }
        }
    }
}
