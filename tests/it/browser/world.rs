//! A server with files of every kind that a page shows, and names that a page must survive.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::fixture::Fixture;
use crate::support::gateway::Gateway;
use crate::support::zips::{self, Entry};

/// How many files the long folder has.
pub const FILES: usize = 1_200;

/// A picture of two by two pixels.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x02\x08\x02\0\0\0\xfd\xd4\x9a\x73\0\0\0\x10IDAT\x78\x9c\x63\x38\
    \x21\x27\x07\x44\x0c\x10\x0a\0\x1f\x26\x04\x11\xa2\x8f\x22\xaf\0\0\0\0IEND\xae\x42\x60\x82";

/// A hundredth of a second of silence.
fn wav() -> Vec<u8> {
    let samples = vec![0_u8; 160];
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + samples.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data");
    bytes.extend((samples.len() as u32).to_le_bytes());
    bytes.extend(samples);
    bytes
}

pub const SVG: &[u8] =
    b"<svg xmlns='http://www.w3.org/2000/svg' width='40' height='30'><script>parent.ran = 1; \
    alert(1)</script><foreignObject width='9' height='9'><body xmlns='http://www.w3.org/1999/xhtml' \
    onload='alert(2)'/></foreignObject><circle r='9' cx='15' cy='15'/></svg>";

/// An archive with a file for each way in which one is shown.
pub fn every_form() -> Vec<u8> {
    let long: String = (1..=1_000).map(|number| format!("line {number}\n")).collect();
    let wide = format!("{}\nshort\n", "wide ".repeat(100));
    zips::deflated(&[
        (
            "README.md",
            b"# Site\n\nA [page](page.html), a list:\n\n- one\n- two\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n```\ncode\n```\n\n![picture](pic.png)\n",
        ),
        ("page.html", b"<html><script>alert(1)</script>"),
        ("log.txt", b"\x1b[1;31mfailed\x1b[0m \x1b[32mgreen\x1b[0m \x1b[33myellow\x1b[0m \x1b[34mblue\x1b[0m \x1b[35mviolet\x1b[36mcyan\x1b[0m \x1b[41mon red\x1b[42mon green\x1b[43mon yellow\x1b[44mon blue\x1b[0m \x1b[2mdim\x1b[0m\n"),
        ("long.txt", long.as_bytes()),
        ("wide.txt", wide.as_bytes()),
        ("table.csv", b"name,size,note\na,1,\"x, y\"\nb,2,<b>z</b>\n"),
        ("data.json", br#"{"b":[1.50,{"c":"<i>"}],"a":null}"#),
        (
            "junit.xml",
            b"<testsuite><testcase classname='s' name='x'><failure message='why'>at line 1</failure></testcase><testcase name='y'/></testsuite>",
        ),
        ("pic.png", PNG),
        ("pic.svg", SVG),
        ("sound.wav", &wav()),
        ("bytes.bin", b"\0\x01\x02"),
        ("empty", b""),
        ("folder/deep/er/file.txt", b"text"),
    ])
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Names that are no harm to whom they are only text, each with its own number as contents.
pub fn hostile_names() -> Vec<(String, String)> {
    let names = [
        "\"><img src=x onerror=alert(1)>.html".to_owned(),
        "'onmouseover='alert(1)'.txt".to_owned(),
        "javascript:alert(1)".to_owned(),
        "a?b#c%2F&.txt".to_owned(),
        "...".to_owned(),
        "..like".to_owned(),
        "new\nline.txt".to_owned(),
        "\u{202e}txt.exe".to_owned(),
        "-rf".to_owned(),
        " spaces ".to_owned(),
        "back\\slash".to_owned(),
        "{{ 7 * 7 }}.txt".to_owned(),
        "%00%0a".to_owned(),
        "long".repeat(500),
        "wide\u{3000}\u{fdfd}\u{fdfd}\u{fdfd}".to_owned(),
    ];
    names.into_iter().enumerate().map(|(number, name)| (name, format!("contents {number}"))).collect()
}

/// A public project with a job that left everything (10), one of a newer pipeline (20), and members.
pub fn load(gateway: &Gateway) {
    let many: Vec<(String, Vec<u8>)> =
        (0..FILES).map(|number| (format!("many/file-{number:05}.txt"), vec![b'x'; 1 + number])).collect();
    let many: Vec<(&str, &[u8])> =
        many.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let hostile: Vec<Entry> =
        hostile_names().into_iter().map(|(name, text)| Entry::stored(name, text.as_bytes())).collect();
    Fixture::project("group/project")
        .public()
        .members()
        .pipeline(100, "main")
        .job(10, "build")
        .user("developer")
        .archive(&every_form())
        .expire_in("1 week")
        .artifact("junit", &gzip(b"<testsuite><testcase name='x'/></testsuite>"))
        .expire_in("2 days")
        .artifact("trace", b"\x1b[32mok\x1b[0m\n")
        .artifact("sast", b"{}")
        .accessibility("maintainer")
        .job(11, "many")
        .archive(&zips::deflated(&many))
        .job(12, "hostile")
        .archive(&zips::by_hand(&hostile))
        .job(13, "broken")
        .archive(b"this is no zip")
        .job(14, "gone")
        .archive(&zips::deflated(&[("a.txt", b"a")]))
        .job(15, "other")
        .archive(&zips::deflated(&[
            ("README.md", b"# Other"),
            ("new.txt", b"new"),
            ("long.txt", b"line 1\nline two\n"),
        ]))
        .load(gateway);
}
