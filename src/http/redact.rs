//! Redaction: replaces the credentials in a path or query, for logs and links.
//!
//! Credentials are recognized by the name of their parameter, however it is encoded, by the prefixes of tokens,
//! wherever they are, and by what stands before the token of a report in its address.

use std::borrow::Cow;

/// Replacement for a secret.
const FILTERED: &str = "[FILTERED]";

/// Names of parameters whose values are secrets, besides all that end with `token`.
const SECRET_NAMES: &[&str] = &["authorization", "code", "password", "secret", "sig"];

/// Prefixes of GitLab's tokens.
const TOKEN_PREFIXES: &[&str] = &[
    "gloas-", "glpat-", "gldt-", "glrtr-", "glrt-", "glcbt-", "glptt-", "glft-", "glimt-", "glagent-",
    "glwt-", "glsoat-", "glffct-", "glnt-",
];

/// What stands before the token of a report, the next segment of the address.
const BEFORE_REPORT_TOKEN: &[u8] = b"/-/r/";

/// The beginning of every JSON Web Token, and the fewest characters that are taken for one: a word of a path may begin
/// like it.
const JWT_PREFIX: &[u8] = b"eyJ";
const MIN_JWT_CHARACTERS: usize = 16;

/// Redacts a raw query: the values of parameters with a credential's name (`private_token[]`,
/// `x[private_token]` and `a=b;private_token` included), and tokens.
pub fn query(raw: &str) -> Cow<'_, str> {
    if !raw.split('&').any(holds_secret) {
        return Cow::Borrowed(raw);
    }
    let blanked = raw.split('&').map(|pair| match secret_value(&decoded(pair)) {
        Some(at) => Cow::Owned(format!("{}{FILTERED}", tokens(&pair[..at]))),
        None => tokens(pair),
    });
    Cow::Owned(blanked.collect::<Vec<_>>().join("&"))
}

/// Whether a raw `name=value` pair of a query holds a secret.
pub fn holds_secret(pair: &str) -> bool {
    if is_plain(pair) {
        return pair.rsplit_once('=').is_some_and(|(names, _)| names_secret(names.bytes()));
    }
    let decoded = decoded(pair);
    secret_value(&decoded).is_some() || token_at(&decoded, 0).is_some()
}

/// Redacts the tokens of a raw path or any other text, however they are encoded.
pub fn tokens(raw: &str) -> Cow<'_, str> {
    if is_plain(raw) {
        return Cow::Borrowed(raw);
    }
    let decoded = decoded(raw);
    let (mut shown, mut copied, mut from) = (String::new(), 0, 0);
    while let Some((begin, end)) = token_at(&decoded, from) {
        shown.push_str(&raw[copied..decoded[begin].at]);
        shown.push_str(FILTERED);
        copied = decoded.get(end).map_or(raw.len(), |byte| byte.at);
        from = end;
    }
    if copied == 0 && shown.is_empty() {
        return Cow::Borrowed(raw);
    }
    shown.push_str(&raw[copied..]);
    Cow::Owned(shown)
}

/// Whether a text can hold neither a token nor a second name: it has no escape, no separator, no `gl`, no `eyJ` and no
/// address of a report. A fast path: most texts are like this.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let has = |part: &[u8]| bytes.windows(part.len()).any(|bytes| bytes == part);
    let may_be_token = bytes.windows(2).any(|two| two.eq_ignore_ascii_case(b"gl"))
        || has(JWT_PREFIX)
        || has(BEFORE_REPORT_TOKEN);
    !may_be_token && !bytes.iter().any(|byte| matches!(byte, b'%' | b';' | b',' | b'?'))
}

/// A decoded byte, and its offset in the raw text.
struct Decoded {
    byte: u8,
    at: usize,
}

/// Percent-decodes twice, to find the secrets of a text that was encoded once too often as well.
fn decoded(raw: &str) -> Vec<Decoded> {
    let bytes = raw.bytes().enumerate().map(|(at, byte)| Decoded { byte, at });
    unescaped(unescaped(bytes.collect()))
}

fn unescaped(text: Vec<Decoded>) -> Vec<Decoded> {
    let hex = |at: usize| text.get(at).and_then(|digit| char::from(digit.byte).to_digit(16));
    let mut shown = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(Decoded { byte, at: raw }) = text.get(at) {
        let escaped = if *byte == b'%' { hex(at + 1).zip(hex(at + 2)) } else { None };
        let byte = escaped.map_or(*byte, |(high, low)| (high * 16 + low) as u8);
        shown.push(Decoded { byte, at: *raw });
        at += if escaped.is_some() { 3 } else { 1 };
    }
    shown
}

