//! Uploads of one project at once: counters and quotas let none of them wait for another without an end, nor fail.

use artigate::catalog::{tombstones, usage};
use serde_json::json;

use super::{count, stored};
use crate::administration::done;
use crate::buildkite::agent::Agent;
use crate::github;
use crate::support::fixture::Fixture;
use crate::support::fixtures::{self, RUNNING, UPLOAD};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Form, Request};
use crate::support::zips;

on_both_databases!(uploads_of_all_dialects_at_once_are_all_stored);

fn uploads_of_all_dialects_at_once_are_all_stored(gateway: Gateway) {
    const RUNNERS: i64 = 3;
    const KINDS: [&str; 4] = ["archive", "junit", "sast", "dast"];
    const OTHERS: i64 = 6;
    let mut made = Fixture::project("group/project").pipeline(200, "main").status("running");
    made = made.job(20, "build").status("running").token(RUNNING);
    for job in 1..=RUNNERS {
        made = made.job(job, &format!("j{job}")).status("running").token(&format!("glcbt-{job}"));
    }
    made.load(&gateway);
    done(&gateway, &["project", "set", "group/project", "--max-storage", "1 GiB"]);
    done(&gateway, &["group", "set", "group", "--max-storage", "1 GiB"]);
    let token = github::runtime_token(&gateway, "20", RUNNING);
    let block = zips::deflated(&[("z", b"block")]);
    std::thread::scope(|scope| {
        let (gateway, token, block) = (&gateway, &token, &block);
        for job in 1..=RUNNERS {
            scope.spawn(move || {
                for kind in KINDS {
                    let path =
                        super::upload_path(kind).replace(UPLOAD, &format!("/api/v4/jobs/{job}/artifacts"));
                    let request = gateway.post(&path).job_token(&format!("glcbt-{job}"));
                    let answer = request.form(Form::default().file("a", b"12345")).send();
                    assert_eq!(answer.status, 201, "{}", answer.text());
                }
            });
        }
        scope.spawn(move || {
            for number in 0..OTHERS {
                github::upload(gateway, token, &format!("bin-{number}"), block, 10, json!({}));
            }
        });
        scope.spawn(move || {
            let agent = Agent::new(gateway.address, RUNNING, "20", "200");
            for number in 0..OTHERS {
                agent.upload(&format!("batch-{number}"), &[(format!("{number}.log").as_str(), b"123")]);
            }
        });
        // Meanwhile rows of counters are merged.
        for _ in 0..10 {
            count(gateway);
        }
    });
    let uploads = RUNNERS * KINDS.len() as i64;
    let bytes = uploads * 5 + OTHERS * (block.len() as i64 + 3);
    assert_eq!(stored(&gateway), (uploads + 2 * OTHERS, bytes, 0));
    count(&gateway);
    assert_eq!(stored(&gateway).1, bytes);
}

/// On PostgreSQL, where transactions run at once.
#[test]
fn an_upload_waits_for_no_other_change_of_its_project() {
    let gateway = Gateway::on_postgres();
    fixtures::small(&gateway, b"bytes");
    let (address, now) = (gateway.address, gateway.now());
    let (status, seen) = gateway.write_catalog(move |db| {
        tombstones::soft_delete_job(db, 10, true, now)?;
        let form = Form::default().file("a.zip", b"12");
        let answer = Request::new(address, "POST", UPLOAD).job_token(RUNNING).form(form).send();
        Ok((answer.status, usage::of_all(db)?))
    });
    assert_eq!((status, seen.artifacts, seen.bytes), (201, 1, 2));
    assert_eq!(stored(&gateway), (1, 2, 1));
}
