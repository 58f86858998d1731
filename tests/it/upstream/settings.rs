//! `[[upstream]]` in the configuration file.

use std::collections::BTreeMap;

use artigate::settings::{
    ApplicationScope, Explained, HookMode, KeySource, Origin, PullMode, UPSTREAM_KEYS, UpstreamKind,
};
use secrecy::ExposeSecret;

/// Reads a file in a folder that holds a few files to name.
fn read(toml: &str) -> Explained {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in
        [("token", "glpat-s3cret\n"), ("empty", "\n"), ("two", "a\nb"), ("ca.pem", "PEM"), ("jwks", "{}")]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, toml.replace("DIR", folder.path().to_str().unwrap())).unwrap();
    Explained::read(Some(&file), [])
}

const GITLAB: &str =
    "[[upstream]]\nname = 'gitlab'\nkind = 'gitlab'\nurl = 'https://gitlab.example.com/base/'\n";

#[test]
fn an_upstream_has_the_defaults_of_the_table() {
    let explained = read(GITLAB);
    assert!(explained.faults.is_empty(), "{:?}", explained.faults);
    let [upstream] = &explained.settings.upstreams[..] else { panic!() };
    assert_eq!((upstream.name.as_str(), upstream.kind), ("gitlab", UpstreamKind::GitLab));
    assert_eq!(upstream.url, "https://gitlab.example.com/base");
    assert_eq!((upstream.remember.as_secs(), upstream.timeout.as_secs(), upstream.concurrency), (30, 5, 32));
    assert_eq!(
        (upstream.pull, upstream.cache_bytes, upstream.poll_timeout.as_secs()),
        (PullMode::Archives, 10 << 30, 70)
    );
    assert_eq!(upstream.path, "gitlab");
    assert!(upstream.hooks.is_empty() && upstream.oidc.is_none() && upstream.service_token.is_none());
    let setting = explained.values.iter().find(|setting| setting.key == "upstream[0].url").unwrap();
    assert!(matches!(setting.origin, Origin::File(_)) && !setting.help.is_empty());
    // A default that is written out changes nothing.
    let defaults =
        UPSTREAM_KEYS.iter().filter_map(|key| Some(format!("{} = '{}'\n", key.name, key.default?)));
    let written = read(&(GITLAB.to_owned() + &defaults.collect::<String>()));
    assert_eq!(format!("{:?}", written.settings.upstreams), format!("{:?}", explained.settings.upstreams));
}

