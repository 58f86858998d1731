//! The stack before a GitLab: a proxy, two nodes, and a GitLab of which nobody has registered anything. The nodes ask
//! GitLab at the proxy's address, as its users do.

use std::path::Path;
use std::process::Command;

use super::fronts::{Front, Kind};
use super::nginx_and_haproxy::{Got, curl};
use super::shipped;
use crate::support::gitlab::{StubGitLab, StubJob};
use crate::support::zips;
use crate::upstream::{BUILD, DEVELOPER, REPORTER, TEST, small};

struct Stack {
    front: Front,
    gitlab: StubGitLab,
}

impl Stack {
    fn start(kind: Kind) -> Self {
        let gitlab = small();
        gitlab.stand_behind("");
        let front = Front::start_before(kind, gitlab.authority(), |url| {
            format!("[[upstream]]\nname = 'gitlab'\nkind = 'gitlab'\nurl = '{url}'\n")
        });
        gitlab.stand_behind(&front.base_url);
        Self { front, gitlab }
    }

    fn curl(&self, header: &str, more: &[&str], path: &str) -> Got {
        curl(&self.front, &[&["-H", header], more].concat(), path)
    }

    fn finish(&self, job: i64) {
        let mut state = self.gitlab.state();
        state.jobs.get_mut(&job).unwrap().status = "success";
        state.pipelines.get_mut(&701).unwrap().status = "success";
    }

    /// Whether a request reaches the GitLab, and nobody has answered it before.
    fn reaches_gitlab(&self, header: &str, path: &str) -> bool {
        self.gitlab.calls();
        self.curl(header, &[], path);
        let calls = self.gitlab.calls();
        calls.len() == 1 && calls[0].path == format!("/base{path}")
    }
}

fn job_token(token: &str) -> String {
    format!("JOB-TOKEN: {token}")
}

fn user(token: &str) -> String {
    format!("PRIVATE-TOKEN: {token}")
}

fn runner_asks(stack: &Stack) -> Got {
    let json = ["-H", "Content-Type: application/json", "-d", r#"{"token":"glrt-up"}"#];
    stack.curl("Runner-Token: glrt-up", &json, "/api/v4/jobs/request")
}

fn answer_runners(stack: &Stack) -> &'static str {
    let job = r#"{"id":7002,"job_info":{"project_id":7},"dependencies":[{"id":7001,"token":"t"}]}"#;
    stack.gitlab.state().polls.answer(201, &[("Content-Type", "application/json")], job.as_bytes());
    job
}

