//! Upstreams: the CI systems whose jobs, and whose news of pipelines and jobs, are trusted. The configuration file has
//! a table `[[upstream]]` for each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::Value;
use secrecy::SecretString;
use serde::Deserialize;

use super::Settings;
use super::text::read_text;
use super::values;
use crate::domain::project::is_valid_path;

/// Longest secret of a hook, in bytes.
const MAX_SECRET_BYTES: usize = 4096;

/// Shortest secret of a hook, in bytes: a shorter one can be guessed from one signature.
const MIN_SECRET_BYTES: usize = 16;

/// The longest lifetime of an ID token, by default: GitLab's live as long as their job may run.
const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(86_400);

/// A CI system.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Its name, which is that of its hooks' path, too.
    pub name: String,
    /// What kind of system it is.
    pub kind: UpstreamKind,
    /// The path below which the projects of a system are that does not share its numbers.
    pub path: String,
    /// Certificates that are trusted besides those of the machine.
    pub ca_file: Option<PathBuf>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// The secrets of its hooks.
    pub hooks: Vec<HookSecret>,
    /// Whose ID tokens are accepted; `None` for nobody's.
    pub oidc: Option<TokenIssuer>,
}

/// A kind of CI system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamKind {
    /// GitLab, whose numbers are those of the catalog.
    Gitlab,
    /// GitHub Actions.
    Github,
    /// Buildkite.
    Buildkite,
}

/// An issuer of ID tokens, and which of its tokens are accepted.
#[derive(Debug, Clone)]
pub struct TokenIssuer {
    /// The claim `iss`, compared byte by byte.
    pub issuer: String,
    /// Where its keys are.
    pub keys: KeyLocation,
    /// The claim `aud`; `None` for `server.external_url`.
    pub audience: Option<String>,
    /// Sets of claims of which a token must have one; any token is accepted if there is none.
    pub allow: Vec<AllowRule>,
    /// The longest time from `iat` to `exp`.
    pub max_lifetime: Duration,
}

/// Claims, by name, that must be equal.
pub type AllowRule = BTreeMap<String, String>;

/// Where the keys of an issuer are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyLocation {
    /// Where the issuer's own description says.
    Discovery,
    /// At this URL.
    Url(String),
    /// In this file.
    File(PathBuf),
}

/// A secret of hooks.
#[derive(Debug, Clone)]
pub struct HookSecret {
    /// The projects about which it may speak.
    pub scope: HookScope,
    /// The secret.
    pub secret: SecretString,
    /// How far it is believed.
    pub mode: HookMode,
}

/// The projects about which a hook may speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookScope {
    /// All.
    Everything,
    /// This project, or those of this group, by the upstream's own path.
    Path(String),
}

/// How far a hook is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HookMode {
    /// It only says what to ask the upstream about.
    Hint,
    /// What it says is taken for true.
    Trust,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpstreamTable {
    name: String,
    kind: UpstreamKind,
    url: Option<String>,
    path: Option<String>,
    ca_file: Option<PathBuf>,
    timeout: Option<Text>,
    #[serde(default)]
    hooks: Vec<HookTable>,
    oidc: Option<OidcTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HookTable {
    scope: String,
    secret_file: PathBuf,
    mode: Option<HookMode>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OidcTable {
    issuer: Option<String>,
    jwks_url: Option<String>,
    jwks_file: Option<PathBuf>,
    audience: Option<String>,
    #[serde(default)]
    allow: Vec<BTreeMap<String, Text>>,
    max_lifetime: Option<Text>,
}

/// A text, or a number or truth value that stands for its text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Words(String),
    Number(i64),
    Truth(bool),
}

impl Text {
    fn into_text(self) -> String {
        match self {
            Self::Words(text) => text,
            Self::Number(number) => number.to_string(),
            Self::Truth(yes) => yes.to_string(),
        }
    }
}

/// Reads the tables `[[upstream]]` of a file, and the faults in them.
pub(super) fn read(tables: Option<&Value>, file: &Path) -> (Vec<Upstream>, Vec<String>) {
    let (mut found, mut faults) = (Vec::<Upstream>::new(), Vec::new());
    let Some(tables) = tables else { return (found, faults) };
    let Ok(tables) = tables.clone().into_array() else {
        return (found, vec![format!("upstream (from {}): expected tables [[upstream]]", file.display())]);
    };
    for (at, table) in tables.into_iter().enumerate() {
        let place = |why: String| format!("upstream[{at}] (from {}): {why}", file.display());
        let read = table.try_deserialize::<UpstreamTable>().map_err(|error| error.to_string());
        match read.and_then(upstream) {
            Ok(new) if found.iter().any(|known| known.name == new.name) => {
                faults.push(place(format!("name: {:?} is there twice", new.name)));
            }
            Ok(new)
                if new.kind == UpstreamKind::Gitlab && found.iter().any(|known| known.kind == new.kind) =>
            {
                faults.push(place("kind: there is one upstream of the kind gitlab at most".into()));
            }
            Ok(new) => found.push(new),
            Err(why) => faults.push(place(why)),
        }
    }
    (found, faults)
}

/// Returns what is wrong only together with other settings.
pub(super) fn faults(settings: &Settings) -> Option<String> {
    let lacking = settings.upstreams.iter().find(|upstream| {
        upstream.oidc.as_ref().is_some_and(|oidc| oidc.audience.is_none()) && settings.external_url.is_none()
    })?;
    Some(format!(
        "upstream {}: oidc needs an audience, or server.external_url, which is the default",
        lacking.name
    ))
}

fn upstream(table: UpstreamTable) -> Result<Upstream, String> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && name.starts_with(|c: char| c.is_ascii_lowercase())
    };
    if !is_name(&table.name) {
        return Err("name: expected small letters, digits and hyphens, a letter first".into());
    }
    let path = table.path.unwrap_or_else(|| table.name.clone());
    if !is_valid_path(&path) {
        return Err(format!("path: {path:?} is no path of a group"));
    }
    let timeout = table.timeout.map(|text| values::timeout(&text.into_text())).transpose();
    let url = table.url.as_deref().map(|url| web_url("url", url)).transpose()?;
    let oidc = table.oidc.map(|oidc| issuer(table.kind, url.as_deref(), oidc)).transpose()?;
    let hooks = table.hooks.into_iter().map(hook).collect::<Result<_, _>>()?;
    Ok(Upstream {
        name: table.name,
        kind: table.kind,
        path,
        ca_file: table.ca_file,
        timeout: timeout.map_err(|why| format!("timeout: {why}"))?.unwrap_or(Duration::from_secs(5)),
        hooks,
        oidc,
    })
}

