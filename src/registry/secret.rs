//! Places of a document that hold credentials.
//!
//! An error there never quotes the value, because it may be a credential in a wrong form.

use std::fmt::Display;

/// A place that holds credentials.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Secret<'p> {
    /// The path to the place, without keys that the document's author chose.
    place: &'p str,
    expected: &'static str,
}

/// The fields of a token that hold no credential.
const PLAIN: &[&str] = &["name", "scopes", "expires_at", "revoked"];

/// Returns the place with credentials at or above `path` in a document.
pub(super) fn at(path: &str) -> Option<Secret<'_>> {
    let mut before = "";
    let mut end = 0;
    let mut segments = path.split('.').peekable();
    while let Some(segment) = segments.next() {
        end += segment.len();
        let name = segment.split('[').next().unwrap_or_default();
        let expected = match (before, name) {
            ("users", "tokens") => "expected a list of tokens with value, name, scopes, expires_at, revoked",
            ("jobs", "token") => "expected a token, as text",
            _ => {
                before = name;
                end += 1;
                continue;
            }
        };
        let field = segments.peek().map(|next| next.split('[').next().unwrap_or_default());
        let is_plain = name == "tokens" && field.is_some_and(|field| PLAIN.contains(&field));
        return (!is_plain).then(|| Secret { place: &path[..end], expected });
    }
    None
}

impl Secret<'_> {
    /// Returns the text to show instead of `error`, which may quote the value. Keeps the name of a missing
    /// field, because that quotes nothing.
    pub(super) fn said(&self, error: &impl Display) -> String {
        let text = error.to_string();
        let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let Self { place, expected } = self;
        match missing {
            Some(field) => format!("{place}: missing field `{field}`"),
            None => format!("{place}: {expected}; the value is not shown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::registry::Format;
    use crate::registry::parse::sent_document;

    const TOKENS: &str = "expected a list of tokens with value, name, scopes, expires_at, revoked";

    fn of_user(tokens: &str) -> String {
        format!("{{\"users\": [{{\"id\": 1, \"username\": \"a\", \"tokens\": {tokens}}}]}}")
    }

    fn of_job(token: &str) -> String {
        let job = format!("{{\"id\": 1, \"name\": \"a\", \"status\": \"running\", \"token\": {token}}}");
        let pipeline = format!(
            "{{\"id\": 1, \"ref\": \"a\", \"sha\": \"a\", \"status\": \"running\", \"jobs\": [{job}]}}"
        );
        format!("{{\"projects\": [{{\"id\": 1, \"path\": \"a\", \"pipelines\": [{pipeline}]}}]}}")
    }

    fn refusal(text: &str, format: Format) -> Option<String> {
        sent_document("document", text.as_bytes(), format).err().map(|error| error.to_string())
    }

    #[test]
    fn what_is_wrong_about_a_token_is_said_without_it() {
        let said = |text: &str| refusal(text, Format::Json).unwrap();
        for tokens in ["\"s3cret\"", "[\"s3cret\"]", "[{\"s3cret\": 1}]", "[{\"value\": [\"s3cret\"]}]"] {
            let text = said(&of_user(tokens));
            assert!(text.contains(TOKENS) && text.contains("users[0].tokens"), "{text}");
        }
        let text = said(&of_user("[{\"name\": \"s3cret\"}]"));
        assert!(text.starts_with("document: users[0].tokens[0]: missing field `value` at line 1"), "{text}");
        let text = said(&of_user("[{\"value\": \"s3cret\", \"expires_at\": \"tomorrow\"}]"));
        assert!(text.contains("users[0].tokens[0].expires_at: expected a time"), "{text}");
        let text = said(&of_job("{\"value\": \"s3cret\"}"));
        assert!(text.contains("jobs[0].token: expected a token, as text; the value is not shown"), "{text}");
    }

    proptest! {
        #[test]
        fn no_value_in_the_place_of_a_token_is_ever_repeated(
            secret in "[1-9][0-9]{9,14}(\\.5)?|[a-z]{2}s3cret[A-Z0-9]{3,8}",
            shape in 0..9_usize,
            by_job: bool,
        ) {
            let quoted = match secret.parse::<f64>() {
                Ok(_) => secret.clone(),
                Err(_) => format!("\"{secret}\""),
            };
            let shapes = [
                quoted.clone(),
                format!("[{quoted}]"),
                format!("[[{quoted}]]"),
                format!("{{\"{secret}\": 1}}"),
                format!("[{{\"{secret}\": 1}}]"),
                format!("[{{\"value\": {{\"{secret}\": {quoted}}}}}]"),
                format!("[{{\"value\": [{quoted}]}}]"),
                format!("[{{\"value\": {quoted}, \"scopes\": \"api\"}}]"),
                format!("[{{\"value\": {quoted}, \"{secret}\": {quoted}}}]"),
            ];
            let text = if by_job { of_job(&shapes[shape]) } else { of_user(&shapes[shape]) };
            for format in [Format::Json, Format::Yaml] {
                if let Some(said) = refusal(&text, format) {
                    prop_assert!(!said.contains(&secret), "{}", said);
                }
            }
        }
    }
}
