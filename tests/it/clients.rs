//! Real clients, unmodified: `curl`, and `python-gitlab` from its registry.

use std::path::Path;
use std::process::Command;

use crate::support::gateway::Gateway;
use crate::support::world;
use crate::support::zips;

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

on_both_databases! {
    fn python_gitlab_downloads_by_id_and_by_ref_streamed_and_whole(gateway) {
        let python = std::env::var("ARTIGATE_TEST_PYTHON").expect("ARTIGATE_TEST_PYTHON names a Python with python-gitlab: use tests/run, which installs one");
        let content = zips::noise(300_000);
        let archive = zips::deflated(&[("out/sub/data.bin", &content), ("other", b"x")]);
        world::small(&gateway, &archive);
        gateway.load("projects: [{id: 1, path: group/project, visibility: private, pipelines: [{id: 300, ref: feature/x, sha: c, status: success, jobs: [{id: 10300, name: \"build: [a/b]\", status: success, artifacts: [{file: archive.zip}]}]}]}]");
        let out = gateway.path().join("out");
        std::fs::create_dir(&out).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/python/download.py");
        let printed = run(Command::new(python)
            .args([script, &gateway.base_url(), world::REPORTER, "group/project", "10300", "feature/x", "build: [a/b]", "out/sub/data.bin"])
            .arg(&out));
        assert_eq!(printed, "missing: 404\nunauthorized: 401\n");
        for name in ["by-id.zip", "by-id-streamed.zip", "by-id-iterator.zip", "by-ref.zip", "by-ref-streamed.zip"] {
            assert!(read(&out, name) == archive, "{name} is not as it was");
        }
        for name in ["entry-by-id", "entry-by-ref", "entry-by-ref-streamed"] {
            assert!(read(&out, name) == content, "{name} is not as it was");
        }
    }

    fn curl_uploads_with_and_without_a_known_length_and_downloads(gateway) {
        world::small(&gateway, b"");
        let archive = zips::deflated(&[("a/b.bin", &zips::noise(3 << 20))]);
        let file = gateway.write_file("up.zip", &archive);
        let base = format!("{}/api/v4", gateway.base_url());
        let form = format!("file=@{}", file.display());
        // Larger than a megabyte: curl asks with Expect: 100-continue first.
        let sent = run(Command::new("curl").args(["-sS", "--fail", "-H", &format!("JOB-TOKEN: {}", world::RUNNING), "-F", &form, &format!("{base}/jobs/20/artifacts?expire_in=1+week")]));
        assert_eq!(sent, "201");
        let sent = run(Command::new("curl").args(["-sS", "--fail", "-H", "Transfer-Encoding: chunked", "-H", &format!("JOB-TOKEN: {}", world::RUNNING), "-F", &form, &format!("{base}/jobs/20/artifacts")]));
        assert_eq!(sent, "201");
        let down = gateway.path().join("down");
        std::fs::create_dir(&down).unwrap();
        run(Command::new("curl").current_dir(&down).args(["-sS", "--fail", "-OJ", "-H", &format!("PRIVATE-TOKEN: {}", world::REPORTER), &format!("{base}/projects/group%2Fproject/jobs/20/artifacts")]));
        assert!(read(&down, "up.zip") == archive, "saved under the name that it was uploaded with");
        run(Command::new("curl").args(["-sS", "--fail", "-o"]).arg(gateway.path().join("one")).arg(format!("{base}/projects/group%2Fproject/jobs/20/artifacts/a/b.bin")));
        assert!(read(gateway.path(), "one") == zips::noise(3 << 20));
        run(Command::new("unzip").args(["-tq"]).arg(down.join("up.zip")));
    }

    fn curl_shows_a_refusal_while_it_still_uploads(gateway) {
        world::small(&gateway, b"");
        let file = gateway.write_file("big", &zips::noise(8 << 20));
        let form = format!("file=@{}", file.display());
        for _ in 0..5 {
            let said = run(Command::new("curl").args(["-sS", "-w", " %{http_code}", "-H", "JOB-TOKEN: wrong", "-F", &form, &format!("{}/api/v4/jobs/20/artifacts", gateway.base_url())]));
            assert_eq!(said, r#"{"message":"403 Forbidden"} 403"#);
        }
    }
}

#[test]
fn a_large_file_streams_through_curl_in_full() {
    let gateway = Gateway::on_sqlite();
    let content = [vec![0; 40 << 20], zips::noise(4 << 20)].concat();
    world::small(&gateway, &zips::deflated(&[("big", &content)]));
    let target = gateway.path().join("big");
    run(Command::new("curl").args(["-sS", "--fail", "-o"]).arg(&target).arg(format!(
        "{}{}/big",
        gateway.base_url(),
        world::ARCHIVE
    )));
    assert!(read(gateway.path(), "big") == content);
}
