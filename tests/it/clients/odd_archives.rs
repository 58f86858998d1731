//! Unusual archives, read by five independent readers and by the server.
//!
//! Where all readers find the same bytes for a file, the server serves these bytes. Where they differ, the
//! table states the server's answer: the bytes that the directory's CRC-32 proves, or a rejection that names
//! the oddity.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{python, script};
use crate::support::fixtures::{self, ARCHIVE};
use crate::support::gateway::Gateway;
use crate::support::zips::{self, Entry};

type Files = BTreeMap<String, Vec<u8>>;

/// An archive, and what the gateway says to each of its files: `None` where it serves it.
struct Row {
    oddity: &'static str,
    archive: Vec<u8>,
    refused: Vec<(&'static str, Option<&'static str>)>,
}

const NAMES: [&str; 3] = ["a.txt", "b/c.txt", "d.txt"];

fn content(name: &str) -> Vec<u8> {
    name.repeat(40).into()
}

fn entries() -> [Entry; 3] {
    NAMES.map(|name| Entry::stored(name, &content(name)))
}

fn served(oddity: &'static str, archive: Vec<u8>) -> Row {
    Row { oddity, archive, refused: NAMES.map(|name| (name, None)).into() }
}

fn refused(oddity: &'static str, archive: Vec<u8>, why: &'static str) -> Row {
    Row { oddity, archive, refused: NAMES.map(|name| (name, Some(why))).into() }
}

/// Only the second entry is refused.
fn one_refused(oddity: &'static str, archive: Vec<u8>, why: &'static str) -> Row {
    let [first, second, third] = NAMES;
    Row { oddity, archive, refused: vec![(first, None), (second, Some(why)), (third, None)] }
}

fn sound() -> Vec<u8> {
    zips::by_hand(&entries())
}

/// The archive with these bytes put over its own.
fn with(mut archive: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    archive[at..at + bytes.len()].copy_from_slice(bytes);
    archive
}

fn number(archive: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(archive[at..at + 4].try_into().unwrap())
}

/// Where the end record is.
fn end_of(archive: &[u8]) -> usize {
    archive.len() - 22
}

/// Where the directory record of the entry with this number is.
fn record(archive: &[u8], number: usize) -> usize {
    archive.windows(4).enumerate().filter(|(_, bytes)| bytes == b"PK\x01\x02").nth(number).unwrap().0
}

/// The archive, put behind these bytes, with offsets that count them.
fn counted(front: &[u8], mut archive: Vec<u8>) -> Vec<u8> {
    let places = (0..NAMES.len()).map(|number| record(&archive, number) + 42);
    for at in places.chain([end_of(&archive) + 16]).collect::<Vec<_>>() {
        let offset = number(&archive, at) + front.len() as u32;
        archive = with(archive, at, &offset.to_le_bytes());
    }
    [front, &archive].concat()
}

/// The archive with a comment that is the rest of the file.
fn commented(archive: Vec<u8>, comment: &[u8]) -> Vec<u8> {
    let at = archive.len() - 2;
    [with(archive, at, &(comment.len() as u16).to_le_bytes()), comment.to_vec()].concat()
}

/// The archive with these bytes behind its last directory record, which belong to the directory if it
/// is `longer` by so many.
fn with_rest(archive: Vec<u8>, rest: &[u8], longer: usize) -> Vec<u8> {
    let (at, bytes) = (end_of(&archive), number(&archive, end_of(&archive) + 12) + longer as u32);
    let (before, end) = archive.split_at(at);
    [before, rest, &with(end.to_vec(), 12, &bytes.to_le_bytes())].concat()
}

