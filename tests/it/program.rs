//! The program: commands, exit codes, signals, and the demo from an empty directory.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use crate::support::ended::Ended;
use crate::support::zips;

/// The program in a directory, with no settings of the caller's.
pub fn artigate(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_artigate"));
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ARTIGATE_") {
            command.env_remove(name);
        }
    }
    command
}

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = artigate(folder, arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A server that is stopped with its test.
pub struct Serving {
    child: Ended,
    /// `http://…`, or `https://…` if it speaks TLS.
    pub base_url: String,
    /// Its log since it listens; empty for the demo.
    pub log: Arc<Mutex<Vec<String>>>,
    /// Its log from before it listened; empty for the demo.
    pub logged_first: Vec<String>,
    /// Its standard output before the first request.
    pub printed: Vec<String>,
}

impl Serving {
    /// Starts `serve --demo` on a free port and waits until it says that it listens.
    pub fn demo(folder: &Path, log: Stdio) -> Self {
        let child = artigate(folder, &["serve", "--demo"])
            .env("ARTIGATE_SERVER__LISTEN", "127.0.0.1:0")
            .env("ARTIGATE_LOG_FORMAT", "json")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut child = Ended(child);
        let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        // The demo's last line is the upload.
        let mut printed = Vec::new();
        for line in lines {
            printed.push(line.unwrap());
            if printed.last().unwrap().contains("/jobs/1015/artifacts") {
                break;
            }
        }
        let line = printed.iter().find(|line| line.contains("http://")).expect("a line to paste");
        let start = line.find("http://").unwrap();
        let base_url = line[start..].split("/api").next().unwrap().to_owned();
        Self { child, base_url, log: Arc::default(), logged_first: Vec::new(), printed }
    }

    /// Starts `serve` on a free port and waits until it says that it listens.
    pub fn plain(folder: &Path) -> Self {
        let mut command = artigate(folder, &["serve"]);
        command.env("ARTIGATE_LIMITS__MAX_ARTIFACT_SIZE", "0");
        Self::run(command)
    }

    /// Runs a command that serves on a free port and waits until it says that it listens.
    pub fn run(command: Command) -> Self {
        Self::run_on(command, "127.0.0.1:0")
    }

    /// Runs a command that serves there and waits until it says that it listens.
    pub fn run_on(mut command: Command, listen: &str) -> Self {
        command.env("ARTIGATE_SERVER__LISTEN", listen).stderr(Stdio::piped());
        let mut child = Ended(command.spawn().unwrap());
        let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut before = Vec::new();
        let line = loop {
            let line = lines.next().unwrap_or_else(|| panic!("it ended: {before:#?}"));
            if line.contains("listening on http") {
                break line;
            }
            before.push(line);
        };
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&log);
        std::thread::spawn(move || lines.for_each(|line| kept.lock().unwrap().push(line)));
        let base_url = line[line.find("http").unwrap()..].split(' ').next().unwrap().to_owned();
        Self { child, base_url, log, logged_first: before, printed: Vec::new() }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.base_url.split("://").nth(1).unwrap().parse().unwrap()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.0.id()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let status = Command::new("kill").arg(self.child.0.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Option<i32> {
        self.child.0.wait().unwrap().code()
    }

    /// The most memory that it has used so far, in bytes.
    pub fn peak_memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.0.id())).unwrap();
        let kilobytes = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        // The program itself is in memory too, which is large with its debug information, and is no memory of requests.
        (kilobytes("VmHWM:") - kilobytes("RssFile:")) * 1024
    }

    /// Sends SIGTERM and waits for the end.
    pub fn stop(self) -> Option<i32> {
        self.terminate();
        self.wait()
    }
}

#[test]
fn the_demo_works_from_an_empty_directory_and_every_line_it_prints_can_be_pasted() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::demo(folder.path(), Stdio::null());
    let lines: Vec<&String> = serving.printed.iter().filter(|line| line.contains("curl ")).collect();
    assert!(lines.len() >= 6, "{:?}", serving.printed);
    for line in lines {
        let pasted = Command::new("bash").arg("-c").arg(line).current_dir(folder.path()).output().unwrap();
        assert!(pasted.status.success(), "{line}: {}", String::from_utf8_lossy(&pasted.stderr));
    }
    let downloaded = std::fs::read(folder.path().join("artifacts.zip")).unwrap();
    assert_eq!(downloaded, include_bytes!("../../fixtures/archives/site.zip"));
    assert!(serving.printed[0].starts_with("The demo is loaded."), "{:?}", serving.printed);
    assert_eq!(serving.stop(), Some(0));
    let again = Serving::demo(folder.path(), Stdio::null());
    let begin_again = "The demo was loaded earlier; to begin again: rm -r artigate-data. Paste a line:";
    assert_eq!(again.printed[0], begin_again);
    assert_eq!(again.stop(), Some(0), "a second start finds the demo loaded");
}