fn a_pipeline_runs_with_nothing_registered(kind: Kind) {
    let stack = Stack::start(kind);
    let archive = zips::deflated(&[("a.txt", b"text")]);
    let file = stack.front.folder.path().join("up.zip");
    std::fs::write(&file, &archive).unwrap();
    let form = format!("file=@{};filename=artifacts.zip", file.display());
    let runners_path = "/api/v4/jobs/7001/artifacts";
    let uploaded = stack.curl(&job_token(BUILD), &["-F", &form], runners_path);
    assert_eq!(uploaded.status, 201, "{} {}", uploaded.text(), stack.front.log());
    // The runner of the next job is told of it, and fetches it.
    let job = answer_runners(&stack);
    let told = runner_asks(&stack);
    let artifacts =
        format!(r#""t","artifacts_file":{{"filename":"artifacts.zip","size":{}}}"#, archive.len());
    assert_eq!((told.status, told.text()), (201, job.replace(r#""t""#, &artifacts)), "{}", stack.front.log());
    let seen = std::mem::take(&mut stack.gitlab.state().polls.seen);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].body, br#"{"token":"glrt-up"}"#);
    let fetched = stack.curl(&job_token(TEST), &[], runners_path);
    assert!(fetched.status == 200 && fetched.body == archive, "{}", fetched.text());
    // People read a file by ref.
    stack.finish(7001);
    let by_ref = "/api/v4/projects/group%2Fapp/jobs/artifacts/main/raw/a.txt?job=build";
    let read = stack.curl(&user(DEVELOPER), &[], by_ref);
    assert_eq!((read.status, read.text().as_str()), (200, "text"));
    assert_eq!(curl(&stack.front, &[], by_ref).status, 404);
    // What ran before the switch is fetched from GitLab.
    let old = zips::deflated(&[("a.txt", b"old")]);
    let mut before = StubJob::of(701, "before", "success", Some(30));
    before.archive = Some(old.clone());
    stack.gitlab.state().jobs.insert(7000, before);
    let read = stack.curl(&user(REPORTER), &[], "/api/v4/projects/7/jobs/7000/artifacts");
    assert!(read.status == 200 && read.body == old, "{}", read.text());
    for path in [
        "/",
        "/group/app/-/jobs/7001",
        "/api/v4/jobs/7001/trace",
        "/api/v4/user",
        "/api/v4/projects/group%2Fapp",
        "/api/v4/projects/7/jobs/7001",
        "/oauth/token/info",
    ] {
        assert!(stack.reaches_gitlab(&user(DEVELOPER), path), "{path}");
    }
}

#[test]
fn a_pipeline_runs_behind_nginx_with_nothing_registered() {
    a_pipeline_runs_with_nothing_registered(Kind::NginxBeforeGitlab);
}

#[test]
fn a_pipeline_runs_behind_haproxy_with_nothing_registered() {
    a_pipeline_runs_with_nothing_registered(Kind::HaproxyBeforeGitlab);
}

/// The shell lines that a job has from the template.
fn script(template: &str, part: &str) -> String {
    let text = shipped("gitlab/artigate.gitlab-ci.yml");
    let document: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    let lines = document[template][part].as_array().unwrap();
    lines.iter().map(|line| line.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Runs shell lines as the job with this number and token.
fn run_as(stack: &Stack, (id, token): (&str, &str), folder: &Path, script: &str) {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).current_dir(folder);
    // Of the projects' split a runner's paths are GitLab's, so jobs know artigate's own address.
    command.env("ARTIGATE_URL", &stack.front.nodes[0].base_url).env("ARTIGATE_EXPIRE_IN", "30 days");
    command.env("ARTIGATE_PATHS", "dist notes.txt").env("ARTIGATE_JOBS", "build");
    command.env("CI_JOB_ID", id).env("CI_JOB_TOKEN", token).env("CI_PROJECT_ID", "7");
    command.env("CI_PIPELINE_ID", "701").env("CI_API_V4_URL", format!("{}/api/v4", stack.front.base_url));
    let output = command.output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && !said.contains(token), "{said}");
}

fn some_projects_hand_over_by_script(kind: Kind) {
    let stack = Stack::start(kind);
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [from, to] = [folders[0].path(), folders[1].path()];
    std::fs::create_dir(from.join("dist")).unwrap();
    std::fs::write(from.join("dist/a b.txt"), "text").unwrap();
    std::fs::write(from.join("notes.txt"), "notes").unwrap();
    run_as(&stack, ("7001", BUILD), from, &script(".artigate:upload", "after_script"));
    stack.finish(7001);
    run_as(&stack, ("7002", TEST), to, &script(".artigate:download", "before_script"));
    assert_eq!(std::fs::read_to_string(to.join("dist/a b.txt")).unwrap(), "text");
    assert_eq!(std::fs::read_to_string(to.join("notes.txt")).unwrap(), "notes");
    for folder in [from, to] {
        let left = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(!left.into_iter().any(|name| name.to_string_lossy().starts_with("artigate-")));
    }
    // People of these projects find it where they look for it, however the path is written.
    for path in [
        "/api/v4/projects/7/jobs/7001/artifacts/notes.txt",
        "/api/v4/projects/group%2Fapp/jobs/7001/artifacts/notes.txt",
        "/api/v4/projects/Group%2fApp/jobs/7001/artifacts/notes.txt",
        "/api/v4/projects/group%2Fapp/jobs/artifacts/main/raw/notes.txt?job=build",
    ] {
        let read = stack.curl(&user(DEVELOPER), &[], path);
        assert_eq!((read.status, read.text().as_str()), (200, "notes"), "{path}");
    }
    // All else is GitLab's: other projects, and the runners' own paths, which name none.
    for path in [
        "/api/v4/projects/8/jobs/8001/artifacts",
        "/api/v4/projects/77/jobs/7001/artifacts",
        "/api/v4/projects/group%2Fapplication/jobs/7001/artifacts",
        "/api/v4/projects/7/jobs/7001",
        "/group/app/-/jobs/7001",
    ] {
        assert!(stack.reaches_gitlab(&user(DEVELOPER), path), "{path}");
    }
    assert!(stack.reaches_gitlab(&job_token(TEST), "/api/v4/jobs/7001/artifacts"));
    let job = answer_runners(&stack);
    assert_eq!(runner_asks(&stack).text(), job, "nobody could fetch it by the runner's path");
    let seen = std::mem::take(&mut stack.gitlab.state().polls.seen);
    assert!(seen.len() == 1 && !seen[0].headers.iter().any(|(name, _)| name == "via"));
}

#[test]
fn some_projects_hand_over_by_script_behind_nginx() {
    some_projects_hand_over_by_script(Kind::NginxBeforeProjects);
}

#[test]
fn some_projects_hand_over_by_script_behind_haproxy() {
    some_projects_hand_over_by_script(Kind::HaproxyBeforeProjects);
}