fn whole_archives() -> Vec<Row> {
    let front = b"#!/bin/sh\nexec java -jar $0\n";
    let end = |at: usize, bytes: &[u8]| with(sound(), end_of(&sound()) + at, bytes);
    let outside = "archive directory does not end where its end record begins";
    let in_front = "archive directory is not at its stated offset, though the file begins with an entry: it may \
                    belong to another archive";
    let in_comment = "archive has one end-of-central-directory record in the comment of another";
    let empty = "archive lists no entries, though there are bytes before its end record";
    let inner = zips::by_hand(&[Entry::stored("a.txt", b"another")]);
    let outer = || zips::by_hand(&[Entry::stored("in.zip", &inner), Entry::stored("d.txt", b"content")]);
    let size = number(&sound(), end_of(&sound()) + 12);
    vec![
        served("none", sound()),
        served("a newline behind", [sound(), b"\n".into()].concat()),
        served("zeros behind", [sound(), vec![0; 10_240]].concat()),
        served("zeros as long as a comment behind", [sound(), vec![0; 65_535]].concat()),
        served("a comment and a newline behind", [commented(sound(), b"note"), b"\n".into()].concat()),
        served("half an archive behind", [&sound()[..], &sound()[..100]].concat()),
        served("bytes in front, counted", counted(front, sound())),
        served(
            "bytes of an end record in front",
            counted(&[&b"PK\x05\x06"[..], &[0xff; 18]].concat(), sound()),
        ),
        served("bytes in front, not counted", [front, &sound()[..]].concat()),
        served("bytes in front and behind", [front, &sound()[..], b"\n"].concat()),
        served("bytes missing in front", counted(&[b'#'; 100], sound())[40..].to_vec()),
        served("zip64", zips::by_hand_with_zip64_end(&entries())),
        served("zip64, a newline behind", [zips::by_hand_with_zip64_end(&entries()), b"\n".into()].concat()),
        served("zip64, bytes in front", [front, &zips::by_hand_with_zip64_end(&entries())[..]].concat()),
        served("signed directory", with_rest(sound(), b"PK\x05\x05\x03\0abc", 9)),
        refused("signature not counted", with_rest(sound(), b"PK\x05\x05\x03\0abc", 0), outside),
        refused("bytes before the end record", with_rest(sound(), b"junk", 0), outside),
        refused("directory's size too large", end(12, &(size + 1).to_le_bytes()), outside),
        refused("directory's size too small", end(12, &(size - 1).to_le_bytes()), outside),
        refused("directory's offset too small", end(16, &[7, 0, 0, 0]), in_front),
        refused(
            "count too small",
            end(8, &[2, 0, 2, 0]),
            "archive directory has 3 entries, but its end record states 2",
        ),
        refused(
            "count too large",
            end(8, &[4, 0, 4, 0]),
            "archive states 4 entries, which do not fit its directory of 155 bytes",
        ),
        refused("split", end(4, &[1, 0]), "archive is split over several disks, which is not supported"),
        refused(
            "zip64 called for, but missing",
            end(16, &[0xff; 4]),
            "zip64 end record is missing or damaged",
        ),
        refused(
            "comment cut short",
            commented(sound(), b"a note")[..sound().len() + 3].to_vec(),
            "archive ends inside the comment of its end-of-central-directory record",
        ),
        refused("empty archive in the comment", commented(sound(), &zips::by_hand(&[])), empty),
        refused("archive in the comment", commented(sound(), &inner), in_comment),
        refused("archive behind another", [outer(), inner.clone()].concat(), in_front),
        served("the same archive twice", sound().repeat(2)),
        served("the same archive twice, with a comment", commented(sound(), b"note").repeat(2)),
        served("the same archive twice, behind other bytes", [front, &sound().repeat(2)[..]].concat()),
        refused("archive in another that was cut short", outer()[..outer().len() - 60].to_vec(), in_front),
    ]
}

fn single_entries() -> Vec<Row> {
    let at = |place: usize, bytes: &[u8]| with(sound(), record(&sound(), 1) + place, bytes);
    let header = number(&sound(), record(&sound(), 1) + 42) as usize;
    let local = |place: usize, bytes: &[u8]| with(sound(), header + place, bytes);
    let local_name = |name: &[u8]| {
        let mut entries = entries();
        entries[1].local_name = Some(name.to_vec());
        zips::by_hand(&entries)
    };
    let outside = "entry is outside its archive";
    let zip64 = "entry lacks the zip64 field that its sizes call for";
    let wrong_crc = "entry's CRC-32 does not match its directory record";
    vec![
        served("local name with a backslash", local_name(b"b\\c.txt")),
        served("local name in another encoding", local_name(b"b/\x81.txt")),
        served("no local name", local_name(b"")),
        served("local method is another", local(8, &[8, 0])),
        served("local CRC-32 is another", local(14, &[1; 4])),
        served("local sizes are zero", local(18, &[0; 8])),
        served("local sizes are others", local(18, &[9; 8])),
        served("local entry is encrypted", local(6, &[1, 0])),
        one_refused("no local header", local(0, b"pk"), "entry has no local header at its stated offset"),
        one_refused("offset behind the directory", at(42, &[0, 0, 9, 0]), outside),
        one_refused("offset of another entry", at(42, &[0; 4]), wrong_crc),
        one_refused("packed size behind the directory", at(20, &[0, 0, 9, 0]), outside),
        one_refused("packed size of all ones", at(20, &[0xff; 4]), zip64),
        one_refused("offset of all ones", at(42, &[0xff; 4]), zip64),
        one_refused("CRC-32 is wrong", at(16, &[1; 4]), wrong_crc),
        one_refused(
            "on another disk",
            at(34, &[5, 0]),
            "entry is on another disk of a split archive, which is not supported",
        ),
        one_refused("encrypted", at(8, &[1, 0]), "entry is encrypted"),
    ]
}

/// Every file below a folder, by its path in there.
fn files_below(folder: &Path, prefix: &str) -> Files {
    let mut files = Files::new();
    for item in std::fs::read_dir(folder).unwrap() {
        let item = item.unwrap();
        let name = format!("{prefix}{}", item.file_name().to_string_lossy());
        if item.file_type().unwrap().is_dir() {
            files.extend(files_below(&item.path(), &format!("{name}/")));
        } else {
            files.insert(name, std::fs::read(item.path()).unwrap());
        }
    }
    files
}