#[test]
fn the_help_tells_examples_settings_and_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let (_, short, _) = run(folder.path(), &["-h"]);
    let (_, long, _) = run(folder.path(), &["--help"]);
    for part in ["Examples:\n  artigate serve --demo\n", "ARTIGATE_SERVER__LISTEN", "Exit codes: 0 done, 1 "]
    {
        assert!(short.contains(part) && long.contains(part), "{part:?} is not in {short}");
    }
    let variables = artigate::settings::variables();
    for (variable, default) in variables {
        let line = long.lines().find(|line| line.trim_start().starts_with(&format!("{variable} ")));
        let line = line.or_else(|| long.lines().find(|line| line.trim() == variable)).expect(&variable);
        assert!(line.ends_with(default.unwrap_or(&variable)), "{line}");
    }
    for command in ["serve", "migrate", "load", "sweep", "gc", "fsck", "copy-store", "config"] {
        let (_, help, _) = run(folder.path(), &[command, "--help"]);
        assert!(help.contains(&format!("  artigate {command}")), "{help}");
    }
}

#[test]
fn the_demo_leaves_a_database_with_other_content_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("own.yml"), "users: [{id: 1, username: mine}]").unwrap();
    assert_eq!(run(folder.path(), &["load", "own.yml"]).0, Some(0));
    let mut child = artigate(folder.path(), &["serve", "--demo"])
        .env("ARTIGATE_SERVER__LISTEN", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    let seen: Vec<String> =
        log.lines().map_while(Result::ok).take_while(|line| !line.contains("listening on http:")).collect();
    assert!(seen.iter().any(|line| line.contains("the demo is not loaded")), "{seen:?}");
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(out, "");
}

#[test]
fn load_says_what_it_did_or_why_it_did_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("good.yml"), "users: [{id: 1, username: a}]").unwrap();
    std::fs::write(path.join("bad.yml"), "users: [{id: 1, username: a, colour: red}]").unwrap();
    let (code, out, _) = run(path, &["load", "good.yml"]);
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "loaded 1 users, 0 projects, 0 pipelines, 0 jobs, 0 artifacts\n")
    );
    let (code, out, error) = run(path, &["load", "good.yml", "bad.yml"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(error.contains("artigate: bad.yml: line 1") && error.contains("colour"), "{error}");
    let (code, _, error) = run(path, &["load", "missing.yml"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("missing.yml: cannot be read"), "{error}");
}

#[test]
fn config_shows_what_counts_and_where_it_comes_from_and_checks_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("artigate.toml"), "[server]\ndrain_timeout = 7\n").unwrap();
    let with = |arguments: &[&str], variable: (&str, &str)| {
        let output = artigate(path, arguments).env(variable.0, variable.1).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let secret = ("ARTIGATE_DATABASE__URL", "postgres://alice:hunter2@db/x");
    let (code, shown, said) = with(&["config", "show"], secret);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    for line in [
        "KEY VALUE FROM",
        "server.drain_timeout 7 artigate.toml",
        "database.url postgres://alice:***@db/x ARTIGATE_DATABASE__URL",
        "server.external_url - default",
    ] {
        assert!(shown.lines().any(|shown| words(shown) == words(line)), "{line:?} is not in {shown}");
    }
    let (_, shown, _) = with(&["config", "show", "--json"], secret);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let url = shown.as_array().unwrap().iter().find(|setting| setting["key"] == "database.url").unwrap();
    assert_eq!(
        *url,
        serde_json::json!({"key": "database.url", "value": "postgres://alice:***@db/x",
            "source": "environment", "from": "ARTIGATE_DATABASE__URL"})
    );
    let (code, out, _) = with(&["config", "check"], secret);
    assert_eq!((code, out.as_str()), (Some(0), "the settings are valid\n"));
    std::fs::write(path.join("artigate.toml"), "[server]\nport = 7\nlisten = 7\n").unwrap();
    let (code, out, said) = with(&["config", "check"], ("ARTIGATE_SERVER_LISTEN", "a:1"));
    assert_eq!((code, out.lines().count()), (Some(2), 3), "{out}");
    assert_eq!(said, "artigate: there are 3 faults in the settings\n");
    let (code, _, said) = with(&["serve"], ("ARTIGATE_SERVER_LISTEN", "a:1"));
    assert_eq!(code, Some(2));
    assert!(said.ends_with("(and 2 more: artigate config check)\n"), "{said}");
    assert!(!path.join("artigate-data").exists());
}

#[test]
fn the_former_name_of_a_setting_is_taken_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("artigate.toml");
    for (toml, variable) in [
        ("[limits]\nmax_unpacked_size = '1 MiB'\n", None),
        ("", Some(("ARTIGATE_LIMITS__MAX_UNPACKED_SIZE", "1 MiB"))),
    ] {
        std::fs::write(&file, toml).unwrap();
        let output = artigate(folder.path(), &["config", "show"]).envs(variable).output().unwrap();
        let [shown, said] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains("limits.max_uncompressed_size"), "it names the new one: {said}");
        let line =
            shown.lines().find(|line| line.starts_with("limits.max_uncompressed_size ")).expect(&shown);
        assert!(line.contains("1 MiB"), "{line}");
    }
}

