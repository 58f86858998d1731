//! Parser of `[[upstream]]`. Every fault names the key with its place, `upstream[0].url`, and the file.

mod application;
mod hook;
mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Value, ValueKind};

use super::keys::UPSTREAM_KEYS;
use super::{KeySource, OidcSettings, PullMode, UpstreamKind, UpstreamSettings};
use crate::domain::project::is_valid_path;
use crate::settings::text::read_text;
use crate::settings::values::{at_least_one, duration, size, timeout};
use table::Table;

/// The longest name of an upstream, in bytes.
const MAX_NAME: usize = 64;

/// The longest time for which answers are remembered.
const LONGEST_MEMORY: Duration = Duration::from_secs(3600);

const KINDS: &[(&str, UpstreamKind)] = &[
    ("gitlab", UpstreamKind::GitLab),
    ("github", UpstreamKind::GitHub),
    ("buildkite", UpstreamKind::Buildkite),
];

const PULLS: &[(&str, PullMode)] = &[("off", PullMode::Off), ("archives", PullMode::Archives)];

/// What the file says of upstreams.
#[derive(Default)]
pub(in crate::settings) struct Upstreams {
    /// Those without a fault.
    pub(in crate::settings) all: Vec<UpstreamSettings>,
    /// The keys that are set, by their place, with their texts. None of them holds a secret.
    pub(in crate::settings) given: Vec<(String, String, &'static str)>,
    /// The faults, each with its place.
    pub(in crate::settings) faults: Vec<String>,
}

/// Reads the value of `upstream` in the file at `path`. `external_url` is the default audience of ID tokens.
pub(in crate::settings) fn read(value: &Value, path: &Path, external_url: Option<&str>) -> Upstreams {
    let mut found = Upstreams::default();
    let ValueKind::Array(tables) = &value.kind else {
        found.faults.push(format!("upstream (from {}): expected [[upstream]]", path.display()));
        return found;
    };
    for (number, table) in tables.iter().enumerate() {
        let place = format!("upstream[{number}]");
        let mut table = Table::new(&place, path, table);
        let upstream = upstream(&mut table, external_url);
        table.refuse_the_rest(&UPSTREAM_KEYS.iter().map(|key| key.name).collect::<Vec<_>>());
        let is_whole = table.faults.is_empty();
        found.given.append(&mut table.given);
        found.faults.append(&mut table.faults);
        if let Some(upstream) = upstream.filter(|_| is_whole) {
            if let Some(why) = clash(&found.all, &upstream) {
                found.faults.push(format!("{place}.{why}"));
            }
            found.all.push(upstream);
        }
    }
    found
}

/// Returns what two upstreams may not have in common, with the key that shows it.
fn clash(known: &[UpstreamSettings], new: &UpstreamSettings) -> Option<String> {
    let is_gitlab = |upstream: &UpstreamSettings| upstream.kind == UpstreamKind::GitLab;
    if known.iter().any(|other| other.name == new.name) {
        return Some(format!("name: {:?} is the name of another upstream", new.name));
    }
    if is_gitlab(new) && known.iter().any(is_gitlab) {
        return Some(
            "kind: there is another upstream of kind gitlab, and its numbers are the numbers here".into(),
        );
    }
    let issuer = |upstream: &UpstreamSettings| upstream.oidc.as_ref().map(|oidc| oidc.issuer.clone());
    if issuer(new).is_some() && known.iter().any(|other| issuer(other) == issuer(new)) {
        return Some("oidc.issuer: it is the issuer of another upstream".into());
    }
    None
}

fn upstream(table: &mut Table<'_>, external_url: Option<&str>) -> Option<UpstreamSettings> {
    let name = table.required("name", name);
    let kind = table.required("kind", |text| choice(text, KINDS));
    let default_url = match kind {
        Some(UpstreamKind::GitHub) => Some("https://github.com"),
        Some(UpstreamKind::Buildkite) => Some("https://buildkite.com"),
        Some(UpstreamKind::GitLab) | None => None,
    };
    let url = match default_url {
        Some(default) => Some(table.scalar("url", base).unwrap_or_else(|| default.to_owned())),
        None => table.required("url", base),
    };
    let ca_certificates = table.scalar("ca_file", contents);
    let service_token = table.scalar("service_token_file", secret);
    let remember = table.scalar("remember", remember).unwrap_or(Duration::from_secs(30));
    let timeout_ = table.scalar("timeout", timeout).unwrap_or(Duration::from_secs(5));
    let concurrency = table.scalar("concurrency", at_least_one::<usize>).unwrap_or(32);
    let pull = table.scalar("pull", |text| choice(text, PULLS));
    let pull_hosts = table.list("pull_hosts", host);
    let cache_bytes = table.scalar("cache_size", size).unwrap_or(10 << 30);
    let poll_timeout = table.scalar("poll_timeout", timeout).unwrap_or(Duration::from_secs(70));
    let path = table.scalar("path", group);
    let hooks = table.tables("hooks", hook::read);
    let (name, kind, url) = (name?, kind?, url?);
    let oidc = table.table("oidc", |table| oidc(table, kind, &url, external_url));
    let application =
        table.table("application", |table| application::read(table, kind, &url, external_url.is_some()));
    Some(UpstreamSettings {
        path: path.unwrap_or_else(|| name.clone()),
        name,
        kind,
        url,
        ca_certificates,
        service_token,
        remember,
        timeout: timeout_,
        concurrency,
        hooks,
        oidc,
        pull: pull.unwrap_or(PullMode::Archives),
        pull_hosts,
        cache_bytes,
        poll_timeout,
        application,
    })
}

/// Parses how long answers are remembered. For so long somebody may keep a right that was taken away.
fn remember(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        time if time > LONGEST_MEMORY => Err("expected at most 1 hour".to_owned()),
        time => Ok(time),
    }
}

