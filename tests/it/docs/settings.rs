//! The settings are equal in the program, `docs/configuration.md`, the README and the example file.

use artigate::settings::{Explained, Origin, Setting, Settings, UPSTREAM_KEYS};

use super::{text_of, top};

const EXAMPLE: &str = "deploy/artigate.example.toml";

/// The head of the example file.
const HEAD: &str = "\
# Every setting of artigate with its default. Copy this file to artigate.toml in the working directory of the server,
# or name it with --config, and uncomment what you change. The environment overrides it: [server] listen is
# ARTIGATE_SERVER__LISTEN. docs/configuration.md explains every key.
#
# A test makes this file from the table of settings; ARTIGATE_TEST_BLESS=1 makes it rewrite the file.
";

fn known() -> Vec<Setting> {
    Explained::read(None, []).values
}

/// A value for a key that has none by default.
fn sample(key: &str) -> &'static str {
    match key {
        "server.external_url" => "https://artifacts.example.com",
        "server.reports_url" => "https://*.reports.example.net",
        "reports.external_sources" => "https://cdn.example.com",
        "server.trusted_proxies" => "10.0.0.0/8, ::1",
        "server.tls_certificate" => "/etc/artigate/tls.pem",
        "server.tls_key" => "/etc/artigate/tls.key",
        "metrics.listen" => "127.0.0.1:9464",
        "limits.connections_per_address" => "10000",
        _ => "file://elsewhere/blobs",
    }
}

/// The key and the default of each row of a page's table; none where the default is described and not quoted.
fn documented(page: &str) -> Vec<(String, Option<String>)> {
    let text = text_of(page);
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let keys = rows.filter(|(key, _)| key.contains('.') && !key.contains([' ', '/']));
    let default = |rest: &str| {
        let cell = rest.split(" |").next().unwrap();
        cell.strip_prefix('`').and_then(|text| text.strip_suffix('`')).map(str::to_owned)
    };
    keys.map(|(key, rest)| (key.to_owned(), default(rest))).collect()
}

#[test]
fn the_page_lists_the_settings_that_there_are_with_defaults_that_parse() {
    let known = known().into_iter().map(|setting| (setting.key, setting.value)).collect::<Vec<_>>();
    let documented = documented("docs/configuration.md");
    for row in &documented {
        assert!(known.contains(row), "the page has {row:?}, the program has not");
    }
    for row in &known {
        assert!(documented.contains(row), "the program has {row:?}, the page has not");
    }
    assert_eq!(documented, known, "the order differs");
    for (key, default) in documented {
        let variable = format!("ARTIGATE_{}", key.to_uppercase().replace('.', "__"));
        let value = default.unwrap_or_else(|| sample(&key).to_owned());
        // A host of reports needs one of pages.
        let pages = ("ARTIGATE_SERVER__EXTERNAL_URL".to_owned(), sample("server.external_url").to_owned());
        if let Err(why) = Settings::load(None, [pages, (variable, value)]) {
            panic!("{why}");
        }
    }
}

#[test]
fn the_readme_lists_some_settings_with_their_defaults() {
    let known = known().into_iter().map(|setting| (setting.key, setting.value)).collect::<Vec<_>>();
    let documented = documented("README.md");
    assert_eq!(documented.len(), 10, "{documented:?}");
    for row in documented {
        assert!(known.contains(&row), "{row:?}");
    }
}

/// The example file as the table of settings makes it.
fn example() -> String {
    let (mut text, mut open_section) = (HEAD.to_owned(), String::new());
    for Setting { key, value, help, .. } in known() {
        let (section, name) = key.split_once('.').unwrap();
        if section != open_section {
            text += &format!("\n[{section}]\n");
            section.clone_into(&mut open_section);
        }
        let note = if value.is_some() { "" } else { "# It has no default; for example:\n" };
        let value = value.unwrap_or_else(|| sample(&key).to_owned());
        let is_bare = value.parse::<i64>().is_ok() || value.parse::<bool>().is_ok();
        let value = if is_bare { value } else { format!("\"{value}\"") };
        text += &format!("\n# {help}\n{note}#{name} = {value}\n");
    }
    text += UPSTREAMS;
    for key in UPSTREAM_KEYS {
        let default = key.default.map(|text| match text.parse::<i64>() {
            Ok(number) => number.to_string(),
            Err(_) => format!("\"{text}\""),
        });
        let value = default.unwrap_or_else(|| key.sample.to_owned());
        text += &format!("\n# {}\n# {} = {value}\n", key.help, key.name);
    }
    text
}

/// The head of the keys of an upstream in the example file.
const UPSTREAMS: &str = "
# A CI system that projects, jobs and tokens are learnt from; there may be several. docs/gitlab-in-front.md explains it.
# [[upstream]]
";

#[test]
fn the_page_lists_the_keys_of_an_upstream_with_their_defaults() {
    let text = text_of("docs/configuration.md");
    let section = text.split("\n## Upstreams\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let default = |rest: &str| {
        let cell = rest.split(" |").next().unwrap();
        cell.strip_prefix('`').and_then(|text| text.strip_suffix('`')).map(str::to_owned)
    };
    let documented: Vec<_> = rows.map(|(key, rest)| (key.to_owned(), default(rest))).collect();
    let known = UPSTREAM_KEYS.iter().map(|key| (key.name.to_owned(), key.default.map(str::to_owned)));
    let known: Vec<_> = known.collect();
    assert_eq!(documented[..known.len()], known);
    assert!(UPSTREAM_KEYS.iter().all(|key| key.help.ends_with('.') && !key.help.contains('\n')));
}

#[test]
fn the_example_file_is_the_one_that_the_table_of_settings_makes() {
    let expected = example();
    if std::env::var_os("ARTIGATE_TEST_BLESS").is_some() {
        std::fs::write(top().join(EXAMPLE), &expected).unwrap();
    }
    let rewrite = "ARTIGATE_TEST_BLESS=1 cargo test --test it docs::settings rewrites it";
    assert!(text_of(EXAMPLE) == expected, "{EXAMPLE} is not what the settings make it; {rewrite}");
}

#[test]
fn the_example_file_sets_nothing_and_uncommented_every_setting_to_its_default() {
    let example = Explained::read(Some(&top().join(EXAMPLE)), []);
    assert!(example.faults.is_empty(), "{:?}", example.faults);
    assert!(example.values.iter().all(|setting| setting.origin == Origin::Default));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("artigate.toml");
    let uncommented = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => format!("{setting}\n"),
        _ => format!("{line}\n"),
    };
    std::fs::write(&file, text_of(EXAMPLE).lines().map(uncommented).collect::<String>()).unwrap();
    let read = Explained::read(Some(&file), []);
    assert!(read.faults.is_empty(), "{:?}", read.faults);
    for (setting, known) in read.values.iter().zip(known()) {
        assert_eq!(setting.key, known.key);
        assert_eq!(setting.origin, Origin::File(file.clone()), "{} is not in the example", known.key);
        if known.value.is_some() {
            assert_eq!(setting.value, known.value, "{}", known.key);
        }
    }
}
