//! The documentation: marked commands work beside the demo, and links and settings are correct.
//!
//! The text after a code fence marks a block. `sh demo`: the blocks of a page run in order in one shell, in
//! the directory of a server that was started with `--demo`, and can be repeated. `sh demo once`: the same,
//! but only the first time. `sh`: only the syntax is checked.

mod images;
mod links;
mod settings;

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::program::{Serving, artigate};
use crate::support::gateway::Gateway;
use crate::support::http_client::Request;
use crate::support::zips;

/// The allowed info strings of fences.
const KINDS: &[&str] = &["sh", "sh demo", "sh demo once", "yaml", "toml", "rust", "sql", "text"];

/// Reads YAML as GitLab does, and prints it as JSON.
const PSYCH: &str = "require 'yaml'; require 'json'; require 'date'; \
    puts JSON.generate(YAML.safe_load(STDIN.read, permitted_classes: [Date, Time], aliases: true))";

/// A fenced block of a page.
struct Block {
    /// The info string of its fence.
    kind: String,
    /// Its lines.
    text: String,
}

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text_of(page: &str) -> String {
    std::fs::read_to_string(top().join(page)).unwrap_or_else(|e| panic!("{page}: {e}"))
}

/// The pages, by their paths from the top.
fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    for folder in ["", "docs/", "deploy/"] {
        for file in std::fs::read_dir(top().join(folder)).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            if Path::new(&name).extension().is_some_and(|extension| extension == "md") {
                pages.push(format!("{folder}{name}"));
            }
        }
    }
    pages.sort();
    pages
}

/// The blocks of a page; those in a list stand further right.
fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    for line in text_of(page).lines() {
        let indent = line.len() - line.trim_start().len();
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(kind), None) => {
                open = Some((Block { kind: kind.to_owned(), text: String::new() }, indent));
            }
            (Some(_), Some((block, _))) => blocks.push(block),
            (None, Some((mut block, indent))) => {
                block.text.push_str(line.get(indent..).unwrap_or_default());
                block.text.push('\n');
                open = Some((block, indent));
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page} ends inside of a block");
    blocks
}

/// Runs lines in a shell that finds the program and has no settings of the caller's; what they printed.
pub fn paste(folder: &Path, lines: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_artigate")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-e", "-o", "pipefail", "-c", lines]).current_dir(folder).env("PATH", path);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ARTIGATE_") {
            shell.env_remove(name);
        }
    }
    let output = shell.stdin(Stdio::null()).output().unwrap();
    let [printed, said] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{lines}\n{printed}\n{said}");
    printed
}

