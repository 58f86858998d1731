//! Pipes, sockets and devices in place of a file: named in an error at once, or read to their end; one
//! without an end is never waited for.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use crate::program::artigate;

/// A document whose one artifact lies at `named`.
const DOCUMENT: &str = "projects: [{id: 1, path: g/p, pipelines: [{id: 1, ref: main, sha: a, status: success,
  jobs: [{id: 1, name: j, status: success, artifacts: [{type: sast, file: named}]}]}]}]";

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = artigate(folder, arguments).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Everything in the store but its id.
fn stored(folder: &Path) -> usize {
    let shards = fs::read_dir(folder.join("artigate-data/blobs")).unwrap();
    shards.filter_map(|shard| fs::read_dir(shard.unwrap().path()).ok()).flatten().count()
}

#[test]
fn an_artifact_that_is_no_file_is_named_and_nothing_is_left_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("registry.yml"), DOCUMENT).unwrap();
    let named = path.join("named");
    let refused = |what: &str, stays: usize| {
        let (code, said) = run(path, &["load", "registry.yml"]);
        assert_eq!(code, Some(2), "{what}: {said}");
        let expected =
            format!("artifacts[0]: file: named cannot be read: it is {what}, neither a regular file");
        assert!(said.contains("registry.yml: projects[0]") && said.contains(&expected), "{said}");
        assert_eq!(stored(path), stays);
        fs::remove_file(&named).unwrap();
    };
    make_pipe(&named);
    refused("a pipe", 0);
    let socket = UnixListener::bind(&named).unwrap();
    refused("a socket", 0);
    drop(socket);
    symlink("/dev/zero", &named).unwrap();
    refused("a device", 0);
    // The file that it is compared with is read, too.
    fs::write(&named, "bytes").unwrap();
    assert_eq!(run(path, &["load", "registry.yml"]).0, Some(0));
    fs::remove_file(&named).unwrap();
    make_pipe(&named);
    refused("a pipe", 1);
}

#[test]
fn a_pipe_without_a_writer_and_a_device_without_an_end_are_no_documents_and_no_settings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    make_pipe(&path.join("pipe"));
    for arguments in [["load", "pipe"], ["load", "/dev/zero"]] {
        let (code, said) = run(path, &arguments);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(&format!("{}: cannot be read: it is a ", arguments[1])), "{said}");
    }
    for file in ["pipe", "/dev/zero"] {
        let (code, said) = run(path, &["migrate", "--config", file]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(&format!("{file}: cannot be read: it is a ")), "{said}");
    }
    assert_eq!(run(path, &["migrate", "--config", "/dev/null"]).0, Some(0));
    let mut database = artigate(path, &["migrate"]);
    let output = database.env("ARTIGATE_DATABASE__URL", "sqlite://pipe").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("/pipe is not a regular file"), "{said}");
}

#[test]
fn what_another_command_writes_is_a_document_and_settings() {
    let folder = tempfile::tempdir().unwrap();
    let script = "exec \"$0\" load --config <(echo '[limits]'; echo 'archive_entries = 7') \
                  <(echo 'users: [{id: 1, username: a}]') /dev/stdin";
    let users = format!("users: [{{id: 2, username: b}}]\n{}", "#\n".repeat(100_000));
    fs::write(folder.path().join("users.yml"), users).unwrap();
    let program = artigate(folder.path(), &[]).get_program().to_owned();
    let mut command = Command::new("bash");
    command.current_dir(folder.path()).arg("-c").arg(format!("cat users.yml | {script}")).arg(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ARTIGATE_")) {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("loaded 2 users"), "{said}");
}
