//! Real clients, unmodified, each against a server of its own.
//!
//! The tests check their requests and how they read the answers. The scripts that the clients run are in
//! `tests/it/{python,node,ruby,go,rust}`.

mod aria2;
mod artifetch;
mod buildkite;
mod curl;
mod gitbeaker;
mod github;
mod github_by_hand;
mod github_rest;
mod odd_archives;
mod packed_directories;
mod python_gitlab;
mod ruby_gitlab;
mod rust_gitlab;
mod schemathesis;
mod story;
mod zip_readers;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the output of a command; panics with all that it wrote unless it succeeded, and once more with the lines
/// that name an error, because a trace of calls may hide them.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let errors: Vec<&str> = said
        .lines()
        .chain(wrong.lines())
        .filter(|line| line.contains("rror") || line.contains("Attempt"))
        .collect();
    assert!(output.status.success(), "{command:?}: {said}\n{wrong}\nin short:\n{}", errors.join("\n"));
    said.into_owned()
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A script in the folder of the tests.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(name)
}

/// The Python that has python-gitlab and artifetch.
fn python_path() -> PathBuf {
    std::env::var_os("ARTIGATE_TEST_PYTHON")
        .expect("ARTIGATE_TEST_PYTHON names a Python with python-gitlab: use tests/run --install, which makes one")
        .into()
}

/// A command that came with a package for that Python.
fn beside_python(name: &str) -> PathBuf {
    python_path().with_file_name(name)
}

/// A script with that Python.
fn python(name: &str) -> Command {
    let mut command = Command::new(python_path());
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(script("python").join(name));
    command
}
