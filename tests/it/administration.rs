//! The administration commands: users and tokens, and what holds of all of them. The real program runs beside a
//! server, on the same database.

mod projects;

use std::process::{Child, Command, Stdio};

use artigate::catalog::users::{self, UserChanges};
use artigate::domain::{Clock, Error, Sha256Digest};
use artigate::settings::DatabaseUrl;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::docs::paste;
use crate::program::{Serving, artigate};
use crate::support::fixtures::{self, ARCHIVE};
use crate::support::gateway::{Gateway, PostgresDatabase};
use crate::support::http_client::Request;

/// The program on the gateway's database.
pub(crate) fn command(gateway: &Gateway, arguments: &[&str]) -> Command {
    let url = match &gateway.app.settings.database {
        DatabaseUrl::Sqlite(path) => format!("sqlite://{}", path.display()),
        DatabaseUrl::Postgres(url) => url.expose_secret().to_owned(),
    };
    let mut command = artigate(gateway.path(), arguments);
    // A command that waits for a lock for ever fails instead. The test reads standard error without the audit
    // log, which has tests of its own.
    command.env("ARTIGATE_LOG", "info,audit=off");
    command.env("ARTIGATE_DATABASE__URL", url).env("PGOPTIONS", "-c lock_timeout=20s");
    command
}

