//! GitHub's protocols by hand, with curl: upload through the toolkit's service and a link, then the REST API.

use std::path::Path;
use std::process::Command;

use artigate::domain::Sha256Digest;
use serde_json::{Value, json};

use super::github::expire;
use super::run;
use crate::github::{block_id, of_job, runtime_token, with};
use crate::support::fixtures::{self, MAINTAINER, RUNNING};
use crate::support::gateway::Gateway;
use crate::support::zips;

on_both_databases!(curl_uploads_downloads_overwrites_and_deletes_by_hand);

const ARTIFACTS: &str = "/api/v3/repos/group/project/actions/artifacts";

/// Runs curl, which follows redirects: the last status and the body.
fn curl(arguments: &[&str]) -> (u16, Vec<u8>) {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--location", "--write-out", "\n%{http_code}"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let end = output.stdout.len() - 4;
    let status = String::from_utf8_lossy(&output.stdout[end..]).trim().parse().unwrap();
    (status, output.stdout[..end].to_vec())
}

fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

/// A person with a shell: the toolkit's service with the token of the job, the REST API with one of his own.
struct Hand<'a> {
    gateway: &'a Gateway,
    runtime_token: String,
}

impl Hand<'_> {
    fn call(&self, method: &str, request: &Value) -> (u16, Value) {
        let service = "twirp/github.actions.results.api.v1.ArtifactService";
        let url = format!("{}/{service}/{method}", self.gateway.base_url());
        let authorization = format!("Authorization: Bearer {}", self.runtime_token);
        let (kind, body) = ("Content-Type: application/json", request.to_string());
        let (status, answer) = curl(&["--header", &authorization, "--header", kind, "--data", &body, &url]);
        (status, parsed(&answer))
    }

    fn rest(&self, arguments: &[&str], path: &str) -> (u16, Vec<u8>) {
        let url =
            if path.starts_with('/') { format!("{}{path}", self.gateway.base_url()) } else { path.into() };
        let authorization = format!("Authorization: Bearer {MAINTAINER}");
        curl(&[&["--header", &authorization], arguments, &[url.as_str()]].concat())
    }

    fn create(&self, name: &str) -> (u16, Value) {
        let expires_at = self.gateway.now().plus_seconds(3600).unwrap().to_string();
        self.call("CreateArtifact", &with(of_job(name), json!({"version": 4, "expires_at": expires_at})))
    }

    /// Uploads a file, in one request or in blocks of 1 MiB, and returns the artifact's ID.
    fn upload(&self, name: &str, file: &Path, in_blocks: bool) -> i64 {
        let content = std::fs::read(file).unwrap();
        let (status, created) = self.create(name);
        assert_eq!(status, 200, "{created}");
        let link = created["signed_upload_url"].as_str().unwrap();
        let put = |file: &Path, more: &[&str], url: &str| {
            let file = file.display().to_string();
            assert_eq!(curl(&[&["--upload-file", file.as_str()], more, &[url]].concat()).0, 201);
        };
        if in_blocks {
            let mut list = String::new();
            for (number, block) in content.chunks(1 << 20).enumerate() {
                let part = self.gateway.write_file("part", block);
                put(&part, &[], &format!("{link}&comp=block&blockid={}", block_id(number)));
                list += &format!("<Latest>{}</Latest>", block_id(number));
            }
            let list =
                self.gateway.write_file("list.xml", format!("<BlockList>{list}</BlockList>").as_bytes());
            put(&list, &[], &format!("{link}&comp=blocklist"));
        } else {
            put(file, &["--header", "x-ms-blob-type: BlockBlob"], link);
        }
        let hash = format!("sha256:{}", Sha256Digest::of(&content));
        let finish = json!({"size": content.len().to_string(), "hash": hash});
        let (status, done) = self.call("FinalizeArtifact", &with(of_job(name), finish));
        assert_eq!(status, 200, "{done}");
        done["artifact_id"].as_str().unwrap().parse().unwrap()
    }

    /// Finds an artifact by name, gets it by ID, downloads it and compares.
    fn compare(&self, name: &str, id: i64, file: &Path) {
        let list = parsed(&self.rest(&[], &format!("{ARTIFACTS}?name={name}")).1);
        assert_eq!((&list["total_count"], &list["artifacts"][0]["id"]), (&json!(1), &json!(id)), "{list}");
        let (status, one) = self.rest(&[], &format!("{ARTIFACTS}/{id}"));
        let one = parsed(&one);
        assert_eq!((status, &one), (200, &list["artifacts"][0]));
        let target = self.gateway.path().join("downloaded");
        let (out, url) = (target.display().to_string(), one["archive_download_url"].as_str().unwrap());
        assert_eq!(self.rest(&["--output", &out], url).0, 200);
        assert!(std::fs::read(&target).unwrap() == std::fs::read(file).unwrap());
        let sums = run(Command::new("sha256sum").args([&target, file]));
        for line in sums.lines() {
            assert_eq!(format!("sha256:{}", line.split(' ').next().unwrap()), one["digest"], "{sums}");
        }
    }
}

fn curl_uploads_downloads_overwrites_and_deletes_by_hand(gateway: Gateway) {
    fixtures::small(&gateway, &zips::deflated(&[("a.txt", b"hello")]));
    let hand = Hand { gateway: &gateway, runtime_token: runtime_token(&gateway, "20", RUNNING) };
    let small = gateway.write_file("small.zip", &zips::deflated(&[("a.txt", b"hello")]));
    let large = gateway.write_file("large.zip", &zips::deflated(&[("b.bin", &zips::noise(3 << 20))]));
    let (whole, in_blocks) = (hand.upload("whole", &small, false), hand.upload("blocks", &large, true));
    hand.compare("whole", whole, &small);
    hand.compare("blocks", in_blocks, &large);
    // A name is taken until it is deleted.
    assert_eq!(hand.create("whole").0, 409);
    let (status, deleted) = hand.call("DeleteArtifact", &of_job("whole"));
    assert_eq!((status, &deleted["artifact_id"]), (200, &json!(whole.to_string())));
    let again = hand.upload("whole", &large, false);
    assert!(again > in_blocks);
    hand.compare("whole", again, &large);
    assert_eq!(hand.rest(&[], &format!("{ARTIFACTS}/{whole}/zip")).0, 404);
    assert_eq!(hand.rest(&["--request", "DELETE"], &format!("{ARTIFACTS}/{again}")).0, 204);
    assert_eq!(hand.rest(&[], &format!("{ARTIFACTS}/{again}")).0, 404);
    let (_, signed) = hand.call("GetSignedArtifactURL", &of_job("blocks"));
    let signed = signed["signed_url"].as_str().unwrap();
    assert_eq!(curl(&["--output", "/dev/null", signed]).0, 200);
    expire(&gateway, "blocks");
    let path = format!("{ARTIFACTS}/{in_blocks}");
    assert_eq!(parsed(&hand.rest(&[], &path).1)["expired"], true);
    let (status, gone) = hand.rest(&[], &format!("{path}/zip"));
    assert_eq!((status, &parsed(&gone)["message"]), (410, &json!("Artifact has expired")));
    assert_eq!(hand.call("ListArtifacts", &of_job("")).1["artifacts"], json!([]));
    assert_eq!(hand.call("GetSignedArtifactURL", &of_job("blocks")).0, 404);
    assert_eq!(hand.rest(&["--request", "DELETE"], &path).0, 204);
    assert_eq!(hand.rest(&[], &path).0, 404);
}