#[test]
fn everything_can_be_set_and_no_secret_is_shown() {
    let explained = read(
        "[server]\nexternal_url = 'https://artifacts.example.com'\n\
         [[upstream]]\nname = 'main'\nkind = 'gitlab'\nurl = 'http://10.0.0.1:8080'\nca_file = 'DIR/ca.pem'\n\
         service_token_file = 'DIR/token'\nremember = 0\npull = 'off'\npull_hosts = ['Bucket.example.com:9000']\n\
         hooks = [{scope = '*', secret_file = 'DIR/token', mode = 'trust'}, {scope = 'g/p', secret_file = 'DIR/token'}]\n\
         oidc = {jwks_file = 'DIR/jwks', max_lifetime = '2 days'}\n\
         application = {id = 'abc', secret_file = 'DIR/token', scope = 'read_api', issuer = 'https://gitlab.example.com/'}\n\
         [[upstream]]\nname = 'hub'\nkind = 'github'\npath = 'github'\n\
         oidc = {audience = 'x', jwks_url = 'https://keys.example.com/k', allow = [{repository_owner_id = 123, ref = 'r'}]}\n\
         [[upstream]]\nname = 'kite'\nkind = 'buildkite'\n",
    );
    assert!(explained.faults.is_empty(), "{:?}", explained.faults);
    let [main, hub, kite] = &explained.settings.upstreams[..] else { panic!() };
    assert!(
        main.remember.is_zero()
            && main.pull == PullMode::Off
            && main.pull_hosts == ["bucket.example.com:9000"]
    );
    assert_eq!(main.service_token.as_ref().unwrap().expose_secret(), "glpat-s3cret");
    assert_eq!(main.ca_certificates.as_deref(), Some("PEM"));
    let hooks: Vec<_> = main.hooks.iter().map(|hook| (hook.scope.as_str(), hook.mode)).collect();
    assert_eq!(hooks, [("*", HookMode::Trust), ("g/p", HookMode::Hint)]);
    let application = main.application.as_ref().unwrap();
    assert_eq!((application.id.as_str(), application.scope), ("abc", ApplicationScope::ReadApi));
    assert_eq!(application.secret.expose_secret(), "glpat-s3cret");
    assert_eq!(application.issuer, "https://gitlab.example.com");
    let oidc = main.oidc.as_ref().unwrap();
    assert_eq!(
        (oidc.issuer.as_str(), oidc.audience.as_str()),
        ("http://10.0.0.1:8080", "https://artifacts.example.com")
    );
    assert!(
        matches!(&oidc.keys, KeySource::File(_, text) if text == "{}")
            && oidc.max_lifetime.as_secs() == 2 * 86_400
    );
    let claims = [("ref", "r"), ("repository_owner_id", "123")];
    let claims: BTreeMap<String, String> =
        claims.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    assert_eq!(hub.oidc.as_ref().unwrap().allow, [claims]);
    assert_eq!(hub.oidc.as_ref().unwrap().issuer, "https://token.actions.githubusercontent.com");
    assert_eq!((kite.path.as_str(), kite.url.as_str()), ("kite", "https://buildkite.com"));
    assert!(!format!("{:?} {:?}", explained.settings, explained.values).contains("s3cret"));
}

