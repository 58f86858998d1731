//! `Content-Disposition` of a form's part: the names of its field and its file.
//!
//! Read as Go's `mime` and browsers write it. Of a file's two names the extended one (`filename*`, RFC 8187)
//! wins, because it states its encoding; the other is for readers that do not know it. In quotes a backslash
//! is literal unless a quote or another backslash follows: Windows paths are sent as they are.

use percent_encoding::percent_decode_str;

/// A part's parsed `Content-Disposition`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Disposition {
    /// Field name; empty if there is none.
    pub name: String,
    /// File name as the client sent it, without directories; `None` if the part is no file.
    pub filename: Option<String>,
}

impl Disposition {
    /// Parses a header's value. Skips what it does not understand: the multipart reader has checked the form
    /// as a whole.
    pub fn parse(value: &[u8]) -> Self {
        let value = String::from_utf8_lossy(value);
        let (mut name, mut plain, mut extended) = (None, None, None);
        for (parameter, value) in parameters(&value) {
            match parameter.to_ascii_lowercase().as_str() {
                "name" => name = name.or(Some(value)),
                "filename" => plain = plain.or(Some(value)),
                "filename*" => extended = extended.or_else(|| decode_extended(&value)),
                _ => {}
            }
        }
        let filename = extended.or(plain).map(|path| last_segment(&path).to_owned());
        Self { name: name.unwrap_or_default(), filename }
    }
}

/// Returns the parameters after the disposition type, as name and value.
fn parameters(value: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = value.split_once(';').map_or("", |(_, rest)| rest);
    while let Some((name, behind)) = rest.split_once('=') {
        // A parameter without a value before this one is ignored.
        let name = name.rsplit(';').next().unwrap_or_default().trim();
        let (value, left) = match behind.trim_start().strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (token, left) = behind.split_once(';').unwrap_or((behind, ""));
                (token.trim().to_owned(), left)
            }
        };
        found.push((name.to_owned(), value));
        rest = left;
    }
    found
}

/// Returns the text up to the closing quote, and the rest.
fn unquote(quoted: &str) -> (String, &str) {
    let mut text = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (text, &quoted[at + 1..]),
            '\\' => {
                let escaped = characters.next_if(|(_, next)| matches!(next, '"' | '\\'));
                text.push(escaped.map_or('\\', |(_, escaped)| escaped));
            }
            other => text.push(other),
        }
    }
    (text, "")
}

/// Decodes `CHARSET'LANGUAGE'PERCENT-ENCODED`; `None` if RFC 8187 does not know the charset or the bytes are
/// invalid in it.
fn decode_extended(value: &str) -> Option<String> {
    let mut fields = value.splitn(3, '\'');
    let (charset, _language, encoded) = (fields.next()?, fields.next()?, fields.next()?);
    let bytes: Vec<u8> = percent_decode_str(encoded).collect();
    match charset.trim().to_ascii_lowercase().as_str() {
        "utf-8" | "us-ascii" => String::from_utf8(bytes).ok(),
        "iso-8859-1" => Some(bytes.into_iter().map(char::from).collect()),
        _ => None,
    }
}

/// Returns the last segment of a Unix or Windows path.
fn last_segment(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    fn filename(value: &str) -> Option<String> {
        Disposition::parse(value.as_bytes()).filename
    }

    #[test]
    fn the_extended_name_counts_and_is_enough() {
        for sent in [
            "form-data; name=file; filename=\"=?utf-8?B?Z3LDvMOfZS56aXA=?=\"; filename*=utf-8''gr%C3%BC%C3%9Fe.zip",
            "form-data; name=\"file\"; filename*=UTF-8'de'gr%C3%BC%C3%9Fe.zip; filename=\"gr%C3%BC%C3%9Fe.zip\"",
            "form-data; name=file; filename*=utf-8''gr%C3%BC%C3%9Fe.zip",
            "form-data; name=file; filename*=iso-8859-1''gr%FC%DFe.zip",
            "form-data; name=file; FileName*=\"utf-8''gr%C3%BC%C3%9Fe.zip\"",
            "form-data;name=file;filename=\"grüße.zip\"",
            "form-data; name=file; filename = grüße.zip ; x=y",
        ] {
            let expected = Disposition { name: "file".into(), filename: Some("grüße.zip".into()) };
            assert_eq!(Disposition::parse(sent.as_bytes()), expected, "{sent}");
        }
        for (unknown, expected) in [
            ("filename*=gbk''%B0; filename=a.zip", "a.zip"),
            ("filename*=utf-8''%FF; filename=a.zip", "a.zip"),
            ("filename*=a.zip; filename=b.zip", "b.zip"),
            ("filename=\"=?utf-8?B?Z3I=?=\"", "=?utf-8?B?Z3I=?="),
        ] {
            assert_eq!(filename(&format!("form-data; {unknown}")).as_deref(), Some(expected), "{unknown}");
        }
        assert_eq!(filename("form-data; name=\"filename=a\""), None);
        assert_eq!(filename("form-data"), None);
    }

    #[test]
    fn a_backslash_is_one_unless_a_quote_or_another_follows() {
        for (sent, expected) in [
            (r#""C:\Users\me\site.zip""#, "site.zip"),
            (r#""C:\\Users\\me\\site.zip""#, "site.zip"),
            (r#""my \"build\".zip""#, "my \"build\".zip"),
            (r#""../../etc/passwd""#, "passwd"),
            (r#""open"#, "open"),
            (r#""""#, ""),
        ] {
            let found = filename(&format!("form-data; name=file; filename={sent}"));
            assert_eq!(found.as_deref(), Some(expected), "{sent}");
        }
    }

    proptest! {
        #[test]
        fn whatever_bytes_are_sent_nothing_breaks(bytes: Vec<u8>, tail in "[a-z*=;\"'\\\\% ]{0,40}") {
            Disposition::parse(&bytes);
            Disposition::parse(format!("form-data; {tail}").as_bytes());
        }

        #[test]
        fn a_name_comes_back_as_it_was_quoted_or_encoded(name in "[^/\\\\]{0,40}", field in "\\PC{1,20}") {
            let quoted = |text: &str| text.replace('\\', r"\\").replace('"', "\\\"");
            let sent = format!("form-data; name=\"{}\"; filename=\"{}\"", quoted(&field), quoted(&name));
            let expected = Disposition { name: field.clone(), filename: Some(name.clone()) };
            prop_assert_eq!(Disposition::parse(sent.as_bytes()), expected);
            let encoded = utf8_percent_encode(&name, NON_ALPHANUMERIC);
            let sent = format!("form-data; filename=other; filename*=UTF-8''{encoded}; name=\"{}\"", quoted(&field));
            let expected = Disposition { name: field, filename: Some(name) };
            prop_assert_eq!(Disposition::parse(sent.as_bytes()), expected);
        }
    }
}