/// Finds the offset, in the raw text, of the value after the first name of a secret.
fn secret_value(text: &[Decoded]) -> Option<usize> {
    let mut name = 0;
    for (at, Decoded { byte, .. }) in text.iter().enumerate() {
        match byte {
            b'=' if names_secret(text[name..at].iter().map(|decoded| decoded.byte)) => {
                return text.get(at + 1).map(|value| value.at);
            }
            b'=' | b';' | b'&' | b'?' | b',' => name = at + 1,
            _ => {}
        }
    }
    None
}

/// Whether a word of a parameter name is that of a secret.
fn names_secret(name: impl Iterator<Item = u8>) -> bool {
    let name: Vec<u8> = name.map(|byte| byte.to_ascii_lowercase()).collect();
    let words = name.split(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'-'));
    let mut words = words.filter_map(|word| std::str::from_utf8(word).ok());
    words.any(|word| word.ends_with("token") || SECRET_NAMES.contains(&word))
}

/// Finds the first token from an index on; returns its start and end.
fn token_at(text: &[Decoded], from: usize) -> Option<(usize, usize)> {
    let begins = |at: usize, prefix: &str| {
        text.get(at..at + prefix.len()).is_some_and(|start| {
            start.iter().zip(prefix.bytes()).all(|(known, byte)| known.byte.to_ascii_lowercase() == byte)
        })
    };
    let length =
        |at: usize| TOKEN_PREFIXES.iter().find(|prefix| begins(at, prefix)).map(|prefix| prefix.len());
    let is_part = |decoded: &&Decoded| {
        decoded.byte.is_ascii_alphanumeric() || matches!(decoded.byte, b'-' | b'_' | b'.')
    };
    let end = |at: usize| at + text[at..].iter().take_while(is_part).count();
    // Of a JSON Web Token the letters' case counts, and a short word is none.
    let is_jwt = |at: usize| {
        text[at..].iter().take(JWT_PREFIX.len()).map(|known| known.byte).eq(JWT_PREFIX.iter().copied())
            && end(at) - at >= MIN_JWT_CHARACTERS
    };
    (from..text.len()).find_map(|at| match length(at) {
        Some(length) => Some((at, end(at + length))),
        None if is_jwt(at) => Some((at, end(at))),
        None => report_token_at(text, at),
    })
}

