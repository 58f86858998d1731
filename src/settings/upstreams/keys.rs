//! The table of the keys of an upstream, read by the parser, the documentation and the example file.

/// A key of `[[upstream]]`.
#[derive(Debug, Clone, Copy)]
pub struct UpstreamKey {
    /// Its name in the table.
    pub name: &'static str,
    /// The text of its default; `None` if the default has no text, or depends on the kind.
    pub default: Option<&'static str>,
    /// Its meaning, in one line.
    pub help: &'static str,
    /// A value for the example file, as TOML, if the default is not one.
    pub sample: &'static str,
}

const fn key(name: &'static str, default: &'static str, help: &'static str) -> UpstreamKey {
    UpstreamKey { name, default: Some(default), help, sample: "" }
}

const fn unset(name: &'static str, help: &'static str, sample: &'static str) -> UpstreamKey {
    UpstreamKey { name, default: None, help, sample }
}

/// Every key, in the order of `docs/configuration.md`.
pub const UPSTREAM_KEYS: &[UpstreamKey] = &[
    unset(
        "name",
        "Its name, in addresses and log lines: lower-case letters, digits and hyphens.",
        "\"gitlab\"",
    ),
    unset("kind", "What it is: `gitlab` (at most one), `github` or `buildkite`.", "\"gitlab\""),
    unset(
        "url",
        "Its base; needed for `gitlab`, which may stand below a path.",
        "\"https://gitlab.example.com\"",
    ),
    unset(
        "ca_file",
        "Certificates in PEM that are trusted for it, besides the system's.",
        "\"/etc/artigate/gitlab-ca.pem\"",
    ),
    unset(
        "service_token_file",
        "File with a token of its own, for questions that no caller's credential answers.",
        "\"/etc/artigate/gitlab-token\"",
    ),
    key(
        "remember",
        "30 seconds",
        "How long an answer about a credential is used again, at most 1 hour; 0 asks on every request.",
    ),
    key("timeout", "5 seconds", "How long one question may take."),
    key("concurrency", "32", "Questions that are asked at the same time, per node."),
    key("pull", "archives", "What is fetched that is not here: `archives` or `off`."),
    unset("pull_hosts", "Hosts to which it may redirect a download.", "[\"bucket.example.com\"]"),
    key("cache_size", "10 GiB", "Size of the fetched copies that are kept."),
    key("poll_timeout", "70 seconds", "How long a runner's question for a job may take."),
    unset(
        "path",
        "Group under which the projects of a `github` or `buildkite` show; its name by default.",
        "\"gitlab\"",
    ),
    unset(
        "hooks",
        "Senders of events: `scope` (a group or project path, or `*`), `secret_file`, and `mode`, `hint` or `trust`.",
        "[{ scope = \"group\", secret_file = \"/etc/artigate/hook-secret\", mode = \"hint\" }]",
    ),
    unset(
        "oidc",
        "Issuer of ID tokens: `issuer`, `jwks_url` or `jwks_file`, `audience`, `allow`, `max_lifetime`; all optional.",
        "{ audience = \"https://artifacts.example.com\", allow = [{ namespace_path = \"group\" }] }",
    ),
    unset(
        "application",
        "Application there with which people sign in: `id`, `secret_file`, `scope` (`api` or `read_api`), `issuer`.",
        "{ id = \"0123abcd\", secret_file = \"/etc/artigate/application-secret\", scope = \"api\" }",
    ),
];