#[test]
fn a_fault_names_the_key_its_place_and_what_is_expected() {
    for (toml, expected) in [
        ("[upstream]\nname = 'x'", "upstream (from "),
        ("upstream = 'x'", "expected [[upstream]]"),
        ("[[upstream]]\nkind = 'gitlab'\nurl = 'http://x'", "upstream[0].name (from "),
        (
            "[[upstream]]\nname = 'A b'\nkind = 'gitlab'\nurl = 'http://x'",
            "expected a name of lower-case letters",
        ),
        ("[[upstream]]\nname = 'a'\nkind = 'gitea'", "expected one of gitlab, github, buildkite"),
        ("[[upstream]]\nname = 'a'\nkind = 'gitlab'", "upstream[0].url (from "),
        ("[[upstream]]\nname = 'a'\nkind = 'gitlab'\nurl = 'https://u:hunter2@x'", "URL without user"),
        ("[[upstream]]\nname = 'a'\nkind = 'gitlab'\nurl = 'https://x/../y'", "URL without user"),
        ("[[upstream]]\nname = 'a'\nkind = 'gitlab'\nurl = 'https://x?y'", "URL without user"),
        (
            "[[upstream]]\nname = 'a'\nkind = 'gitlab'\nurl = 'http://x'\nremembr = 1",
            "unknown key upstream[0].remembr (from ",
        ),
        (
            "[[upstream]]\nname = 'a'\nkind = 'gitlab'\nurl = 'http://x'\nremembr = 1",
            "did you mean remember? The keys are name, ",
        ),
        (
            "[[upstream]]\nname = 'a'\nkind = 'gitlab'\nurl = 'http://x'\nremember = 'soon'",
            "upstream[0].remember (from ",
        ),
        (
            "[[upstream]]\nname = 'a'\nkind = 'gitlab'\nurl = 'http://x'\nremember = '3601 seconds'",
            "expected at most 1 hour",
        ),
        (
            "[[upstream]]\nname = 'a'\nkind = 'gitlab'\nurl = 'http://x'\ntimeout = 0",
            "upstream[0].timeout (from ",
        ),
        (
            "[[upstream]]\nname = 'a'\nkind = 'gitlab'\nurl = 'http://x'\nconcurrency = 0",
            "upstream[0].concurrency (from ",
        ),
        (
            "[[upstream]]\nname = 'a'\nkind = 'gitlab'\nurl = 'http://x'\nservice_token_file = 'DIR/no'",
            "no cannot be read",
        ),
        (
            "[[upstream]]\nname = 'a'\nkind = 'gitlab'\nurl = 'http://x'\nservice_token_file = 'DIR/empty'",
            "does not hold one line",
        ),
        (
            "[[upstream]]\nname = 'a'\nkind = 'gitlab'\nurl = 'http://x'\nservice_token_file = 'DIR/two'",
            "does not hold one line",
        ),
        (
            "[[upstream]]\nname = 'a'\nkind = 'gitlab'\nurl = 'http://x'\napplication = {id = 'abc', secret_file = 'DIR/token'}",
            "upstream[0].application.id (from ",
        ),
        (
            "[[upstream]]\nname = 'a'\nkind = 'gitlab'\nurl = 'http://x'\napplication = {id = 'abc', secret_file = 'DIR/token'}",
            "expected server.external_url to be set",
        ),
        (
            "[server]\nexternal_url = 'https://y'\n[[upstream]]\nname = 'a'\nkind = 'github'\napplication = {id = 'abc', secret_file = 'DIR/token'}",
            "people sign in at no other",
        ),
        (
            "[server]\nexternal_url = 'https://y'\n[[upstream]]\nname = 'a'\nkind = 'gitlab'\nurl = 'http://x'\napplication = {id = 'abc'}",
            "upstream[0].application.secret_file (from ",
        ),
        (
            "[server]\nexternal_url = 'https://y'\n[[upstream]]\nname = 'a'\nkind = 'gitlab'\nurl = 'http://x'\napplication = {id = 'abc', secret_file = 'DIR/token', scope = 'sudo'}",
            "expected one of api, read_api",
        ),
        (
            "[[upstream]]\nname = 'a'\nkind = 'gitlab'\nurl = 'http://x'\nhooks = [{scope = '*'}]",
            "upstream[0].hooks[0].secret_file (from ",
        ),
        (
            "[[upstream]]\nname = 'a'\nkind = 'gitlab'\nurl = 'http://x'\nhooks = [{scope = '../x', secret_file = 'DIR/token'}]",
            "upstream[0].hooks[0].scope (from ",
        ),
        (
            "[[upstream]]\nname = 'a'\nkind = 'gitlab'\nurl = 'http://x'\noidc = {}",
            "upstream[0].oidc.audience (from ",
        ),
        (
            "[[upstream]]\nname = 'a'\nkind = 'github'\noidc = {audience = 'x'}",
            "upstream[0].oidc.allow (from ",
        ),
        (
            "[[upstream]]\nname = 'a'\nkind = 'github'\noidc = {audience = 'x', allow = [{}]}",
            "upstream[0].oidc.allow[0] (from ",
        ),
        (
            "[[upstream]]\nname = 'a'\nkind = 'github'\noidc = {audience = 'x', alow = []}",
            "unknown key upstream[0].oidc.alow (from ",
        ),
        (
            &format!("{GITLAB}{}", GITLAB.replace("'gitlab'\nkind", "'b'\nkind")),
            "upstream[1].kind: there is another",
        ),
        (
            &format!("{GITLAB}[[upstream]]\nname = 'gitlab'\nkind = 'github'"),
            "upstream[1].name: \"gitlab\" is the name",
        ),
    ] {
        let explained = read(toml);
        let faults: Vec<String> = explained.faults.iter().map(ToString::to_string).collect();
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{toml}\n{expected}\n{faults:?}");
        assert!(!format!("{faults:?} {:?}", explained.values).contains("hunter2"));
    }
}
