//! The blocks of README and deploy documents: what people paste is what its kind of file takes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::administration::paste;
use crate::program::{Serving, artigate};
use crate::support::gateway::Gateway;
use crate::support::zips;

/// Reads YAML as GitLab does, and prints it as JSON.
const PSYCH: &str = "require 'yaml'; require 'json'; require 'date'; \
    puts JSON.generate(YAML.safe_load(STDIN.read, permitted_classes: [Date, Time], aliases: true))";

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn parsed(name: &str, yaml: &str) -> Value {
    let mut ruby = Command::new("ruby");
    ruby.args(["-e", PSYCH]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut ruby = ruby.spawn().expect("ruby, which comes with ruby-gitlab: use tests/run");
    ruby.stdin.take().unwrap().write_all(yaml.as_bytes()).unwrap();
    let output = ruby.wait_with_output().unwrap();
    assert!(output.status.success(), "{name}: {}\n{yaml}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The blocks of a kind in a document.
fn blocks(document: &str, kind: &str) -> Vec<String> {
    let text = std::fs::read_to_string(top().join(document)).unwrap_or_else(|e| panic!("{document}: {e}"));
    let opening = format!("```{kind}\n");
    text.split(&opening).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn documents() -> Vec<String> {
    let deploy = std::fs::read_dir(top().join("deploy")).unwrap();
    let names = deploy.map(|file| format!("deploy/{}", file.unwrap().file_name().to_str().unwrap()));
    names
        .chain(["README.md".to_owned()])
        .filter(|name| Path::new(name).extension().is_some_and(|it| it == "md"))
        .collect()
}

#[test]
fn every_block_of_yaml_is_yaml_and_every_line_of_a_script_is_a_command() {
    let mut scripts = 0;
    for document in documents() {
        for block in blocks(&document, "yaml") {
            let parsed = parsed(&document, &block);
            for job in parsed.as_object().expect(&block).values() {
                for line in job["script"].as_array().into_iter().flatten() {
                    let line = line.as_str().unwrap_or_else(|| panic!("{document}: {line} is no command"));
                    assert!(!line.contains('\n'), "{document}: {line:?} is several commands");
                    scripts += 1;
                }
            }
        }
    }
    assert!(scripts >= 4, "{scripts}");
}

#[test]
fn every_block_of_commands_is_what_a_shell_takes() {
    for document in documents() {
        for block in blocks(&document, "sh") {
            let output = Command::new("bash").args(["-n", "-c", &block]).output().unwrap();
            assert!(output.status.success(), "{document}: {}", String::from_utf8_lossy(&output.stderr));
            for line in block.lines().filter(|line| line.contains("curl ")) {
                assert!(!line.contains("--fail "), "{document} hides what a refusal says: {line}");
            }
        }
    }
}

/// A section's first block of commands.
fn commands(heading: &str) -> &'static str {
    let readme = include_str!("../../README.md");
    let section = readme.split(heading).nth(1).unwrap_or_else(|| panic!("no {heading}"));
    section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap()
}

#[test]
fn every_line_of_the_readme_about_administration_works_beside_the_demo() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::demo(folder.path(), Stdio::null());
    paste(folder.path(), commands("\n## Administer\n"));
    let list = artigate(folder.path(), &["token", "list", "--json"]).output().unwrap().stdout;
    let list: Value = serde_json::from_slice(&list).unwrap();
    let revoked = list.as_array().unwrap().iter().filter(|token| token["state"] == "revoked");
    let revoked: Vec<&Value> = revoked.map(|token| &token["user"]).collect();
    assert_eq!(revoked, ["carol"], "no token of the demo is revoked");
    paste(folder.path(), commands("\n## Keep running\n"));
    paste(folder.path(), commands("\n## Settings\n"));
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn the_registry_file_of_the_readme_loads_from_a_file_and_from_a_directory() {
    let blocks = blocks("README.md", "yaml");
    let document = blocks.iter().find(|block| block.starts_with("users:")).expect("the registry file");
    let gateway = Gateway::on_sqlite();
    let archive = zips::deflated(&[("index.html", b"<p>hello</p>")]);
    gateway.write_file("site.zip", &archive);
    assert_eq!(gateway.load(document).artifacts, 1);
    let whole = "/api/v4/projects/1/jobs/1000/artifacts";
    assert!(gateway.get(whole).private_token("glpat-secret").send().body == archive);
    std::fs::create_dir(gateway.path().join("site")).unwrap();
    gateway.write_file("site/index.html", b"<p>packed</p>");
    gateway.load(&document.replace("file: site.zip", "file: site"));
    let page = gateway.get(&format!("{whole}/index.html")).private_token("glpat-secret").send();
    assert_eq!(page.body, b"<p>packed</p>");
}