fn issuer(kind: UpstreamKind, url: Option<&str>, table: OidcTable) -> Result<TokenIssuer, String> {
    let public = match kind {
        UpstreamKind::Gitlab => url,
        UpstreamKind::Github => Some("https://token.actions.githubusercontent.com"),
        UpstreamKind::Buildkite => Some("https://agent.buildkite.com"),
    };
    let issuer = match (table.issuer, public) {
        (Some(issuer), _) => issuer,
        (None, Some(public)) => public.to_owned(),
        (None, None) => return Err("oidc.issuer: expected the issuer, or url, which is the default".into()),
    };
    web_url("oidc.issuer", &issuer)?;
    let keys = match (table.jwks_url, table.jwks_file) {
        (None, None) => KeyLocation::Discovery,
        (Some(url), None) => {
            web_url("oidc.jwks_url", &url)?;
            KeyLocation::Url(url)
        }
        (None, Some(file)) => KeyLocation::File(file),
        (Some(_), Some(_)) => return Err("oidc: expected either jwks_url or jwks_file".into()),
    };
    let shared = kind != UpstreamKind::Gitlab;
    if shared && table.allow.is_empty() {
        return Err(
            "oidc.allow: everybody's jobs have this issuer; expected the claims that yours have".into()
        );
    }
    if table.allow.iter().any(BTreeMap::is_empty) {
        return Err("oidc.allow: a table without claims would allow everything".into());
    }
    if table.audience.as_deref() == Some("") {
        return Err("oidc.audience: expected a text".into());
    }
    let of_rule =
        |rule: BTreeMap<String, Text>| rule.into_iter().map(|(claim, text)| (claim, text.into_text()));
    let max_lifetime = table.max_lifetime.map(|text| values::timeout(&text.into_text())).transpose();
    Ok(TokenIssuer {
        issuer,
        keys,
        audience: table.audience,
        allow: table.allow.into_iter().map(|rule| of_rule(rule).collect()).collect(),
        max_lifetime: max_lifetime
            .map_err(|why| format!("oidc.max_lifetime: {why}"))?
            .unwrap_or(MAX_TOKEN_LIFETIME),
    })
}

fn hook(table: HookTable) -> Result<HookSecret, String> {
    let scope = match table.scope.as_str() {
        "*" => HookScope::Everything,
        path if !path.is_empty() && path.len() <= 1024 && !path.contains(['\0', ' ']) => {
            HookScope::Path(table.scope.trim_matches('/').to_owned())
        }
        _ => return Err("hooks.scope: expected the path of a group or project, or \"*\"".into()),
    };
    let file = table.secret_file.display();
    let text = read_text(&table.secret_file).map_err(|why| format!("hooks.secret_file: {file}: {why}"))?;
    let secret = text.trim();
    if !(MIN_SECRET_BYTES..=MAX_SECRET_BYTES).contains(&secret.len())
        || !secret.bytes().all(|byte| matches!(byte, b'!'..=b'~'))
    {
        return Err(format!(
            "hooks.secret_file: {file}: expected {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} characters of ASCII \
             without spaces"
        ));
    }
    Ok(HookSecret { scope, secret: secret.into(), mode: table.mode.unwrap_or(HookMode::Hint) })
}

/// Requires the URL of a web server, without a user, a query or a fragment. Returns it without a slash at its end.
fn web_url(key: &str, text: &str) -> Result<String, String> {
    let wrong = || format!("{key}: expected https://HOST/…, without user, query and fragment");
    let url = well_formed(text).ok_or_else(wrong)?;
    Ok(url.trim_end_matches('/').to_owned())
}

/// Checks the form of a URL.
fn well_formed(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let host = rest.split('/').next().filter(|host| !host.is_empty())?;
    let is_host = host
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']' | b'_'));
    let is_plain =
        rest.bytes().all(|b| matches!(b, b'!'..=b'~') && !matches!(b, b'?' | b'#' | b'@' | b'\\' | b'"'));
    (is_host && is_plain).then_some(text)
}
