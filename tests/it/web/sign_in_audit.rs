//! What the log says of signing in: one audit line each, and no secret.

use std::fs::File;
use std::process::Stdio;

use serde_json::{Value, json};

use super::browser::Browser;
use super::sign_in::location;
use crate::program::{Serving, artigate};

#[test]
fn signing_in_and_out_and_the_end_of_a_session_have_one_line_each_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let serving = Serving::demo(folder.path(), Stdio::from(File::create(&log).unwrap()));
    let browser = || Browser::at(serving.address());
    let mut secrets = vec!["glpat-s3cret".to_owned()];
    let wrong = browser();
    assert_eq!(wrong.sign_in("glpat-s3cret", "/?private_token=glpat-s3cret").status, 422);
    let first = browser();
    assert_eq!(first.sign_in("glpat-demo-alice", "/").status, 303);
    secrets.push(first.cookie());
    assert_eq!(first.open("/-/sessions").status, 200);
    let second = browser();
    assert_eq!(second.sign_in("glpat-demo-alice", "/").status, 303);
    secrets.push(second.cookie());
    assert_eq!(second.submit("/-/sessions/end?id=1", &[]).status, 303);
    assert_eq!(location(&first.open("/")), "/-/sign_in?ended=1", "nothing is left to be ended");
    assert_eq!(second.submit("/-/sign_out", &[]).status, 303);
    assert_eq!(second.submit_from(&[("Sec-Fetch-Site", "cross-site")], "/-/sign_out", &[]).status, 403);
    let third = browser();
    assert_eq!(third.sign_in("glpat-demo-alice", "/").status, 303);
    secrets.push(third.cookie());
    let tokens = artigate(folder.path(), &["token", "list", "--user", "alice", "--json"]).output().unwrap();
    let tokens: Value = serde_json::from_slice(&tokens.stdout).unwrap();
    for token in tokens.as_array().unwrap() {
        let id = token["id"].to_string();
        assert!(artigate(folder.path(), &["token", "revoke", &id]).output().unwrap().status.success());
    }
    assert_eq!(location(&third.open("/")), "/-/sign_in?ended=1");
    assert_eq!(third.cookies(), "", "revoked on the command line, it is over with the next click");
    assert_eq!(serving.stop(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret} in {log}");
    }
    assert!(!log.contains("glpat-"), "{log}");
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    let lines: Vec<Value> = lines.filter(|line| line["target"] == "audit").collect();
    let said = |line: &Value| {
        let of = |name: &str| line.get(name).cloned().unwrap_or(Value::Null);
        json!([of("action"), of("outcome"), of("actor"), of("credential"), of("status"), of("subject")])
    };
    let lines: Vec<Value> = lines.iter().map(said).collect();
    let expected = [
        json!(["session.create", "refused", "unknown", "bearer", 422, null]),
        json!(["session.create", "done", "user alice", "personal_token", 303, "session 1"]),
        json!(["session.create", "done", "user alice", "personal_token", 303, "session 2"]),
        json!(["session.delete", "done", "user alice", "session", 303, "session 1"]),
        json!(["session.delete", "done", "user alice", "session", 303, "session 2"]),
        json!(["session.delete", "refused", "unknown", "none", 403, null]),
        json!(["session.create", "done", "user alice", "personal_token", 303, "session 3"]),
        json!([
            "session.end",
            "done",
            "user alice",
            "session",
            null,
            "session 3: token of the session is revoked"
        ]),
    ];
    assert_eq!(lines, expected, "{lines:#?}");
}
