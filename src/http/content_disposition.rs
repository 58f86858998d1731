//! `Content-Disposition` and `Content-Type` values made from the names of artifacts and files.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Escapes all but what RFC 8187 leaves bare in an extended parameter: letters, digits and `attr-char`.
const EXTENDED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Builds `Content-Disposition` for a download under `name` (RFC 6266): escapes quotes and backslashes, and
/// for a name beyond ASCII writes a fallback and the extended form.
pub fn attachment(name: &str) -> String {
    let mut value = String::from("attachment; filename=\"");
    for c in name.chars() {
        match c {
            '"' | '\\' => value.extend(['\\', c]),
            ' '..='~' => value.push(c),
            _ => value.push('_'),
        }
    }
    value.push('"');
    if !name.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        let _ = write!(value, "; filename*=UTF-8''{}", utf8_percent_encode(name, EXTENDED));
    }
    value
}

/// Returns the media type for a file name, by its extension and without parameters: clients take a `charset`
/// as a promise about a file whose content was not inspected.
pub fn content_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    mime_guess::from_ext(extension).first_raw().unwrap_or("application/octet-stream")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_escaped_and_never_break_out() {
        assert_eq!(attachment("artifacts.zip"), "attachment; filename=\"artifacts.zip\"");
        assert_eq!(attachment("a\"b\\c"), "attachment; filename=\"a\\\"b\\\\c\"");
        assert_eq!(attachment("ü.zip"), "attachment; filename=\"_.zip\"; filename*=UTF-8''%C3%BC.zip");
        assert_eq!(attachment("a\r\nb"), "attachment; filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab");
    }

    #[test]
    fn types_go_by_extension_without_a_charset() {
        for (name, media_type) in [
            ("index.html", "text/html"),
            ("a.txt", "text/plain"),
            ("report.json", "application/json"),
            ("A.PNG", "image/png"),
            ("noextension", "application/octet-stream"),
            ("a.unheard-of", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name), media_type, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_name_makes_a_header_value(name in ".*") {
            prop_assert!(actix_web::http::header::HeaderValue::from_str(&attachment(&name)).is_ok());
        }
    }
}
