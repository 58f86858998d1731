//! The zip of one folder, read by four independent readers.

use std::io::{Seek, Write};
use std::path::Path;
use std::process::Command;

use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

use super::{python, read, run, script};
use crate::support::fixtures;
use crate::support::gateway::Gateway;
use crate::support::zips;

const FOLDER: &str = "out/site/";

/// The entries of the archives: a name, the content, and the compression method; folders have no content.
fn entries() -> Vec<(&'static str, Vec<u8>, CompressionMethod)> {
    use CompressionMethod::{Deflated, Stored};
    vec![
        ("out/", vec![], Stored),
        ("out/site/", vec![], Stored),
        ("out/site/index.html", b"<p>hello</p>".repeat(1000), Deflated),
        ("out/sitemap.xml", b"<urlset/>".to_vec(), Deflated),
        ("out/site/sub/", vec![], Stored),
        ("out/site/sub/noise.bin", zips::noise(300_000), Stored),
        ("out/site/sub/empty", vec![], Deflated),
        ("other", zips::noise(50_000), Deflated),
        ("out/site/implied/folder/Größe – 大.txt", "Grüße\n".repeat(500).into(), Deflated),
        ("out/site/a space", b"x".to_vec(), Deflated),
    ]
}

fn fill(writer: &mut ZipWriter<impl Write + Seek>) {
    for (name, content, method) in entries() {
        let options = SimpleFileOptions::default().compression_method(method);
        if name.ends_with('/') {
            writer.add_directory(name, options).unwrap();
        } else {
            writer.start_file(name, options).unwrap();
            writer.write_all(&content).unwrap();
        }
    }
}

/// With sizes in the local headers.
fn sized() -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    fill(&mut writer);
    writer.finish().unwrap().into_inner()
}

/// As the runner writes it: data descriptors behind the bytes.
fn streamed() -> Vec<u8> {
    let mut writer: ZipWriter<StreamWriter<Vec<u8>>> = ZipWriter::new_stream(Vec::new());
    fill(&mut writer);
    writer.finish().unwrap().into_inner()
}

/// Downloads the zip of the folder, once by the job's id and once by its ref.
fn download_folder(gateway: &Gateway) -> [std::path::PathBuf; 2] {
    let jobs = format!("{}/api/v4/projects/group%2Fproject/jobs", gateway.base_url());
    [
        ("by-id.zip", format!("{jobs}/10/artifacts?path=out/site")),
        ("by-ref.zip", format!("{jobs}/artifacts/main/download?job=build&path=out%2Fsite")),
    ]
    .map(|(name, url)| {
        let target = gateway.path().join(name);
        run(Command::new("curl").args(["-sS", "--fail-with-body", "-o"]).arg(&target).arg(url));
        target
    })
}

/// Asserts that a reader named the folder's entries, and that it extracted the folder and nothing else.
fn assert_is_folder(reader: &str, names: &str, extracted: &Path) {
    let mut names: Vec<&str> = names.lines().collect();
    names.sort_unstable();
    let entries = entries();
    let inside = entries.iter().filter(|(name, _, _)| name.starts_with(FOLDER));
    let mut expected: Vec<&str> = inside.clone().map(|(name, _, _)| *name).collect();
    expected.sort_unstable();
    assert_eq!(names, expected, "{reader}");
    for (name, content, _) in inside {
        if name.ends_with('/') {
            assert!(extracted.join(name).is_dir(), "{reader}: {name}");
        } else {
            assert!(read(extracted, name) == *content, "{reader}: {name} is not as it was");
        }
    }
    assert!(!extracted.join("other").exists() && !extracted.join("out/sitemap.xml").exists(), "{reader}");
}

fn with_utf8_names(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C.UTF-8");
    command
}

fn extract_with_unzip(archive: &Path, target: &Path) -> String {
    run(with_utf8_names("unzip").arg("-tq").arg(archive));
    run(with_utf8_names("unzip").arg("-q").arg(archive).arg("-d").arg(target));
    run(with_utf8_names("unzip").arg("-Z1").arg(archive))
}

fn extract_with_bsdtar(archive: &Path, target: &Path) -> String {
    std::fs::create_dir(target).unwrap();
    run(with_utf8_names("bsdtar").arg("-xf").arg(archive).arg("-C").arg(target));
    run(with_utf8_names("bsdtar").arg("-tf").arg(archive))
}

fn extract_with_python(archive: &Path, target: &Path) -> String {
    run(python("extract.py").env("PYTHONUTF8", "1").arg(archive).arg(target))
}

/// Go gets no network, no settings of the caller's, and keeps what it builds below the target folder.
fn extract_with_go(archive: &Path, target: &Path) -> String {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    run(Command::new("go")
        .envs([("GOFLAGS", "-mod=mod"), ("GOPROXY", "off"), ("GOTOOLCHAIN", "local"), ("GOENV", "off")])
        .env("GOCACHE", cache.join("build"))
        .env("GOPATH", cache.join("path"))
        .arg("run")
        .arg(script("go/extract.go"))
        .args([archive, target]))
}

fn check_with(reader: &str, extract: fn(&Path, &Path) -> String) {
    for archive in [sized(), streamed()] {
        let gateway = Gateway::on_sqlite();
        fixtures::small(&gateway, &archive);
        for (folder, name) in download_folder(&gateway).iter().zip(["by-id", "by-ref"]) {
            let target = gateway.path().join(name);
            let names = extract(folder, &target);
            assert_is_folder(&format!("{reader} {name}"), &names, &target);
        }
    }
}

#[test]
fn unzip_accepts_the_zip_of_a_folder() {
    check_with("unzip", extract_with_unzip);
}

#[test]
fn bsdtar_accepts_the_zip_of_a_folder() {
    check_with("bsdtar", extract_with_bsdtar);
}

#[test]
fn python_accepts_the_zip_of_a_folder() {
    check_with("python", extract_with_python);
}

#[test]
fn go_accepts_the_zip_of_a_folder() {
    check_with("go", extract_with_go);
}