pub(crate) fn run(gateway: &Gateway, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command(gateway, arguments).output().unwrap();
    let (out, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    (output.status.code(), out, error)
}

/// Returns the output of a command that must succeed without complaints.
pub(crate) fn done(gateway: &Gateway, arguments: &[&str]) -> String {
    let (code, out, error) = run(gateway, arguments);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{arguments:?}: {out}");
    out
}

pub(crate) fn parsed(gateway: &Gateway, arguments: &[&str]) -> Value {
    serde_json::from_str(&done(gateway, &[arguments, &["--json"]].concat())).unwrap()
}

/// One sentence on standard error, exit code 1.
pub(crate) fn refused(gateway: &Gateway, arguments: &[&str], sentence: &str) {
    let (code, out, error) = run(gateway, arguments);
    assert_eq!((code, out.as_str()), (Some(1), ""), "{arguments:?}");
    assert_eq!(error, format!("artigate: {sentence}\n"), "{arguments:?}");
}

fn token(gateway: &Gateway, arguments: &[&str]) -> String {
    let (code, out, error) = run(gateway, &[&["token", "create"], arguments].concat());
    assert_eq!(code, Some(0), "{error}");
    assert!(error.contains("shown only once") && !error.contains("glpat-"), "{error}");
    let token = out.strip_suffix('\n').unwrap();
    assert!(token.starts_with("glpat-") && token.len() == 49 && !token.contains(char::is_whitespace));
    token.to_owned()
}

pub(crate) fn status(gateway: &Gateway, token: &str) -> u16 {
    gateway.get(ARCHIVE).private_token(token).send().status
}

/// The small world, closed to all but its members.
fn private_world(gateway: &Gateway) {
    fixtures::small(gateway, b"bytes");
    done(gateway, &["project", "set", "group/project", "--visibility", "private"]);
}

on_both_databases!(
    a_user_is_created_listed_and_changed,
    a_created_token_opens_what_its_user_may_see_until_it_is_revoked,
    a_token_ends_when_it_was_told_to,
    no_output_tells_a_digest_or_a_token_again,
    looking_does_not_wait_for_a_long_change
);

fn a_user_is_created_listed_and_changed(gateway: Gateway) {
    assert_eq!(done(&gateway, &["user", "list"]), "ID  USERNAME  NAME  EMAIL  ADMIN  CREATED_AT\n");
    assert_eq!(parsed(&gateway, &["user", "list"]), json!([]));
    assert_eq!(done(&gateway, &["user", "create", "alice"]), "created user alice with ID 1\n");
    let bob =
        ["user", "create", "bob", "--id", "7", "--name", "Bob B.", "--email", "b@example.com", "--admin"];
    assert_eq!(done(&gateway, &bob), "created user bob with ID 7\n");
    assert_eq!(done(&gateway, &["user", "create", "eve"]), "created user eve with ID 8\n");
    done(&gateway, &["user", "set", "alice", "--name", "Alice", "--admin"]);
    done(&gateway, &["user", "set", "bob", "--email", "", "--no-admin"]);
    let users = parsed(&gateway, &["user", "list"]);
    let facts: Vec<Value> = users
        .as_array()
        .unwrap()
        .iter()
        .map(|user| {
            assert!(user["created_at"].as_str().unwrap().ends_with('Z'));
            json!([user["id"], user["username"], user["name"], user["email"], user["admin"]])
        })
        .collect();
    assert_eq!(
        facts,
        [
            json!([1, "alice", "Alice", null, true]),
            json!([7, "bob", "Bob B.", null, false]),
            json!([8, "eve", "eve", null, false]),
        ]
    );
    let text = done(&gateway, &["user", "list"]);
    assert!(text.contains("\n1   alice     Alice   -      yes    "), "{text}");
    refused(&gateway, &["user", "create", "bob"], "user \"bob\" already exists");
    refused(&gateway, &["user", "create", "carl", "--id", "7"], "ID 7 already belongs to user \"bob\"");
    refused(&gateway, &["user", "set", "carl", "--admin"], "there is no user \"carl\"");
    done(&gateway, &["user", "create", "last", "--id", &i64::MAX.to_string()]);
    let full = "the largest possible ID already belongs to a user; choose a smaller one";
    refused(&gateway, &["user", "create", "carl"], full);
}

fn a_created_token_opens_what_its_user_may_see_until_it_is_revoked(gateway: Gateway) {
    private_world(&gateway);
    let reader = token(&gateway, &["--user", "guest", "--name", "ci", "--scopes", "read_api"]);
    assert_eq!(status(&gateway, &reader), 200);
    let stranger = token(&gateway, &["--user", "outsider", "--scopes", "api"]);
    assert_eq!(status(&gateway, &stranger), 404);
    let narrow = token(&gateway, &["--user", "guest", "--scopes", "read_user,read_registry"]);
    assert_eq!(status(&gateway, &narrow), 403);
    let listed = parsed(&gateway, &["token", "list", "--user", "guest"]);
    let own = &listed.as_array().unwrap()[1];
    assert_eq!((&own["name"], &own["state"]), (&json!("ci"), &json!("active")));
    let id = own["id"].to_string();
    assert_eq!(done(&gateway, &["token", "revoke", &id]), format!("token {id} is revoked\n"));
    assert_eq!(status(&gateway, &reader), 401);
    done(&gateway, &["token", "revoke", &id]);
    let listed = parsed(&gateway, &["token", "list", "--user", "guest"]);
    assert_eq!(listed[1]["state"], "revoked");
    assert_eq!(listed[2]["scopes"], json!(["read_user", "read_registry"]));
    refused(&gateway, &["token", "revoke", "4711"], "there is no token 4711");
    refused(&gateway, &["token", "list", "--user", "carl"], "there is no user \"carl\"");
    let unknown = ["token", "create", "--user", "carl", "--scopes", "api"];
    refused(&gateway, &unknown, "there is no user \"carl\"");
}

fn a_token_ends_when_it_was_told_to(gateway: Gateway) {
    private_world(&gateway);
    gateway.load("users: [{id: 9, username: old, tokens: [{value: glpat-old, expires_at: 2020-01-01}]}]");
    let hour = token(&gateway, &["--user", "guest", "--scopes", "api", "--expires-in", "1 hour"]);
    token(&gateway, &["--user", "old", "--scopes", "api,api"]);
    token(&gateway, &["--user", "old", "--scopes", "api", "--expires-at", "9999-01-01"]);
    token(&gateway, &["--user", "old", "--scopes", "api", "--expires-in", "never"]);
    assert_eq!(status(&gateway, &hour), 200);
    let behind = Clock::System.now().as_millis() - gateway.now().as_millis();
    gateway.advance_clock(behind / 1000 + 3601);
    assert_eq!(status(&gateway, &hour), 401);
    let listed = parsed(&gateway, &["token", "list", "--user", "old"]);
    let states: Vec<&str> = listed.as_array().unwrap().iter().map(|t| t["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["expired", "active", "active", "active"]);
    assert_eq!(listed[1]["scopes"], json!(["api"]));
    let day = |name: &str| listed[1][name].as_str().unwrap()[..10].parse::<chrono::NaiveDate>().unwrap();
    assert_eq!((day("expires_at") - day("created_at")).num_days(), 365);
    assert_eq!(listed[2]["expires_at"], "9999-01-01T00:00:00.000Z");
    assert_eq!(listed[3]["expires_at"], Value::Null);
}

fn no_output_tells_a_digest_or_a_token_again(gateway: Gateway) {
    private_world(&gateway);
    let token = token(&gateway, &["--user", "guest", "--scopes", "api", "--log", "trace"]);
    let digest = Sha256Digest::of(token.as_bytes()).to_string();
    for arguments in [
        &["token", "list"][..],
        &["token", "list", "--json"],
        &["user", "list", "--json"],
        &["project", "show", "group/project", "--json"],
        &["token", "revoke", "1"],
        &["token", "revoke", "99"],
    ] {
        let (_, out, error) = run(&gateway, &[arguments, &["--log", "trace"]].concat());
        for secret in [&token, &digest, "glpat-"] {
            assert!(!out.contains(secret) && !error.contains(secret), "{arguments:?}: {out}{error}");
        }
    }
}

fn looking_does_not_wait_for_a_long_change(gateway: Gateway) {
    let new = UserChanges { username: "late".into(), name: None, email: None, admin: None };
    let mut list = command(&gateway, &["user", "list", "--json"]);
    let now = gateway.now();
    let change = gateway.app.catalog.write(move |db| {
        users::create(db, None, &new, now)?;
        Ok::<_, Error>(list.output().unwrap())
    });
    let output =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(change).unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"[]\n"[..]));
    assert_eq!(parsed(&gateway, &["user", "list"])[0]["username"], "late");
}

/// Ten programs at once, in a database that only has its tables yet.
fn ten_at_once_in_an_empty_database(url: Option<&str>) {
    let folder = tempfile::tempdir().unwrap();
    let start = |arguments: &[&str]| {
        let mut command = artigate(folder.path(), arguments);
        command.envs(url.map(|url| ("ARTIGATE_DATABASE__URL", url)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    assert!(start(&["migrate"]).wait().unwrap().success());
    let users: Vec<Child> =
        (0..10).map(|number| start(&["user", "create", &format!("user{number}")])).collect();
    for user in users {
        let output = user.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let listed = start(&["user", "list", "--json"]).wait_with_output().unwrap().stdout;
    let listed: Value = serde_json::from_slice(&listed).unwrap();
    let ids: Vec<i64> = listed.as_array().unwrap().iter().map(|user| user["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, (1..=10).collect::<Vec<_>>());
    let rivals: Vec<Child> = (0..10).map(|_| start(&["project", "create", "group/one"])).collect();
    let errors: Vec<Vec<u8>> = rivals
        .into_iter()
        .map(|rival| rival.wait_with_output().unwrap())
        .filter(|output| !output.status.success())
        .map(|output| output.stderr)
        .collect();
    assert_eq!(errors, vec![b"artigate: project \"group/one\" already exists\n"; 9]);
}

#[test]
fn ten_users_created_at_once_get_ten_numbers_on_sqlite() {
    ten_at_once_in_an_empty_database(None);
}

#[test]
fn ten_users_created_at_once_get_ten_numbers_on_postgres() {
    ten_at_once_in_an_empty_database(Some(&PostgresDatabase::create().url));
}

#[test]
fn a_server_never_logs_the_tokens_that_are_made_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let serving = Serving::demo(folder.path(), Stdio::from(std::fs::File::create(&log).unwrap()));
    let create = ["token", "create", "--user", "alice", "--scopes", "read_api"];
    let token = String::from_utf8(artigate(folder.path(), &create).output().unwrap().stdout).unwrap();
    let address = serving.base_url.trim_start_matches("http://").parse().unwrap();
    let get = || {
        let request = Request::new(address, "GET", "/api/v4/projects/2/jobs/1016/artifacts");
        request.private_token(token.trim_end()).send().status
    };
    assert_eq!(get(), 200);
    let list = artigate(folder.path(), &["token", "list", "--json"]).output().unwrap().stdout;
    let list: Value = serde_json::from_slice(&list).unwrap();
    let id = list.as_array().unwrap().last().unwrap()["id"].to_string();
    assert!(artigate(folder.path(), &["token", "revoke", &id]).output().unwrap().status.success());
    assert_eq!(get(), 401);
    assert_eq!(serving.stop(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    let digest = Sha256Digest::of(token.trim_end().as_bytes()).to_string();
    assert!(log.contains("/api/v4/projects/2") && !log.contains("glpat-") && !log.contains(&digest), "{log}");
}

#[test]
fn wrong_use_exits_with_2_and_names_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let create = |more: &[&'static str]| [&["token", "create", "--user", "a"], more].concat();
    for (arguments, says) in [
        (create(&[]), "--scopes"),
        (create(&["--scopes", "api,sudo"]), "api, read_api, read_user, read_repository, write_repository"),
        (create(&["--scopes", "api", "--expires-in", "0"]), "above zero, or never"),
        (create(&["--scopes", "api", "--expires-in", "soon"]), "expected a duration"),
        (
            create(&["--scopes", "api", "--expires-at", "2020-01-01"]),
            "--expires-at: 2020-01-01T00:00:00.000Z is in the past",
        ),
        (
            create(&["--scopes", "api", "--expires-at", "2999-01-01", "--expires-in", "1 day"]),
            "cannot be used with",
        ),
        (vec!["token", "revoke", "x"], "invalid value 'x'"),
        (vec!["user", "create", "a b"], "expected a name without spaces"),
        (vec!["user", "create", "a", "--id", "0"], "--id"),
        (vec!["user", "set", "a"], "--no-admin"),
        (vec!["user", "set", "a", "--admin", "--no-admin"], "cannot be used with"),
        (vec!["project", "create", "a//b"], "expected a full path"),
        (vec!["project", "create", "42"], "expected a full path"),
        (vec!["project", "set", "a/b"], "--visibility"),
        (vec!["project", "set", "a/b", "--visibility", "secret"], "private, internal, public"),
        (vec!["project", "set", "a/b", "--public-jobs", "maybe"], "on, off"),
        (
            vec!["project", "set", "a/b", "--max-artifact-size", "0"],
            "expected a size such as 10 MiB, or none",
        ),
        (vec!["project", "member", "add", "a/b", "c", "boss"], "guest, planner, reporter"),
        (vec!["project", "allow", "a/b", "c d"], "expected a full path"),
    ] {
        let output = artigate(folder.path(), &arguments).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{arguments:?}");
        assert!(error.contains(says), "{arguments:?}: {error}");
    }
    assert!(!folder.path().join("artigate-data").exists(), "wrong use touches no database");
}

#[test]
fn the_help_of_each_group_shows_examples_that_are_right() {
    let folder = tempfile::tempdir().unwrap();
    for group in ["user", "project", "group", "token"] {
        assert!(artigate(folder.path(), &["migrate"]).output().unwrap().status.success());
        let help = artigate(folder.path(), &[group, "--help"]).output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        let examples = help.split("Examples:\n").nth(1).unwrap().split("\n\n").next().unwrap();
        assert!(examples.contains(&format!("artigate {group} ")), "{help}");
        // There is one token here, not seven.
        paste(folder.path(), &examples.replace("revoke 7", "revoke 1"));
    }
}
