//! Files, as people look at them.

use super::{html, link, open};
use crate::support::fixtures;
use crate::support::gateway::Gateway;
use crate::support::zips;

const VIEW: &str = "/group/project/-/jobs/10/artifacts/view/";

fn with(files: &[(&str, &[u8])]) -> Gateway {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, &zips::deflated(files));
    gateway
}

fn shown(gateway: &Gateway, path: &str) -> String {
    html(&open(gateway, "", &format!("{VIEW}{path}"))).to_owned()
}

#[test]
fn text_has_numbered_lines_and_colours_by_class() {
    let gateway = with(&[
        ("log.txt", b"one\n\x1b[1;31mred <b>\x1b[0m\n50%\r100%\n"),
        ("page.html", b"<html><script>alert(1)</script>"),
        ("plain.txt", b"<html><script>"),
    ]);
    let text = shown(&gateway, "log.txt");
    assert!(
        text.contains("<li id=\"L2\"><a href=\"#L2\"")
            && text.contains("<span class=\"f1 b\">red &lt;b&gt;</span>"),
        "{text}"
    );
    assert!(text.contains(">100%<") && !text.contains("50%") && !text.contains('\u{1b}'), "{text}");
    for name in ["page.html", "plain.txt"] {
        assert!(shown(&gateway, name).contains("&lt;html&gt;&lt;script&gt;"), "{name}");
    }
}

#[test]
fn forms_are_shown_as_people_read_them_and_as_they_are() {
    let gateway = with(&[
        ("d/README.md", b"# Title\n\n[other](other.txt) <script>alert(1)</script> [bad](javascript:alert(1))\n\n![pic](pic.png)"),
        ("d/other.txt", b"other"),
        ("d/pic.png", b"\x89PNG"),
        ("table.csv", b"name,size\n\"a, b\",<b>1</b>\n"),
        ("data.json", br#"{"b":[1.50,{"c":"<i>"}],"a":null}"#),
        ("junit.xml", b"<testsuite><testcase name='x'><failure message='why'/></testcase><testcase name='y'/></testsuite>"),
        ("pic.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("sound.mp3", b"ID3"),
        ("film.webm", b"\x1aE"),
        ("bytes.bin", b"\0\x01\x02"),
        ("empty", b""),
        ("utf16.txt", b"\xff\xfea\0"),
    ]);
    let markdown = shown(&gateway, "d/README.md");
    assert!(markdown.contains("<h2>Title</h2>") && !markdown.contains("<script"), "{markdown}");
    assert!(markdown.contains("<a href=\"other.txt\">other</a>"), "{markdown}");
    assert!(markdown.contains(" bad</p>") && !markdown.contains("javascript:"), "{markdown}");
    assert!(
        markdown.contains("<img src=\"/group/project/-/jobs/10/artifacts/raw/d/pic.png\" alt=\"pic\""),
        "{markdown}"
    );
    let source = open(&gateway, "", &link(&markdown, "Show the source"));
    assert!(html(&source).contains("&lt;script&gt;"), "{}", source.text());
    let table = shown(&gateway, "table.csv");
    assert!(table.contains("<th scope=\"col\">name</th>") && table.contains("<td>a, b</td>"), "{table}");
    let json = shown(&gateway, "data.json");
    assert!(json.contains("    1.50,") && json.contains("&quot;&lt;i&gt;&quot;"), "{json}");
    let report = shown(&gateway, "junit.xml");
    assert!(report.contains("<dt>Tests</dt><dd>2</dd>") && report.contains(">why</code>"), "{report}");
    for (name, tag) in [("pic.svg", "<img class=\"media\""), ("sound.mp3", "<audio"), ("film.webm", "<video")]
    {
        let text = shown(&gateway, name);
        assert!(text.contains(&format!("{tag} ")) && text.contains("artifacts/raw/"), "{text}");
        assert!(!text.contains("alert"));
    }
    let raw = gateway.get("/group/project/-/jobs/10/artifacts/raw/pic.svg").send();
    assert_eq!(raw.header("content-security-policy"), Some("default-src 'none'; sandbox"));
    for name in ["bytes.bin", "utf16.txt"] {
        assert!(shown(&gateway, name).contains("no text"), "{name}");
    }
    assert!(shown(&gateway, "empty").contains("This file is empty"));
}

#[test]
fn a_long_file_shows_its_beginning() {
    let rows = "a,b\n".repeat(1_000_000);
    let json = format!("[{}0]", "1,".repeat(50 << 20));
    let line = "x".repeat(3 << 20);
    let quotes = "\"".repeat(1 << 20);
    let gateway = with(&[
        ("rows.csv", rows.as_bytes()),
        ("long.json", json.as_bytes()),
        ("line.txt", line.as_bytes()),
        ("lines.txt", &b"\n".repeat(1 << 20)),
        ("quotes.txt", quotes.as_bytes()),
        ("zeros.bin", &[0; 4 << 20]),
        ("cut.md", "# a\n".repeat(1 << 19).as_bytes()),
    ]);
    for name in ["rows.csv", "long.json", "line.txt", "lines.txt", "cut.md"] {
        let answer = open(&gateway, "", &format!("{VIEW}{name}"));
        assert!(html(&answer).contains("Only the beginning is shown"), "{name}");
        assert!(answer.body.len() < 8 << 20, "{name}: {} bytes", answer.body.len());
    }
    assert_eq!(shown(&gateway, "rows.csv").matches("<tr><td>").count(), 1_000);
    assert_eq!(shown(&gateway, "line.txt").matches('x').count() / 1000, 1048);
    assert!(!shown(&gateway, "quotes.txt").contains("Only the beginning"));
    assert!(shown(&gateway, "zeros.bin").contains("no text"));
}

#[test]
fn a_file_leads_to_the_next_and_the_one_before() {
    let gateway = with(&[
        ("d/f10.txt", b"3"),
        ("d/f2.txt", b"2"),
        ("d/f1.txt", b"1"),
        ("d/sub/x", b"x"),
        ("other", b"o"),
    ]);
    let first = shown(&gateway, "d/f1.txt");
    assert!(!first.contains("Previous file"));
    let second = link(&first, "Next file");
    assert_eq!(second, format!("{VIEW}d/f2.txt"));
    let second = open(&gateway, "", &second);
    assert_eq!(link(html(&second), "Next file"), format!("{VIEW}d/f10.txt"));
    assert_eq!(link(second.text(), "Previous file"), format!("{VIEW}d/f1.txt"));
    assert!(!shown(&gateway, "d/f10.txt").contains("Next file"));
    assert!(second.text().contains("CRC-32 <code>1ad5be0d</code>"), "{}", second.text());
}
