//! Upstreams: the CI systems that projects, jobs and tokens are learnt from, `[[upstream]]` in the configuration file.

mod keys;
mod parse;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

pub use keys::{UPSTREAM_KEYS, UpstreamKey};
pub(super) use parse::read;

/// The kind of CI system that an upstream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamKind {
    /// A GitLab: its numbers of projects, pipelines and jobs are the numbers here.
    GitLab,
    /// GitHub: known by its ID tokens and events.
    GitHub,
    /// Buildkite: known by its ID tokens and events.
    Buildkite,
}

/// What an event of a hook may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookMode {
    /// It says what to ask the upstream about.
    Hint,
    /// Its contents are believed.
    Trust,
}

/// What is fetched from an upstream that is not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullMode {
    /// Nothing.
    Off,
    /// Archives of jobs.
    Archives,
}

/// An upstream. `docs/configuration.md` explains each key.
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    /// Its name: part of addresses and of log lines.
    pub name: String,
    /// What kind of system it is.
    pub kind: UpstreamKind,
    /// Its base, without a trailing slash.
    pub url: String,
    /// Certificates in PEM that are trusted besides the system's.
    pub ca_certificates: Option<String>,
    /// A token of its own with which background questions are asked.
    pub service_token: Option<SecretString>,
    /// How long an answer about a credential is used; zero for never.
    pub remember: Duration,
    /// How long one question may take.
    pub timeout: Duration,
    /// Questions that are asked at the same time, per node.
    pub concurrency: usize,
    /// Senders of events.
    pub hooks: Vec<HookSettings>,
    /// Issuer of ID tokens, if they are accepted.
    pub oidc: Option<OidcSettings>,
    /// What is fetched that is not here.
    pub pull: PullMode,
    /// Hosts to which a download may be redirected.
    pub pull_hosts: Vec<String>,
    /// Bytes of fetched copies that are kept.
    pub cache_bytes: u64,
    /// How long a runner's question for a job may take.
    pub poll_timeout: Duration,
    /// The group under which projects of other kinds than `gitlab` show.
    pub path: String,
}

/// A sender of events.
#[derive(Debug, Clone)]
pub struct HookSettings {
    /// The group or project of which it may tell; `*` for all.
    pub scope: String,
    /// What it proves itself with.
    pub secret: SecretString,
    /// What its events may do.
    pub mode: HookMode,
}

/// An issuer of ID tokens.
#[derive(Debug, Clone)]
pub struct OidcSettings {
    /// The claim `iss`, exactly.
    pub issuer: String,
    /// Where its keys are.
    pub keys: KeySource,
    /// The claim `aud`, exactly.
    pub audience: String,
    /// Sets of claims that must all be equal; any one set suffices.
    pub allow: Vec<BTreeMap<String, String>>,
    /// The longest time between `iat` and `exp`.
    pub max_lifetime: Duration,
}

/// Where the keys of an issuer are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// At the address that the issuer's discovery document names.
    Discovery,
    /// At this address.
    Url(String),
    /// In this file, whose text is the second field.
    File(PathBuf, String),
}
