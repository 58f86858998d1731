//! A disk that a test can stop and start, under a server in a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{Serving, artigate};
use crate::support::http_client::{Answer, Request};
use crate::support::{fixtures, zips};

/// The size of a download in full: more than the buffers on the way take.
pub const LARGE_BYTES: usize = 60 << 20;

/// A gateway, and the disk that some of its files are on.
pub struct Disk {
    pub serving: Serving,
    folder: tempfile::TempDir,
}

impl Disk {
    /// Serves `fixtures::small` with an archive of `a.txt` and a large file. The files are those whose paths below
    /// the gateway's folder begin like this.
    pub fn under(files: &str, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let large = zips::noise(LARGE_BYTES);
        let archive = zips::packed(zip::CompressionMethod::Stored, &[("a.txt", b"hello"), ("large", &large)]);
        std::fs::write(folder.path().join("archive.zip"), archive).unwrap();
        std::fs::write(folder.path().join("registry.yml"), fixtures::small_document()).unwrap();
        let loaded = artigate(folder.path(), &["load", "registry.yml"]).output().unwrap();
        assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
        let mut command = artigate(folder.path(), &["serve"]);
        command.env("LD_PRELOAD", library(folder.path()));
        command.env("STUCK_FILES", folder.path().join(files)).env("STUCK_WHILE", folder.path().join("stuck"));
        command.envs(settings.iter().copied());
        Self { serving: Serving::run(command), folder }
    }

    /// From now on it does not answer.
    pub fn stops(&self) {
        std::fs::write(self.folder.path().join("stuck"), "").unwrap();
    }

    /// It answers again, those who have waited as well.
    pub fn goes_on(&self) {
        std::fs::remove_file(self.folder.path().join("stuck")).unwrap();
    }

    pub fn get(&self, path: &str) -> Answer {
        Request::new(self.serving.address(), "GET", path).private_token(fixtures::ADMIN).send()
    }
}

/// Builds what stands between the gateway and its files. The compiler is the one that built the gateway.
fn library(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/c/stuck.c");
    let built = folder.join("stuck.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-Wall", "-shared", "-fPIC", "-o"]).arg(&built).arg(source).arg("-ldl");
    let output = compiler.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    built
}
