//! Makers of reports: real tools, from their registries, each of which makes a small report from what lies in
//! `tests/it/browser/fixtures`; and reports in the shape of those whose tools are too large.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::zips;

/// A report, packed as a job leaves it.
pub fn archive(kind: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report");
    match kind {
        "coverage" => coverage(folder.path(), &out),
        "pytest" => pytest(folder.path(), &out),
        "sphinx" => {
            run(&[&python("sphinx-build"), "-q", "-b", "html"], &[&sources("docs"), &out], folder.path())
        }
        "istanbul" => istanbul(folder.path(), &out),
        "rustdoc" => {
            run(&["rustdoc"], &[&sources("rust").join("shapes.rs"), Path::new("-o"), &out], folder.path())
        }
        "allure" => allure(folder.path(), &out),
        "playwright" => playwright(folder.path(), &out),
        shape => copy(&sources(shape), &out),
    }
    packed(&out)
}

/// A report that lies there as it is.
pub fn shape(name: &str) -> Vec<u8> {
    packed(&sources(name))
}

/// The file with which a person begins to look at it.
pub fn front_page(kind: &str) -> &'static str {
    match kind {
        "rustdoc" => "shapes/index.html",
        _ => "index.html",
    }
}

fn coverage(folder: &Path, out: &Path) {
    copy(&sources("python"), folder);
    let coverage = python("coverage");
    // One of the tests fails.
    let status = Command::new(&coverage)
        .args(["run", "-m", "pytest", "-q"])
        .current_dir(folder)
        .output()
        .unwrap()
        .status;
    assert_eq!(status.code(), Some(1));
    run(&[&coverage, "html", "-q", "-d"], &[out], folder);
}

fn pytest(folder: &Path, out: &Path) {
    copy(&sources("python"), folder);
    let page = format!("--html={}", out.join("index.html").display());
    let output = Command::new(python("pytest")).args(["-q", &page]).current_dir(folder).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "one of the tests fails: {output:?}");
}

fn istanbul(folder: &Path, out: &Path) {
    copy(&sources("js"), folder);
    let c8 = makers().join("node_modules/c8/bin/c8.js");
    let c8 = c8.to_str().unwrap();
    run(
        &["node", c8, "--reporter", "html", "--reports-dir"],
        &[out, Path::new("node"), Path::new("main.js")],
        folder,
    );
}

fn allure(folder: &Path, out: &Path) {
    let allure = makers().join("node_modules/allure/cli.js");
    run(&["node", allure.to_str().unwrap(), "generate"], &[&sources("allure"), Path::new("-o"), out], folder);
}

fn playwright(folder: &Path, out: &Path) {
    copy(&sources("playwright"), folder);
    let modules = makers().join("node_modules");
    std::os::unix::fs::symlink(&modules, folder.join("node_modules")).unwrap();
    let cli = modules.join("@playwright/test/cli.js");
    let output = Command::new("node").arg(cli).arg("test").current_dir(folder).output().unwrap();
    assert!(out.join("index.html").exists(), "one of the tests fails: {output:?}");
}

/// The folder of the tools.
fn makers() -> PathBuf {
    let folder = std::env::var_os("ARTIGATE_TEST_REPORT_MAKERS");
    folder
        .expect(
            "ARTIGATE_TEST_REPORT_MAKERS names a folder of tools: use tests/run --install, which fills one",
        )
        .into()
}

/// A command of a Python package.
fn python(name: &str) -> String {
    makers().join("venv/bin").join(name).to_str().unwrap().to_owned()
}

fn sources(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/browser/fixtures").join(name)
}

fn run(command: &[&str], arguments: &[&Path], folder: &Path) {
    let (program, words) = command.split_first().unwrap();
    let output = Command::new(program).args(words).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.path().is_dir() {
            copy(&item.path(), &target);
        } else {
            std::fs::copy(item.path(), target).unwrap();
        }
    }
}

/// Packs a folder.
fn packed(folder: &Path) -> Vec<u8> {
    fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, Vec<u8>)>) {
        for item in std::fs::read_dir(folder).unwrap() {
            let item = item.unwrap();
            let path = format!("{prefix}{}", item.file_name().to_str().unwrap());
            if item.path().is_dir() {
                collect(&item.path(), &format!("{path}/"), files);
            } else {
                files.push((path, std::fs::read(item.path()).unwrap()));
            }
        }
    }
    let mut files = Vec::new();
    collect(folder, "", &mut files);
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    zips::deflated(&files)
}