fn oidc(
    table: &mut Table<'_>,
    kind: UpstreamKind,
    url: &str,
    external_url: Option<&str>,
) -> Option<OidcSettings> {
    let issuer = table.scalar("issuer", address).unwrap_or_else(|| match kind {
        UpstreamKind::GitLab => url.to_owned(),
        UpstreamKind::GitHub => "https://token.actions.githubusercontent.com".to_owned(),
        UpstreamKind::Buildkite => "https://agent.buildkite.com".to_owned(),
    });
    let jwks_url = table.scalar("jwks_url", address);
    let jwks_file = table.scalar("jwks_file", |text| Ok((PathBuf::from(text), contents(text)?)));
    let audience = table.scalar("audience", |text| match text {
        "" => Err("expected a text".to_owned()),
        text => Ok(text.to_owned()),
    });
    let allow = table.allow("allow");
    let max_lifetime = table.scalar("max_lifetime", timeout).unwrap_or(Duration::from_secs(86_400));
    table.refuse_the_rest(&["issuer", "jwks_url", "jwks_file", "audience", "allow", "max_lifetime"]);
    if allow.is_empty() && kind != UpstreamKind::GitLab {
        // One issuer serves all customers of these.
        table.fault("allow", "expected at least one set of claims: everybody's jobs have this issuer");
    }
    let keys = match (jwks_url, jwks_file) {
        (Some(_), Some(_)) => {
            table.fault("jwks_file", "expected only one of jwks_url and jwks_file");
            return None;
        }
        (Some(url), None) => KeySource::Url(url),
        (None, Some((path, text))) => KeySource::File(path, text),
        (None, None) => KeySource::Discovery,
    };
    let Some(audience) = audience.or_else(|| external_url.map(str::to_owned)) else {
        table.fault("audience", "expected an audience, because server.external_url is not set");
        return None;
    };
    Some(OidcSettings { issuer, keys, audience, allow, max_lifetime })
}

fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
    found.ok_or_else(|| {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        format!("expected one of {}", words.join(", "))
    })
}

fn name(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase());
    if starts_well && text.len() <= MAX_NAME && text.bytes().all(is_plain) {
        Ok(text.to_owned())
    } else {
        Err("expected a name of lower-case letters, digits and hyphens that starts with a letter".into())
    }
}

fn group(text: &str) -> Result<String, String> {
    if is_valid_path(text) { Ok(text.to_owned()) } else { Err("expected the path of a group".into()) }
}

/// Parses an address without credentials, query and fragment. The fault does not repeat it.
fn address(text: &str) -> Result<String, String> {
    let expected = || "expected an http or https URL without user, query and fragment".to_owned();
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or_else(expected)?;
    let is_plain = rest.bytes().all(|b| b.is_ascii_graphic() && !b"?#@\\\"<>^`{|}%".contains(&b));
    let has_dots = rest.split('/').any(|segment| matches!(segment, "." | ".."));
    if rest.is_empty() || rest.starts_with(['/', ':']) || !is_plain || has_dots {
        return Err(expected());
    }
    Ok(text.to_owned())
}

fn base(text: &str) -> Result<String, String> {
    address(text.trim_end_matches('/'))
}

fn host(text: &str) -> Result<String, String> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b);
    if !text.is_empty() && text.bytes().all(is_plain) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("expected a host, with a port if it is not the usual one".into())
    }
}

fn contents(path: &str) -> Result<String, String> {
    read_text(Path::new(path)).map_err(|error| format!("{path} cannot be read: {error}"))
}

/// Reads a secret from a file: its text without the line break at its end. The fault does not repeat it.
fn secret(path: &str) -> Result<secrecy::SecretString, String> {
    let text = contents(path)?;
    let text = text.trim_end_matches(['\n', '\r']);
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned().into())
    } else {
        Err(format!("{path} does not hold one line of visible ASCII characters"))
    }
}
