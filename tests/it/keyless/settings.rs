//! The tables of upstreams in the configuration file.

use std::path::Path;

use artigate::settings::{HookMode, HookScope, KeyLocation, Settings, UpstreamKind};
use secrecy::ExposeSecret;

const BASE: &str = "[server]\nexternal_url = 'https://artifacts.example.com'\n";

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
    assert_eq!(kinds, [UpstreamKind::Gitlab, UpstreamKind::Github, UpstreamKind::Buildkite]);
    let issuers: Vec<_> =
        settings.upstreams.iter().map(|it| it.oidc.as_ref().unwrap().issuer.as_str()).collect();
    let github = "https://token.actions.githubusercontent.com";
    assert_eq!(issuers, ["https://gitlab.example.com", github, "https://agent.buildkite.com"]);
    assert_eq!(settings.upstreams[1].oidc.as_ref().unwrap().keys, KeyLocation::Discovery);
    let hooks = hooks.replace("/etc/artigate", folder.path().to_str().unwrap());
    let settings = load_in(folder.path(), &hooks).unwrap();
    let hook = &settings.upstreams[0].hooks[0];
    assert_eq!((hook.scope.clone(), hook.mode), (HookScope::Everything, HookMode::Trust));
    assert_eq!(hook.secret.expose_secret(), "a-secret-of-a-hook");
    assert!(!format!("{settings:?}").contains("a-secret-of-a-hook"));
}

#[test]
fn a_table_that_is_wrong_stops_the_start_and_says_what_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("short"), "short").unwrap();
    let short = folder.path().join("short");
    let table = |text: &str| format!("{BASE}[[upstream]]\n{text}");
    let hook = format!(
        "name = 'a'\nkind = 'gitlab'\nhooks = [{{scope = '*', secret_file = '{}'}}]",
        short.display()
    );
    for (toml, said) in [
        (table("kind = 'gitlab'"), "name"),
        (table("name = 'A'\nkind = 'gitlab'"), "name: expected small letters"),
        (table("name = 'a'\nkind = 'jenkins'"), "jenkins"),
        (table("name = 'a'\nkind = 'gitlab'\nurls = 'x'"), "urls"),
        (table("name = 'a'\nkind = 'gitlab'\noidc = {}"), "oidc.issuer"),
        (table("name = 'a'\nkind = 'gitlab'\nurl = 'gitlab.example.com'"), "url: expected https://"),
        (
            table("name = 'a'\nkind = 'gitlab'\nurl = 'https://me@gitlab.example.com'"),
            "url: expected https://",
        ),
        (table("name = 'a'\nkind = 'github'\noidc = {}"), "oidc.allow"),
        (table("name = 'a'\nkind = 'buildkite'\noidc = {allow = []}"), "oidc.allow"),
        (table("name = 'a'\nkind = 'github'\noidc = {allow = [{}]}"), "oidc.allow"),
        (table("name = 'a'\nkind = 'github'\noidc = {allow = [{a = '1'}], jwks_url = 'x'}"), "oidc.jwks_url"),
        (table("name = 'a'\nkind = 'github'\npath = '../x'"), "path"),
        (table("name = 'a'\nkind = 'github'\n[[upstream]]\nname = 'a'\nkind = 'github'"), "there twice"),
        (table("name = 'a'\nkind = 'gitlab'\n[[upstream]]\nname = 'b'\nkind = 'gitlab'"), "one upstream"),
        (table(&hook), "expected 16 to 4096 characters"),
        (table("name = 'a'\nkind = 'gitlab'\nhooks = [{scope = '*', secret_file = '/nowhere'}]"), "/nowhere"),
        (
            table("name = 'a'\nkind = 'gitlab'\nhooks = [{scope = '', secret_file = '/nowhere'}]"),
            "hooks.scope",
        ),
        ("[upstream]\nname = 'a'".to_owned(), "[[upstream]]"),
        ("[[upstream]]\nname = 'a'\nkind = 'github'\noidc = {allow = [{a = '1'}]}".to_owned(), "audience"),
    ] {
        let why = load_in(folder.path(), &toml).expect_err(&toml);
        assert!(why.contains(said) && why.contains("upstream"), "{said}: {why}");
    }
}
