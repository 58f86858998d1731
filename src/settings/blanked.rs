//! Blanking of secrets in settings that are printed.
//!
//! Every part that is not known to be harmless is blanked, so that a secret in an unexpected place is not
//! printed either.

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};

/// The replacement of a secret.
const BLANK: &str = "***";

/// The query parameters of a database URL that hold no secret.
const HARMLESS: &[&str] = &[
    "application_name",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "port",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// Parts of the names of `AWS_*` variables that hold no secret.
const HARMLESS_VARIABLES: &[&str] =
    &["REGION", "ENDPOINT", "ALLOW_HTTP", "VIRTUAL_HOSTED", "ACCESS_KEY_ID", "CA_BUNDLE"];

/// Returns the text of a setting. Blanks the password of a URL with a server, and other parts that may be
/// secrets.
pub(super) fn setting(text: &str) -> String {
    match text.split_once("://") {
        Some(("file" | "sqlite", _)) | None => text.to_owned(),
        Some((scheme, rest)) => format!("{scheme}://{}", remote(rest)),
    }
}

/// Returns the value of an `AWS_*` variable, blanked unless its name is known to be harmless.
pub(super) fn variable(name: &str, value: &SecretString) -> String {
    if HARMLESS_VARIABLES.iter().any(|part| name.contains(part)) {
        setting(value.expose_secret())
    } else {
        BLANK.to_owned()
    }
}

fn remote(rest: &str) -> String {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, place) = rest.split_at(end);
    // An unescaped '/' or '?' in a password ends the authority too early, so the password's end is unknown.
    if place.contains('@') {
        return BLANK.to_owned();
    }
    let authority = match authority.rsplit_once('@') {
        None => authority.to_owned(),
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:{BLANK}@{host}"),
            None => format!("{user}@{host}"),
        },
    };
    let place = match place.split_once('?') {
        None => place.to_owned(),
        Some((place, query)) => {
            let pairs: Vec<String> = query.split('&').map(pair).collect();
            format!("{place}?{}", pairs.join("&"))
        }
    };
    format!("{authority}{place}")
}

fn pair(pair: &str) -> String {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let decoded = percent_decode_str(name).decode_utf8_lossy();
    if HARMLESS.contains(&decoded.as_ref()) { format!("{name}={value}") } else { format!("{name}={BLANK}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_url_is_shown_without_what_could_be_a_secret() {
        for (text, shown) in [
            ("127.0.0.1:8929", "127.0.0.1:8929"),
            ("sqlite://a:b@c/x.db", "sqlite://a:b@c/x.db"),
            ("s3://bucket/prefix", "s3://bucket/prefix"),
            ("postgres://alice@db/x", "postgres://alice@db/x"),
            ("postgres://db:5432/x", "postgres://db:5432/x"),
            (
                "postgres://alice:hunter2@db:5432/x?sslmode=require",
                "postgres://alice:***@db:5432/x?sslmode=require",
            ),
            ("postgres://alice:hun@ter2@db/x", "postgres://alice:***@db/x"),
            ("postgres://db/x?user=a&password=hunter2", "postgres://db/x?user=a&password=***"),
            ("postgres://db/x?p%61ssword=hunter2", "postgres://db/x?p%61ssword=***"),
            ("postgres://db/x?password=hun@ter2", "postgres://***"),
            ("postgres://alice:hun@ter/2?@db/x", "postgres://***"),
        ] {
            assert_eq!(setting(text), shown);
        }
    }

    proptest! {
        #[test]
        fn no_password_is_ever_shown(user in "[a-z]{1,8}", password in "[!-~]{0,6}S3CRET[!-~]{0,6}") {
            let in_front = format!("postgres://{user}:{password}@db.example.com/name");
            prop_assert!(!setting(&in_front).contains("S3CRET"), "{}", setting(&in_front));
        }
    }
}
