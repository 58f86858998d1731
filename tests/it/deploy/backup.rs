//! The commands of `deploy/backup.md`, run as written while artifacts are uploaded and deleted.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{adapted, shipped};
use crate::program::{Serving, artigate};
use crate::support::bucket;
use crate::support::gateway::PostgresDatabase;
use crate::support::zips;

/// A machine: a folder of its own, and the settings of what runs there.
struct Machine {
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Machine {
    fn with_sqlite() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    fn with_postgres(database: &PostgresDatabase) -> Self {
        let place = format!("s3://artigate-tests/backup/{}", uuid::Uuid::now_v7().simple());
        let mut variables =
            vec![("ARTIGATE_DATABASE__URL", database.url.clone()), ("ARTIGATE_STORAGE__URL", place)];
        variables.extend(bucket::variables(bucket::server()));
        let folder = tempfile::tempdir().unwrap();
        let lines: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        std::fs::write(folder.path().join("artigate.env"), lines.concat()).unwrap();
        Self { folder, variables }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = artigate(self.folder.path(), arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command of artigate's; what it printed on both channels.
    fn artigate(&self, arguments: &[&str]) -> String {
        printed(&mut self.command(arguments))
    }

    fn serve(&self) -> Serving {
        Serving::run(self.command(&["serve"]))
    }

    /// Declares a finished job with an archive, in a project that locks nothing.
    fn load(&self, job_id: u32) {
        std::fs::write(self.path("archive.zip"), zips::deflated(&[("job", job_id.to_string().as_bytes())]))
            .unwrap();
        let document = format!(
            "users: [{{id: 1, username: root, admin: true, tokens: [{{value: glpat-root, scopes: [api]}}]}}]
projects: [{{id: 1, path: a/b, keep_latest_artifact: false, pipelines: [{{id: 1, ref: main, sha: a,
  status: success, jobs: [{{id: {job_id}, name: build, status: success, artifacts: [{{file: archive.zip}}]}}]}}]}}]"
        );
        std::fs::write(self.path("registry.yml"), document).unwrap();
        self.artigate(&["load", "registry.yml"]);
    }

    /// Runs shell commands of the page.
    fn shell(&self, script: &str) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_artigate")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.arg("-c").arg(script).current_dir(self.folder.path()).env("PATH", path);
        for (name, _) in std::env::vars_os() {
            if ["ARTIGATE_", "AWS_"].iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
                command.env_remove(name);
            }
        }
        printed(&mut command)
    }
}

fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let [out, error] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{command:?}: {out}{error}");
    out + &error
}

/// The commands to back up, cut in three, and those to restore.
fn commands(heading: &str) -> ([String; 3], String) {
    let page = shipped("backup.md");
    let section = page.split(heading).nth(1).expect("the heading");
    let mut blocks = section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let (backup, restore) = (blocks.next().unwrap(), blocks.next().unwrap());
    let [preamble, database, end] = backup.split("\nblobs\n").collect::<Vec<_>>()[..] else {
        panic!("the blobs are to be copied twice:\n{backup}");
    };
    let part = |commands: &str| format!("{preamble}\n{commands}\n{end}");
    ([part("blobs"), part(database), part("blobs")], restore.to_owned())
}

/// Backs one machine up while artifacts come and go, and restores it on the other.
fn restored_machine_has_all_that_the_database_named(
    heading: &str,
    from: &Machine,
    to: &Machine,
    adapt: impl Fn(&Machine, String) -> String,
) {
    let ([first, database, second], restore) = commands(heading);
    from.load(10);
    from.load(11);
    let node = from.serve();
    from.shell(&adapt(from, first));
    from.load(12);
    from.shell(&adapt(from, database));
    // Goes behind the database's copy, and with it its bytes: they are in the first copy of the blobs.
    let deleted = Command::new("curl")
        .args(["-sS", "--fail", "-X", "DELETE", "-H", "PRIVATE-TOKEN: glpat-root"])
        .arg(format!("{}/api/v4/projects/1/jobs/11/artifacts", node.base_url))
        .status();
    assert!(deleted.unwrap().success());
    let swept = from.artigate(&["sweep", "--json"]);
    assert!(swept.contains(r#""removed":1"#), "{swept}");
    from.load(13);
    from.shell(&adapt(from, second));
    assert_eq!(node.stop(), Some(0));

    let said = to.shell(&adapt(to, restore));
    assert!(said.contains("3 artifacts checked, 0 faults"), "{said}");
    let node = to.serve();
    for (job_id, expected) in [(10, "10"), (11, "11"), (12, "12")] {
        let url = format!("{}/api/v4/projects/1/jobs/{job_id}/artifacts/job", node.base_url);
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail", "-H", "PRIVATE-TOKEN: glpat-root", &url]);
        assert_eq!(printed(&mut curl), expected);
    }
    assert_eq!(node.stop(), Some(0));
}

#[test]
fn a_backup_of_sqlite_and_a_directory_is_restored_on_an_empty_machine() {
    let (from, to) = (Machine::with_sqlite(), Machine::with_sqlite());
    let copy = from.path("backup").display().to_string();
    let adapt = |machine: &Machine, commands: String| {
        let home = machine.folder.path().display().to_string();
        adapted(commands, &[("/var/lib/artigate", &home), ("/srv/backup/artigate", &copy)])
    };
    restored_machine_has_all_that_the_database_named("## SQLite", &from, &to, adapt);
    let database = to.path("artigate-data/artigate.db");
    let mode = Command::new("sqlite3").arg(database).arg("PRAGMA journal_mode").output();
    assert_eq!(mode.unwrap().stdout, b"wal\n");
}

#[test]
fn a_backup_of_postgresql_and_a_bucket_is_restored_into_empty_ones() {
    let (old, new) = (PostgresDatabase::create(), PostgresDatabase::create());
    let (from, to) = (Machine::with_postgres(&old), Machine::with_postgres(&new));
    let copy = from.path("backup").display().to_string();
    let adapt = |machine: &Machine, commands: String| {
        let settings = machine.path("artigate.env").display().to_string();
        adapted(commands, &[("/etc/artigate.env", &settings), ("/srv/backup/artigate", &copy)])
    };
    restored_machine_has_all_that_the_database_named("## PostgreSQL", &from, &to, adapt);
}