#[test]
fn every_block_that_is_marked_for_the_demo_works_beside_it_and_works_again() {
    let mut marked = Vec::new();
    for page in pages() {
        let blocks = blocks(&page);
        let lines = |kinds: &[&str]| {
            let marked = blocks.iter().filter(|block| kinds.contains(&block.kind.as_str()));
            marked.map(|block| block.text.as_str()).collect::<String>()
        };
        let (first, again) = (lines(&["sh demo", "sh demo once"]), lines(&["sh demo"]));
        if first.is_empty() {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let serving = Serving::demo(folder.path(), Stdio::null());
        let paste =
            |lines: &str| paste(folder.path(), &lines.replace("http://127.0.0.1:8929", &serving.base_url));
        paste(&first);
        paste(&again);
        // Artifacts that were to be deleted are, at the next sweep; and all others still exist.
        assert!(artigate(folder.path(), &["sweep"]).output().unwrap().status.success());
        paste(&again);
        let printed = paste(&again);
        look_at_what_is_left(&page, folder.path(), &first, &printed);
        assert_eq!(serving.stop(), Some(0), "{page}");
        marked.push(page);
    }
    let pages = ["README.md", "docs/administration.md", "docs/api.md", "docs/configuration.md"];
    assert_eq!(marked, [&pages[..], &["docs/operations.md", "docs/registry.md"]].concat());
}

/// Checks the effects of the lines of a page, besides their success. `printed` is from the last time.
fn look_at_what_is_left(page: &str, folder: &Path, lines: &str, printed: &str) {
    match page {
        "README.md" => assert_eq!(lines.matches("\ncurl").count(), 11, "{lines}"),
        "docs/api.md" => {
            assert!(lines.matches("\ncurl").count() >= 41, "{lines}");
            let firmware = std::fs::read(folder.join("firmware.zip")).unwrap();
            assert!(firmware == include_bytes!("../../fixtures/archives/firmware.zip"));
        }
        "docs/registry.md" => {
            assert!(printed.ends_with("hello\n"), "the last line fetches what was uploaded: {printed}");
        }
        "docs/administration.md" => {
            let list = artigate(folder, &["token", "list", "--json"]).output().unwrap().stdout;
            let list: Value = serde_json::from_slice(&list).unwrap();
            let revoked = list.as_array().unwrap().iter().filter(|token| token["state"] == "revoked");
            let revoked: Vec<&Value> = revoked.map(|token| &token["user"]).collect();
            assert_eq!(revoked, ["carol"], "no token of the demo is revoked");
        }
        _ => {}
    }
}

#[test]
fn every_block_says_what_it_is() {
    for page in pages() {
        for block in blocks(&page) {
            assert!(KINDS.contains(&block.kind.as_str()), "{page}: a block of {:?}", block.kind);
        }
    }
}

#[test]
fn every_block_of_commands_is_what_a_shell_takes() {
    for page in pages() {
        for block in blocks(&page).iter().filter(|block| block.kind.split(' ').next() == Some("sh")) {
            let output = Command::new("bash").args(["-n", "-c", &block.text]).output().unwrap();
            assert!(output.status.success(), "{page}: {}", String::from_utf8_lossy(&output.stderr));
            for line in block.text.lines().filter(|line| line.contains("curl ")) {
                assert!(!line.contains("--fail "), "{page} hides what a refusal says: {line}");
            }
        }
    }
}

fn parsed(page: &str, yaml: &str) -> Value {
    let mut ruby = Command::new("ruby");
    ruby.args(["-e", PSYCH]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut ruby = ruby.spawn().expect("ruby, which comes with ruby-gitlab: use tests/run");
    ruby.stdin.take().unwrap().write_all(yaml.as_bytes()).unwrap();
    let output = ruby.wait_with_output().unwrap();
    assert!(output.status.success(), "{page}: {}\n{yaml}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_block_of_yaml_is_yaml_and_every_line_of_a_script_is_a_command() {
    let mut scripts = 0;
    for page in pages() {
        for block in blocks(&page).iter().filter(|block| block.kind == "yaml") {
            let parsed = parsed(&page, &block.text);
            for job in parsed.as_object().expect(&block.text).values() {
                for line in job["script"].as_array().into_iter().flatten() {
                    let line = line.as_str().unwrap_or_else(|| panic!("{page}: {line} is no command"));
                    assert!(!line.contains('\n'), "{page}: {line:?} is several commands");
                    scripts += 1;
                }
            }
        }
    }
    assert!(scripts >= 7, "{scripts}");
}

#[test]
fn the_registry_file_of_the_page_loads_from_a_file_and_from_a_directory() {
    let blocks = blocks("docs/registry.md");
    let document = blocks.iter().find(|block| block.kind == "yaml" && block.text.starts_with("users:"));
    let document = &document.expect("the registry file").text;
    let gateway = Gateway::on_sqlite();
    let archive = zips::deflated(&[("index.html", b"<p>hello</p>")]);
    gateway.write_file("site.zip", &archive);
    gateway.write_file("bin", &archive);
    gateway.write_file("junit.xml.gz", b"report");
    gateway.write_file("report.html", b"<p>report</p>");
    assert_eq!(gateway.load(document).artifacts, 4);
    let whole = "/api/v4/projects/1/jobs/1000/artifacts";
    assert!(gateway.get(whole).private_token("glpat-secret").send().body == archive);
    std::fs::create_dir(gateway.path().join("site")).unwrap();
    gateway.write_file("site/index.html", b"<p>packed</p>");
    gateway.load(&document.replace("file: site.zip", "file: site"));
    let page = gateway.get(&format!("{whole}/index.html")).private_token("glpat-secret").send();
    assert_eq!(page.body, b"<p>packed</p>");
}

#[test]
fn the_page_keeps_audit_lines_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let fixtures = top().join("fixtures/demo.yml");
    assert!(artigate(path, &["load", fixtures.to_str().unwrap()]).output().unwrap().status.success());
    let blocks = blocks("docs/operations.md");
    let line = &blocks.iter().find(|block| block.text.contains("audit.jsonl")).expect("the line").text;
    let program = Path::new(env!("CARGO_BIN_EXE_artigate")).parent().unwrap();
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(line).current_dir(path).process_group(0).stdin(Stdio::null());
    shell.env("PATH", format!("{}:{}", program.display(), std::env::var("PATH").unwrap()));
    shell.env("ARTIGATE_SERVER__LISTEN", "127.0.0.1:0");
    let mut shell = shell.spawn().unwrap();
    let group = format!("-{}", shell.id());
    let until = |file: &str, text: &str| {
        for _ in 0..20_000 {
            let lines = std::fs::read_to_string(path.join(file)).unwrap_or_default();
            if let Some(line) = lines.lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            std::thread::park_timeout(std::time::Duration::from_millis(1));
        }
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        panic!("{file} never has {text:?}");
    };
    let started: Value = serde_json::from_str(&until("log.jsonl", "listening on http")).unwrap();
    let address = started["address"].as_str().unwrap().parse().unwrap();
    let keep = "/api/v4/projects/1/jobs/1003/artifacts/keep";
    assert_eq!(Request::new(address, "POST", keep).private_token("glpat-demo-alice").send().status, 200);
    let kept: Value = serde_json::from_str(&until("audit.jsonl", "keep")).unwrap();
    assert_eq!((&kept["target"], &kept["outcome"]), (&json!("audit"), &json!("done")));
    assert!(Command::new("kill").args(["-TERM", "--", &group]).status().unwrap().success());
    shell.wait().unwrap();
}

#[test]
fn the_readme_is_short() {
    let lines = text_of("README.md").lines().count();
    assert!(lines <= 180, "{lines}");
}
