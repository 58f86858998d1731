//! `artigate upstream check`: what an operator sees of an upstream.

use super::{BUILD, DEVELOPER, small};
use crate::program::artigate;
use crate::support::gitlab::{Failure, StubToken};

/// Runs the command with a token: the exit code, and what it printed to both outputs.
fn check(gitlab: &str, arguments: &[&str], token: Option<&str>) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("[[upstream]]\nname = 'main'\nkind = 'gitlab'\nurl = '{gitlab}/'\n");
    std::fs::write(folder.path().join("artigate.toml"), settings).unwrap();
    let mut command = artigate(folder.path(), &[&["upstream", "check"], arguments].concat());
    if let Some(token) = token {
        command.env("ARTIGATE_UPSTREAM_TOKEN", token);
    }
    let output = command.output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    for text in [&out, &err] {
        assert!(token.is_none_or(|token| !text.contains(token)), "{text}");
    }
    (output.status.code(), out, err)
}

#[test]
fn everything_is_asked_once_and_told_in_a_table() {
    let gitlab = small();
    let (code, out, err) = check(&gitlab.url, &["main"], Some(DEVELOPER));
    assert_eq!(code, Some(0), "{out}{err}");
    for (question, answer) in [
        ("GET /personal_access_tokens/self", "works: scopes [\"api\"], expires never"),
        ("GET /user ", "works: user \"up-developer\""),
        ("GET /projects/:id/pipelines", "works: 1 of them"),
        ("GET /projects/:id ", "works: project \"group/app\""),
        ("GET /projects/:id/members/all/:user_id", "works: level 30"),
        ("throttle_authenticated_api", "1990 of 2000 calls left"),
        ("clock", " s behind"),
    ] {
        let line = out
            .lines()
            .find(|line| line.starts_with(question))
            .unwrap_or_else(|| panic!("{question}: {out}"));
        assert!(line.contains(answer), "{line}");
    }
    assert_eq!(gitlab.asked().len(), 6);
    let (code, out, _) = check(&gitlab.url, &["main", "--json"], Some(BUILD));
    assert_eq!(code, Some(0), "{out}");
    let lines: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(lines[0]["question"], "GET /job");
    assert_eq!(lines[0]["answer"], "works: job 7001 of group/app");
    assert_eq!(gitlab.asked(), ["/job", "/job/allowed_agents", "/projects/7/jobs?per_page=1"]);
}

#[test]
fn what_a_token_may_not_is_told_and_what_does_not_work_is_an_error() {
    let gitlab = small();
    let few = StubToken::Personal { user: 30, scopes: &["read_user"], expires_at: Some("2099-01-01") };
    gitlab.state().tokens.insert("glpat-few".into(), few);
    let (code, out, _) = check(&gitlab.url, &["main", "--project", "group/app"], Some("glpat-few"));
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("expires 2099-01-01") && out.contains("the token may not: 403"), "{out}");
    let (code, _, err) = check(&gitlab.url, &["main"], Some("glpat-nobodys"));
    assert!(code == Some(1) && err.contains("the upstream refuses the token"), "{err}");
    gitlab.state().failure = Some(Failure::Status(502));
    let (code, out, err) = check(&gitlab.url, &["main"], Some(DEVELOPER));
    assert!(
        code == Some(1) && out.contains("fails: status 502") && err.contains("does not answer"),
        "{out}{err}"
    );
    let (code, out, _) = check("http://127.0.0.1:1", &["main"], Some(DEVELOPER));
    assert!(code == Some(1) && out.contains("fails: no connection"), "{out}");
    for (arguments, token, why) in [
        (["main"], None, "ARTIGATE_UPSTREAM_TOKEN is not set"),
        (["other"], Some(DEVELOPER), "there is no upstream \"other\"; the settings name main"),
    ] {
        let (code, _, err) = check(&gitlab.url, &arguments, token);
        assert!(code == Some(2) && err.contains(why), "{err}");
    }
    gitlab.calls();
}