/// Finds the token of a report whose address has the segments before it at an index; returns its start and end. All of
/// the segment is blanked, since a token with one wrong character is easily mended.
fn report_token_at(text: &[Decoded], at: usize) -> Option<(usize, usize)> {
    let before = text.get(at..at + BEFORE_REPORT_TOKEN.len())?;
    if !before.iter().zip(BEFORE_REPORT_TOKEN).all(|(known, byte)| known.byte == *byte) {
        return None;
    }
    let begin = at + BEFORE_REPORT_TOKEN.len();
    let is_part = |decoded: &&Decoded| !matches!(decoded.byte, b'/' | b'?' | b'#');
    let length = text[begin..].iter().take_while(is_part).count();
    (length > 0).then_some((begin, begin + length))
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn credentials_never_stay_in_a_query() {
        let shown = query("job=a&private_token=s3cret&%6Aob_token=s3cret&TOKEN=s3cret&x");
        assert_eq!(shown, "job=a&private_token=[FILTERED]&%6Aob_token=[FILTERED]&TOKEN=[FILTERED]&x");
        assert!(matches!(query("job=a&path=token"), Cow::Borrowed("job=a&path=token")));
    }

    #[test]
    fn a_name_that_is_written_wrong_is_a_name_all_the_same() {
        for (raw, shown) in [
            ("private_token[]=s", "private_token[]=[FILTERED]"),
            ("private_token%5B%5D=s", "private_token%5B%5D=[FILTERED]"),
            ("x[private_token]=s", "x[private_token]=[FILTERED]"),
            ("x[private_token][0]=s", "x[private_token][0]=[FILTERED]"),
            ("a=b;private_token=s;c=d", "a=b;private_token=[FILTERED]"),
            ("a=b%26private_token%3Ds", "a=b%26private_token%3D[FILTERED]"),
            ("a=b?private_token=s", "a=b?private_token=[FILTERED]"),
            ("%2570rivate_token=s", "%2570rivate_token=[FILTERED]"),
            ("private-token=s", "private-token=[FILTERED]"),
            ("+private_token=s", "+private_token=[FILTERED]"),
            ("private_token=a=b", "private_token=[FILTERED]"),
            ("private_token", "private_token"),
            ("private_token=", "private_token="),
            ("tokens=1&a=b;c=d", "tokens=1&a=b;c=d"),
        ] {
            assert_eq!(query(raw), shown);
        }
    }

    #[test]
    fn a_token_is_blanked_wherever_it_stands() {
        for (raw, shown) in [
            ("/api/v4/projects/glpat-Ab_1.x-y/jobs", "/api/v4/projects/[FILTERED]/jobs"),
            ("/glcbt-64_s/gldt-x", "/[FILTERED]/[FILTERED]"),
            ("/x%67lpat%2Ds%2Fy", "/x[FILTERED]%2Fy"),
            ("/GLPAT-s", "/[FILTERED]"),
            ("/a%20b/glass-house", "/a%20b/glass-house"),
            ("/-/r/AQcBCQAA_x-y/d/index.html", "/-/r/[FILTERED]/d/index.html"),
            ("/-/r/AQcBCQAA", "/-/r/[FILTERED]"),
            ("/ci/-/r/AQ!~C/glpat-s", "/ci/-/r/[FILTERED]/[FILTERED]"),
            ("/%2d/r%2FAQ%63C%2Fx", "/%2d/r%2F[FILTERED]%2Fx"),
            ("/glpat-s/-/r/AQcC/", "/[FILTERED]/-/r/[FILTERED]/"),
            ("/-/r/", "/-/r/"),
            ("/group/r/main/x", "/group/r/main/x"),
        ] {
            assert_eq!(tokens(raw), shown);
        }
        assert_eq!(query("search=glpat-s&x=y"), "search=[FILTERED]&x=y");
        assert_eq!(query("to=%2F-%2Fr%2FAQcC%2Fx&x=y"), "to=%2F-%2Fr%2F[FILTERED]%2Fx&x=y");
        assert_eq!(tokens("/a/eyJhbGciOiJub25lIn0.eyJh.s3cret/b"), "/a/[FILTERED]/b");
        assert_eq!(query("x=%65yJhbGciOiJub25lIn0.s3cret&eyJ=1"), "x=[FILTERED]&eyJ=1");
        assert_eq!(tokens("/heyJude/eyJ.txt"), "/heyJude/eyJ.txt");
    }

    proptest! {
        #[test]
        fn no_secret_is_shown(
            before in "[a-z%=&;\\[\\]?,0-9]{0,12}",
            open in "(|[a-z]{1,3}\\[)",
            name in "(private_token|job_token|token|access_token|bearer_token|Private-Token)",
            close in "(|\\[\\]|\\]|\\[0\\])",
            parted in "[&;?]",
            encoded: bool,
        ) {
            let name = if encoded { utf8_percent_encode(&name, NON_ALPHANUMERIC).to_string() } else { name };
            let raw = format!("{before}{parted}{open}{name}{close}=S3CRET");
            prop_assert!(!query(&raw).contains("S3CRET"), "{}", query(&raw));
            prop_assert!(raw.split('&').any(holds_secret));
        }

        #[test]
        fn no_token_is_shown(before in "[a-z/%&=;0-9]{0,12}[/=]", number in 0..TOKEN_PREFIXES.len(), after in "(|[/&?;%].{0,9})") {
            let raw = format!("{before}{}S3CRET{after}", TOKEN_PREFIXES[number]);
            prop_assert!(!tokens(&raw).contains("S3CRET"), "{}", tokens(&raw));
            prop_assert!(!query(&raw).contains("S3CRET"), "{}", query(&raw));
        }

        #[test]
        fn no_token_of_a_report_is_shown(before in "[a-z/%&=;0-9-]{0,12}", token in "[A-Za-z0-9_.~!-]{1,20}", after in "(|[/?#].{0,9})", once: bool) {
            let raw = format!("/-/r/S3CRET{token}");
            let raw = if once { utf8_percent_encode(&raw, NON_ALPHANUMERIC).to_string() } else { raw };
            let raw = format!("{before}{raw}{after}");
            prop_assert!(!tokens(&raw).contains("S3CRET"), "{}", tokens(&raw));
            prop_assert!(!query(&raw).contains("S3CRET"), "{}", query(&raw));
        }

        #[test]
        fn nothing_panics_and_what_holds_no_secret_stays(raw in ".{0,40}") {
            tokens(&raw);
            if !raw.split('&').any(holds_secret) {
                prop_assert_eq!(query(&raw), raw.as_str());
            }
        }
    }
}
