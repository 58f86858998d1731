//! Settings: their sources, which source wins, and the errors that stop the start.

use std::path::Path;

use artigate::domain::expiry::Lifetime;
use artigate::settings::{DatabaseUrl, Explained, Origin, Settings, StorageUrl};
use secrecy::ExposeSecret;

fn load(toml: &str, environment: &[(&str, &str)]) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, toml).unwrap();
    from(Some(&file), environment)
}

fn from(file: Option<&Path>, environment: &[(&str, &str)]) -> Result<Settings, String> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::load(file, environment).map_err(|e| e.to_string())
}

#[test]
fn without_anything_the_defaults_hold() {
    let settings = from(None, &[]).unwrap();
    assert_eq!(settings.listen, "127.0.0.1:8929");
    assert_eq!(settings.max_artifact_bytes, Some(100 << 20));
    assert_eq!(settings.default_expire_in, Lifetime::Seconds(30 * 86_400));
    assert!(
        matches!(settings.database, DatabaseUrl::Sqlite(path) if path == Path::new("artigate-data/artigate.db"))
    );
    let StorageUrl::Directory(blobs) = settings.storage else { panic!("{:?}", settings.storage) };
    assert_eq!(blobs, Path::new("artigate-data/blobs"));
}

#[test]
fn the_environment_wins_over_the_file() {
    let toml = "[server]\nlisten = '0.0.0.0:1'\ndrain_timeout = 7\n[limits]\nmax_artifact_size = '1 GB'\nfailed_auth_per_minute = 0\n[storage]\ndirect_download = true";
    let settings = load(
        toml,
        &[
            ("ARTIGATE_SERVER__LISTEN", "[::1]:2"),
            ("ARTIGATE_RETENTION__DEFAULT_EXPIRE_IN", "never"),
            ("ARTIGATE_RETENTION__SWEEP_INTERVAL", "0"),
            ("ARTIGATE_SERVER__EXTERNAL_URL", "https://ci.example.com/artifacts/"),
            ("ARTIGATE_LOG", "debug"),
            ("OTHER__THING", "ignored"),
        ],
    );
    let settings = settings.unwrap();
    assert_eq!(settings.listen, "[::1]:2");
    assert_eq!(settings.drain_timeout.as_secs(), 7);
    assert_eq!(settings.max_artifact_bytes, Some(1_000_000_000));
    assert_eq!(settings.failed_auth_per_minute, 0);
    let proxies = load("[server]\ntrusted_proxies = '10.0.0.0/8, ::1'", &[]).unwrap().trusted_proxies;
    assert_eq!(proxies, ["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]);
    assert_eq!(load("[limits]\nmax_document_size = '1 MiB'", &[]).unwrap().max_document_bytes, 1 << 20);
    assert_eq!(settings.default_expire_in, Lifetime::Never);
    assert!(settings.sweep_interval.is_zero());
    assert!(settings.direct_download);
    assert_eq!(settings.external_url.as_deref(), Some("https://ci.example.com/artifacts"));
    assert_eq!(load("", &[("ARTIGATE_LIMITS__MAX_ARTIFACT_SIZE", "0")]).unwrap().max_artifact_bytes, None);
}

#[test]
fn an_unknown_key_or_a_wrong_value_names_itself_and_its_origin() {
    for (toml, environment, expected) in [
        ("[server]\nport = 1", vec![], vec!["unknown key server.port", "gateway.toml"]),
        ("listen = 'x'", vec![], vec!["unknown key listen", "gateway.toml"]),
        ("[sever]\nlisten = 'x'", vec![], vec!["unknown key sever.listen", "gateway.toml"]),
        ("[server]\nlisten = 'nowhere'", vec![], vec!["server.listen", "gateway.toml", "host:port"]),
        ("[server]\nlisten = ['x']", vec![], vec!["server.listen", "gateway.toml", "string"]),
        ("[server\n", vec![], vec!["gateway.toml"]),
        ("", vec![("ARTIGATE_SERVER__PORT", "1")], vec!["unknown key server.port", "ARTIGATE_SERVER__PORT"]),
        (
            "",
            vec![("ARTIGATE_LIMITS__MAX_ARTIFACT_SIZE", "lots")],
            vec!["limits.max_artifact_size", "ARTIGATE_LIMITS__MAX_ARTIFACT_SIZE", "100 MiB"],
        ),
        ("[limits]\nmax_document_size = 0", vec![], vec!["limits.max_document_size", "1 GiB"]),
        ("[server]\ntrusted_proxies = 'lo'", vec![], vec!["server.trusted_proxies", "\"lo\"", "10.0.0.0/8"]),
        ("", vec![("ARTIGATE_SERVER__DRAIN_TIMEOUT", "soon")], vec!["server.drain_timeout", "30 days"]),
        (
            "",
            vec![("ARTIGATE_STORAGE__DIRECT_DOWNLOAD", "maybe")],
            vec!["storage.direct_download", "true or false"],
        ),
        ("", vec![("ARTIGATE_STORAGE__URL", "s3://")], vec!["storage.url", "s3://BUCKET/PREFIX"]),
        ("", vec![("ARTIGATE_STORAGE__URL", "s3://a b/c")], vec!["storage.url", "s3://BUCKET/PREFIX"]),
        ("", vec![("ARTIGATE_STORAGE__URL", "s3://bucket/../x")], vec!["storage.url", "single slashes"]),
        ("", vec![("ARTIGATE_STORAGE__URL", "s3://bucket/a//b")], vec!["storage.url", "single slashes"]),
        ("", vec![("ARTIGATE_STORAGE__URL", "ftp://x")], vec!["storage.url", "file://PATH"]),
        ("", vec![("ARTIGATE_SERVER__EXTERNAL_URL", "ci.example.com")], vec!["server.external_url", "http"]),
    ] {
        let error = load(toml, &environment).unwrap_err();
        for part in expected {
            assert!(error.contains(part), "{error:?} does not say {part:?}");
        }
    }
    let missing = from(Some(Path::new("no/such/file.toml")), &[]).unwrap_err();
    assert!(missing.contains("no/such/file.toml"), "{missing}");
}

#[test]
fn never_is_taken_where_something_may_never_be_done_and_told_of_nowhere_else() {
    for key in ["sweep_interval", "gc_interval"] {
        let settings = load(&format!("[retention]\n{key} = 'never'"), &[]).unwrap();
        assert_eq!(settings.sweep_interval.is_zero(), key == "sweep_interval");
        assert_eq!(settings.gc_interval.is_zero(), key == "gc_interval");
        let error = load(&format!("[retention]\n{key} = 'soon'"), &[]).unwrap_err();
        assert!(error.ends_with("3600 (seconds) or never"), "{error}");
    }
    for (section, key) in [
        ("server", "drain_timeout"),
        ("server", "head_timeout"),
        ("server", "keep_alive"),
        ("server", "stall_timeout"),
        ("database", "timeout"),
        ("storage", "timeout"),
        ("retention", "orphan_grace"),
    ] {
        let error = load(&format!("[{section}]\n{key} = 'never'"), &[]).unwrap_err();
        let expected = "expected a duration such as 30 days, 2 hrs 20 min or 3600 (seconds)";
        assert!(
            error.starts_with(&format!("{section}.{key} (from ")) && error.ends_with(expected),
            "{error}"
        );
    }
}

#[test]
fn a_name_that_no_setting_has_stops_the_start_and_says_which_one_was_meant() {
    for (toml, environment, expected) in [
        ("", ("ARTIGATE_SERVER_LISTEN", "a:1"), "did you mean ARTIGATE_SERVER__LISTEN?"),
        ("", ("ARTIGATE_DATABASE_URL", "postgres://db/x"), "did you mean ARTIGATE_DATABASE__URL?"),
        ("", ("ARTIGATE_LISTEN", "a:1"), "did you mean ARTIGATE_SERVER__LISTEN or ARTIGATE_METRICS__LISTEN?"),
        ("", ("ARTIGATE_LOGFORMAT", "json"), "did you mean ARTIGATE_LOG_FORMAT?"),
        ("", ("ARTIGATE_STORAGE__ULR", "file://x"), "did you mean ARTIGATE_STORAGE__URL?"),
        ("", ("ARTIGATE_NONSENSE", "x"), "ARTIGATE_SECTION__KEY"),
        (
            "[server]\nlisen = 'a:1'",
            ("HOME", "/"),
            "did you mean server.listen? The keys of [server] are listen, ",
        ),
        ("listen = 'a:1'", ("HOME", "/"), "did you mean server.listen or metrics.listen?"),
        ("[server]\nport = 1", ("HOME", "/"), "The keys of [server] are listen, "),
    ] {
        let error = load(toml, &[environment]).unwrap_err();
        assert!(
            error.starts_with("unknown ") && error.contains(expected),
            "{error:?} does not say {expected:?}"
        );
    }
    for (name, value) in [
        ("ARTIGATE_LOG", "debug"),
        ("ARTIGATE_TEST_POSTGRES", "postgres://db/x"),
        ("ARTIGATE_BIN", "/usr/bin/artigate"),
        ("ARTIGATE_SERVICE_HOST", "10.0.0.1"),
        ("ARTIGATE_PORT", "tcp://10.0.0.1:80"),
        ("artigate_server_listen", "a:1"),
    ] {
        load("", &[(name, value)]).unwrap_or_else(|why| panic!("{why}"));
    }
}

#[test]
fn a_file_that_is_no_toml_is_named_once_with_the_place_and_without_the_line() {
    let error = load("[database]\nurl = 'postgres://u:hunter2@h/db'x", &[]).unwrap_err();
    assert!(error.contains("gateway.toml: line 2, column "), "{error}");
    assert_eq!(error.matches("gateway.toml").count(), 1, "{error}");
    assert!(!error.contains('\n') && !error.contains("hunter2"), "{error}");
}

#[test]
fn every_fault_is_found_and_every_setting_says_where_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let read = |toml: &str, environment: &[(&str, &str)]| {
        std::fs::write(&file, toml).unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Explained::read(Some(&file), environment)
    };
    let explained = read(
        "[server]\nlisten = 'nowhere'\nport = 1\n[limits]\nmax_artifact_size = 'lots'",
        &[("ARTIGATE_SERVER_LISTEN", "a:1"), ("ARTIGATE_RETENTION__SWEEP_INTERVAL", "soon")],
    );
    assert_eq!(explained.faults.len(), 5, "{:?}", explained.faults);
    let explained = read(
        "[server]\nlisten = '127.0.0.1:1'\ndrain_timeout = 7",
        &[
            ("ARTIGATE_SERVER__LISTEN", "127.0.0.1:2"),
            ("ARTIGATE_DATABASE__URL", "postgres://alice:hunter2@db/x?sslmode=disable"),
            ("ARTIGATE_STORAGE__URL", "s3://bucket"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("AWS_REGION", "eu-1"),
        ],
    );
    assert!(explained.faults.is_empty(), "{:?}", explained.faults);
    assert!(!format!("{:?}", explained.values).contains("hunter2"));
    assert_eq!(explained.settings.file.as_deref(), Some(file.as_path()));
    let variable = |name: &str| Origin::Variable(name.to_owned());
    for (key, value, origin) in [
        ("server.listen", Some("127.0.0.1:2"), variable("ARTIGATE_SERVER__LISTEN")),
        ("server.drain_timeout", Some("7"), Origin::File(file.clone())),
        ("server.external_url", None, Origin::Default),
        ("limits.max_artifact_size", Some("100 MiB"), Origin::Default),
        (
            "database.url",
            Some("postgres://alice:***@db/x?sslmode=disable"),
            variable("ARTIGATE_DATABASE__URL"),
        ),
        ("AWS_REGION", Some("eu-1"), variable("AWS_REGION")),
        ("AWS_SECRET_ACCESS_KEY", Some("***"), variable("AWS_SECRET_ACCESS_KEY")),
    ] {
        let setting = explained.values.iter().find(|setting| setting.key == key).expect(key);
        assert_eq!((setting.value.as_deref(), &setting.origin), (value, &origin), "{key}");
    }
}

#[test]
fn a_bucket_is_named_by_its_url_and_reached_by_the_usual_variables() {
    let environment = [
        ("ARTIGATE_STORAGE__URL", "s3://bucket/a/b/"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_SESSION_TOKEN", ""),
        ("AWS_ENDPOINT_URL", ""),
        ("HOME", "/root"),
    ];
    let settings = load("", &environment).unwrap();
    let StorageUrl::Bucket(url) = &settings.storage else { panic!("{:?}", settings.storage) };
    assert_eq!((url.bucket.as_str(), url.prefix.as_str()), ("bucket", "a/b"));
    let [(name, value)] = &url.options[..] else { panic!("{url:?}") };
    assert_eq!((name.as_str(), value.expose_secret()), ("AWS_SECRET_ACCESS_KEY", "hunter2"));
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn a_database_url_is_checked_without_repeating_its_password() {
    let url = |url: &str| load("", &[("ARTIGATE_DATABASE__URL", url)]);
    for good in ["postgres://u:p@h/db", "postgresql://h/db?sslmode=disable"] {
        let DatabaseUrl::Postgres(stored) = url(good).unwrap().database else { panic!("{good}") };
        assert_eq!(stored.expose_secret(), good);
    }
    for bad in [
        "mysql://u:hunter2@h/db",
        "postgres://u:hunter2@h/db?sslmode=require",
        "postgres://u:hunter2@h/db?x=1&sslmode=prefer",
        "sqlite://",
        "sqlite://:memory:",
        "postgres://u:hunter2@x@h/db",
        "postgres://u:hunter2/x@h/db",
    ] {
        let error = url(bad).unwrap_err();
        assert!(error.contains("database.url") && !error.contains("hunter2"), "{error}");
    }
    assert!(!format!("{:?}", url("postgres://u:hunter2@h/db").unwrap()).contains("hunter2"));
}