/// Returns the files that a reader extracts from each archive. Its complaints do not matter.
fn extracted(
    reader: &str,
    archives: &[PathBuf],
    extract: impl Fn(&[(PathBuf, PathBuf)]) -> Vec<Command>,
) -> Vec<Files> {
    let targets = archives.iter().map(|archive| (archive.clone(), archive.with_extension(reader)));
    let targets: Vec<_> = targets.collect();
    for (_, target) in &targets {
        std::fs::create_dir(target).unwrap();
    }
    for mut command in extract(&targets) {
        command.env("LC_ALL", "C.UTF-8").stdin(std::process::Stdio::null());
        command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    }
    targets.iter().map(|(_, target)| files_below(target, "")).collect()
}

fn readers(archives: &[PathBuf]) -> Vec<(&'static str, Vec<Files>)> {
    type Pairs<'a> = &'a [(PathBuf, PathBuf)];
    fn each(pairs: Pairs, command: impl Fn(&Path, &Path) -> Command) -> Vec<Command> {
        pairs.iter().map(|(archive, target)| command(archive, target)).collect()
    }
    fn command(program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments);
        command
    }
    fn all(mut command: Command, pairs: Pairs) -> Vec<Command> {
        command.args(pairs.iter().flat_map(|(archive, target)| [archive, target]));
        vec![command]
    }
    let unzip = |pairs: Pairs| {
        each(pairs, |archive, target| {
            let mut unzip = command("unzip", &["-qq", "-o"]);
            unzip.arg(archive).arg("-d").arg(target);
            unzip
        })
    };
    let bsdtar = |pairs: Pairs| {
        each(pairs, |archive, target| {
            let mut bsdtar = command("bsdtar", &["-xf"]);
            bsdtar.arg(archive).arg("-C").arg(target);
            bsdtar
        })
    };
    let seven_zip = |pairs: Pairs| {
        each(pairs, |archive, target| {
            let mut seven_zip = command("7zz", &["x", "-y"]);
            seven_zip.arg(format!("-o{}", target.display())).arg(archive);
            seven_zip
        })
    };
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    let go = |pairs: Pairs| {
        let mut go = Command::new("go");
        go.envs([("GOFLAGS", "-mod=mod"), ("GOPROXY", "off"), ("GOTOOLCHAIN", "local"), ("GOENV", "off")])
            .env("GOCACHE", cache.join("build"))
            .env("GOPATH", cache.join("path"))
            .arg("run")
            .arg(script("go/extract.go"));
        all(go, pairs)
    };
    vec![
        ("go", extracted("go", archives, go)),
        ("unzip", extracted("unzip", archives, unzip)),
        ("7-Zip", extracted("7-Zip", archives, seven_zip)),
        ("bsdtar", extracted("bsdtar", archives, bsdtar)),
        ("python", extracted("python", archives, |pairs| all(python("extract.py"), pairs))),
    ]
}

/// Returns the files that the gateway serves from a row's archive, and its differences from the table.
fn serve(gateway: &Gateway, row: &Row) -> (Files, Vec<String>) {
    fixtures::small(gateway, &row.archive);
    let (mut files, mut wrong) = (Files::new(), Vec::new());
    for (name, why) in &row.refused {
        let answer = gateway.get(&format!("{ARCHIVE}/{name}")).send();
        let (status, body) = match why {
            Some(why) => (422, format!("{{\"message\":\"{why}\"}}").into_bytes()),
            None => (200, content(name)),
        };
        if (answer.status, &answer.body) != (status, &body) {
            wrong.push(format!("{}: {name}: {} {}", row.oddity, answer.status, answer.text()));
        }
        if answer.status == 200 {
            files.insert((*name).to_owned(), answer.body);
        }
    }
    assert!(gateway.get(ARCHIVE).send().body == row.archive, "{}", row.oddity);
    (files, wrong)
}

#[test]
fn what_all_readers_make_of_an_odd_archive_the_gateway_serves() {
    let gateway = Gateway::on_sqlite();
    let rows: Vec<Row> = whole_archives().into_iter().chain(single_entries()).collect();
    let folder = gateway.path().join("odd");
    std::fs::create_dir(&folder).unwrap();
    let write = |(number, row): (usize, &Row)| {
        let path = folder.join(format!("{number}.zip"));
        std::fs::write(&path, &row.archive).unwrap();
        path
    };
    let archives: Vec<PathBuf> = rows.iter().enumerate().map(write).collect();
    let readers = readers(&archives);
    let (mut agreed, mut wrong) = (0, Vec::new());
    for (number, row) in rows.iter().enumerate() {
        let (ours, against) = serve(&gateway, row);
        wrong.extend(against);
        let theirs: Vec<&Files> = readers.iter().map(|(_, files)| &files[number]).collect();
        let counts: Vec<_> = readers.iter().map(|(name, files)| (name, files[number].len())).collect();
        println!("{}: we serve {}, they {counts:?}", row.oddity, ours.len());
        for (name, content) in theirs[0] {
            if theirs.iter().all(|files| files.get(name) == Some(content)) {
                assert_eq!(ours.get(name), Some(content), "{}: all readers have {name}", row.oddity);
                agreed += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(agreed > 50, "the readers agree on {agreed} files");
}
