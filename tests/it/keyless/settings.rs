//! The tables of upstreams in the configuration file.

use std::path::Path;

use artigate::settings::{HookMode, KeySource, Settings, UpstreamKind};
use secrecy::ExposeSecret;

fn load_in(folder: &Path, toml: &str) -> Result<Settings, String> {
    let file = folder.join("gateway.toml");
    std::fs::write(&file, toml).unwrap();
    Settings::load(Some(&file), []).map_err(|error| error.to_string())
}

#[test]
fn the_page_about_keyless_uploads_shows_settings_that_are_valid() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/keyless.md");
    let page = std::fs::read_to_string(page).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("github-hook"), "a-secret-of-a-hook\n").unwrap();
    let blocks: Vec<&str> =
        page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [systems, hooks] = blocks[..] else { panic!("{blocks:?}") };
    let settings = load_in(folder.path(), systems).unwrap();
    let kinds: Vec<UpstreamKind> = settings.upstreams.iter().map(|upstream| upstream.kind).collect();
    assert_eq!(kinds, [UpstreamKind::GitLab, UpstreamKind::GitHub, UpstreamKind::Buildkite]);
    let issuers: Vec<_> =
        settings.upstreams.iter().map(|it| it.oidc.as_ref().unwrap().issuer.as_str()).collect();
    let github = "https://token.actions.githubusercontent.com";
    assert_eq!(issuers, ["https://gitlab.example.com", github, "https://agent.buildkite.com"]);
    assert_eq!(settings.upstreams[1].oidc.as_ref().unwrap().keys, KeySource::Discovery);
    let hooks = hooks.replace("/etc/artigate", folder.path().to_str().unwrap());
    let settings = load_in(folder.path(), &hooks).unwrap();
    let hook = &settings.upstreams[0].hooks[0];
    assert_eq!((hook.scope.as_str(), hook.mode), ("*", HookMode::Trust));
    assert_eq!(hook.secret.expose_secret(), "a-secret-of-a-hook");
    assert!(!format!("{settings:?}").contains("a-secret-of-a-hook"));
}
