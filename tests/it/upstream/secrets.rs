//! No token that is sent on is ever written anywhere: not in the log, not in the database, not in an answer.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use super::{APP, BUILD, DEVELOPER, GUEST, OUTSIDER, TEST, small};
use crate::program::Serving;
use crate::support::gitlab::Failure;
use crate::support::http_client::{Answer, Form, Request};

const RUNNER: &str = "glrt-up-runner";
const OF_PAYLOAD: &str = "glcbt-64_up-payload";

const JUNK: [&str; 3] = ["glpat-up-junk", "glcbt-64_up-junk", "eyJ.up-junk.x"];

/// The files below a folder, with their contents.
fn all_files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all_files(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found
}

#[test]
fn no_token_that_is_sent_on_reaches_a_log_a_database_or_an_answer() {
    let gitlab = small();
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "[[upstream]]\nname = 'gitlab'\nkind = 'gitlab'\nurl = '{}'\nremember = 0\n\
         service_token_file = 'service'\n[limits]\nfailed_auth_per_minute = 0\n",
        gitlab.url
    );
    std::fs::write(folder.path().join("artigate.toml"), settings).unwrap();
    let service = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(service.path(), "glpat-up-service\n").unwrap();
    std::os::unix::fs::symlink(service.path(), folder.path().join("service")).unwrap();
    let log = folder.path().join("log");
    let serving = Serving::demo(folder.path(), Stdio::from(File::create(&log).unwrap()));
    let address = serving.base_url.trim_start_matches("http://").parse().unwrap();
    let request = |method: &str, path: &str| Request::new(address, method, path);
    let mut answers: Vec<Answer> = Vec::new();
    let all = |answers: &mut Vec<Answer>| {
        for token in [BUILD, TEST].into_iter().chain(JUNK) {
            let form = Form::default().file("a.zip", b"x");
            answers.push(request("POST", "/api/v4/jobs/7001/artifacts").job_token(token).form(form).send());
            answers.push(request("GET", APP).job_token(token).send());
            answers.push(request("GET", &format!("{APP}?job_token={token}")).send());
        }
        for token in [DEVELOPER, GUEST, OUTSIDER].into_iter().chain(JUNK) {
            for path in [APP, "/api/v4/projects/group%2Fapp/jobs/7001/artifacts/a.txt", "/api/v4/user"] {
                answers.push(request("GET", path).private_token(token).send());
                answers.push(request("GET", path).header("Authorization", &format!("Bearer {token}")).send());
            }
            answers.push(request("POST", &format!("{APP}/keep?private_token={token}")).send());
        }
        for answers_runners in [true, false] {
            {
                let mut state = gitlab.state();
                let job = format!(
                    r#"{{"token":"{OF_PAYLOAD}","job_info":{{"project_id":7}},"dependencies":[{{"id":7001,"token":"{TEST}"}}]}}"#
                );
                state.polls.answer(201, &[("Content-Type", "application/json")], job.as_bytes());
                if !answers_runners {
                    state.polls.answer.clear();
                }
            }
            let poll = request("POST", &format!("/api/v4/jobs/request?token={RUNNER}"));
            let poll = poll.header("Runner-Token", RUNNER).header("Content-Type", "application/json");
            let answer = poll.body(format!(r#"{{"token":"{RUNNER}"}}"#).into()).send();
            assert!(matches!(answer.status, 201 | 503), "{answer:?}");
        }
    };
    all(&mut answers);
    for failure in [Failure::Status(500), Failure::Hangup, Failure::Body("application/json", "{}")] {
        gitlab.state().failure = Some(failure);
        all(&mut answers);
    }
    assert!(answers.iter().any(|answer| answer.status == 200) && answers.iter().any(|it| it.status == 503));
    assert_eq!(serving.stop(), Some(0));
    let tokens = [BUILD, TEST, DEVELOPER, GUEST, OUTSIDER, "glpat-up-service", RUNNER, OF_PAYLOAD];
    let secret = |bytes: &[u8]| {
        let holds = |token: &&str| bytes.windows(token.len()).any(|window| window == token.as_bytes());
        tokens.into_iter().chain(JUNK).find(holds)
    };
    for (name, bytes) in all_files(folder.path()).into_iter().filter(|(name, _)| !name.ends_with("/service"))
    {
        assert_eq!(secret(&bytes), None, "{name}");
    }
    for answer in &answers {
        assert_eq!(
            secret(format!("{:?}", answer.headers).as_bytes()).or(secret(&answer.body)),
            None,
            "{answer:?}"
        );
    }
    let log = std::fs::read_to_string(log).unwrap();
    for (name, value) in [
        ("upstream", "job token: job 7001"),
        ("upstream", "token: of user 30, may read: yes, role: developer"),
        ("actor", "user 30 of gitlab"),
        ("actor", "job 7001 of group/app for up-developer"),
        ("upstream", "job token: status 500"),
        ("upstream", "job request: 201, archives of 1 dependencies"),
    ] {
        assert!(log.contains(&format!("\"{name}\":\"{value}\"")), "{name} {value}: {log}");
    }
    let complaints = log.matches("the upstream gives no answers").count();
    assert_eq!(complaints, 1, "one line a minute: {log}");
}
