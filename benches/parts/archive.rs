//! Benchmarks of archive directories, indexes, and entries in memory.

use std::io::{Cursor, Write};

use artigate::archive::{
    EntryMeta, Index, Limits, Located, Span, TAIL_BYTES, compressed_range, decompress, locate, walk,
};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::part;

const ENTRIES: usize = 100_000;

/// An archive of so many entries with an 18 KB page as its last.
pub(crate) fn of(entries: usize) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for number in 1..entries {
        writer.start_file(name(number), options).expect("a valid name");
        writer.write_all(b"module.exports = {}\n").expect("memory does not fill up");
    }
    writer.start_file(PAGE, options).expect("a valid name");
    writer.write_all(&page()).expect("memory does not fill up");
    writer.finish().expect("memory does not fill up").into_inner()
}

/// Where the page is.
pub(crate) const PAGE: &str = "public/reference/page.html";

fn name(number: usize) -> String {
    format!("node_modules/package-{:05}/lib/module-{number:07}.js", number / 100)
}

/// Text that deflates to about a third.
pub(crate) fn page() -> Vec<u8> {
    let mut state = 7_u32;
    let mut text = Vec::new();
    while text.len() < 18 * 1024 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice(format!("<li>item {} of {}</li>\n", state >> 20, state % 977).as_bytes());
    }
    text.truncate(18 * 1024);
    text
}

fn span_of(archive: &[u8]) -> Span {
    let limits = Limits::default();
    let tail = &archive[archive.len().saturating_sub(TAIL_BYTES as usize)..];
    match locate(tail, archive.len() as u64, &limits).expect("an archive") {
        Located::Found(span) => span,
        Located::NeedFrom(start) => match locate(&archive[start as usize..], archive.len() as u64, &limits) {
            Ok(Located::Found(span)) => span,
            other => panic!("{other:?}"),
        },
    }
}

pub(crate) fn measure() {
    let archive = of(ENTRIES);
    let span = span_of(&archive);
    let directory = &archive[span.start as usize..(span.start + span.bytes) as usize];
    part("directory scan, 100,000 entries", directory.len(), || walk(directory, &span, |_| Ok(())));
    part("index build, 100,000 entries", directory.len(), || Index::build(directory, &span));
    let index = Index::build(directory, &span).expect("an archive");
    let mut number = 0;
    part("index lookup, 100,000 entries", 0, || {
        number = (number + 7_919) % (ENTRIES - 1);
        index.find(name(number + 1).as_bytes()).is_some()
    });

    let entry = EntryMeta::from(index.find(PAGE.as_bytes()).expect("it is there"));
    let bytes = &archive[entry.header_offset as usize..];
    let packed = compressed_range(&entry, bytes).expect("its header").expect("all of it");
    part("inflate 18 KB, checked", entry.uncompressed_size as usize, || {
        decompress(&entry, &bytes[packed.clone()])
    });
}