#[test]
fn memory_does_not_grow_with_the_size_of_what_goes_through() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let archive = zips::deflated(&[("zeros", &vec![0; 300 << 20])]);
    std::fs::write(path.join("deflated.zip"), archive).unwrap();
    std::fs::File::create(path.join("big")).unwrap().set_len(200 << 20).unwrap();
    let document = "projects: [{id: 1, path: g/p, visibility: public, pipelines: [{id: 1, ref: main, sha: a, status: running, jobs: [
        {id: 1, name: a, status: success, artifacts: [{file: deflated.zip}]},
        {id: 2, name: b, status: running, token: t}]}]}]";
    std::fs::write(path.join("registry.yml"), document).unwrap();
    assert_eq!(run(path, &["load", "registry.yml"]).0, Some(0));
    let serving = Serving::plain(path);
    let api = format!("{}/api/v4", serving.base_url);
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sS", "--fail", "-o", "/dev/null", "-w", "%{size_download}"]);
        let output = command.current_dir(path).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let chunked = ["-H", "JOB-TOKEN: t", "-H", "Transfer-Encoding: chunked", "-F", "file=@big"];
    curl(&[&chunked[..], &[&format!("{api}/jobs/2/artifacts")]].concat());
    assert_eq!(curl(&[&format!("{api}/projects/1/jobs/2/artifacts")]), (200 << 20).to_string());
    assert_eq!(curl(&[&format!("{api}/projects/1/jobs/1/artifacts/zeros")]), (300 << 20).to_string());
    assert!(serving.peak_memory_bytes() < 64 << 20, "{} bytes", serving.peak_memory_bytes());
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn migrate_can_be_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let there_are = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite"));
    let expected =
        format!("{} migrations run, the database schema is up to date\n", there_are.unwrap().count());
    let (code, out, error) = run(folder.path(), &["migrate"]);
    assert_eq!((code, out), (Some(0), expected), "{error}");
    assert!(run(folder.path(), &["migrate"]).1.starts_with("0 migrations run"));
}

#[test]
fn wrong_use_and_wrong_configuration_exit_with_2_and_one_clear_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("bad.toml"), "[server]\nport = 1").unwrap();
    std::fs::write(path.join("a-file"), "").unwrap();
    for (arguments, says) in [
        (vec!["nonsense"], "nonsense"),
        (vec!["load"], "FILE"),
        (vec!["--config", "bad.toml", "migrate"], "unknown key server.port (from bad.toml)"),
        (vec!["migrate", "--config", "bad.toml"], "unknown key server.port (from bad.toml)"),
        (vec!["migrate", "--config", "missing.toml"], "missing.toml"),
        (vec!["migrate", "--log", "info,,=,"], "--log"),
    ] {
        let (code, out, error) = run(path, &arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(error.contains(says), "{error}");
    }
    for (variable, value, says) in [
        ("ARTIGATE_DATABASE__URL", "sqlite://a-file/x.db", "database.url"),
        ("ARTIGATE_DATABASE__URL", "postgres://127.0.0.1:1/none?connect_timeout=1", "database.url"),
        ("ARTIGATE_STORAGE__URL", "file://a-file/blobs", "a-file/blobs"),
        ("ARTIGATE_SERVER__LISTEN", "192.0.2.1:1", "192.0.2.1:1"),
    ] {
        let output = artigate(path, &["serve"]).env(variable, value).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.lines().last().unwrap().contains(says), "{error}");
    }
}
