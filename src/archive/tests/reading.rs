//! Tests of reading entries: every method returns the original content, and any damage shows before the last
//! byte.

use std::io;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use proptest::{collection::vec, prelude::*, sample::Index as Pick};
use tokio::io::AsyncBufRead;
use tokio_util::io::StreamReader;
use zip::CompressionMethod::{self, Deflated, Stored, Zstd};

use super::{
    agreement::methods,
    archives::{meta, sound, streamed, wanted},
};
use crate::archive::{
    EntryMeta, Oddity, Unsupported, compressed_range, decompress, is_small, open, probable_span,
};

/// `bytes` in pieces of the given sizes, repeated, with a pause before each.
pub(super) fn source(bytes: &[u8], sizes: &[usize]) -> impl AsyncBufRead + Unpin + Send + use<> {
    let mut rest = Bytes::copy_from_slice(bytes);
    let mut sizes: Vec<usize> = sizes.to_vec();
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        pieces.push(Ok(rest.split_to(sizes[0].clamp(1, rest.len()))));
        sizes.rotate_left(1);
    }
    let paced = stream::iter(pieces).then(|piece: io::Result<Bytes>| async {
        tokio::task::yield_now().await;
        piece
    });
    StreamReader::new(paced.boxed())
}

/// All bytes that came, and the error that ended them.
fn read(
    source: impl AsyncBufRead + Unpin + Send + 'static,
    entry: &EntryMeta,
) -> (Vec<u8>, Option<io::Error>) {
    let mut pieces = open(source, entry.clone()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => {
                    assert!(!piece.is_empty() && piece.len() <= 64 * 1024);
                    bytes.extend(piece);
                }
                Err(error) => {
                    assert!(pieces.next().await.is_none(), "goes on after an error");
                    return (bytes, Some(error));
                }
            }
        }
        (bytes, None)
    })
}

fn from_header<'a>(file: &'a [u8], entry: &EntryMeta) -> &'a [u8] {
    &file[entry.header_offset as usize..]
}

/// Also reads a small entry in one go, which must have the same result.
pub(super) fn read_whole(file: &[u8], entry: &EntryMeta) -> (Vec<u8>, Option<io::Error>) {
    let (bytes, error) = read(source(from_header(file, entry), &[1000]), entry);
    match read_at_once(file, entry) {
        None => {}
        Some(Ok(at_once)) => assert!(error.is_none() && at_once == bytes, "{error:?}"),
        Some(Err(at_once)) => assert!(error.is_some(), "{at_once}"),
    }
    (bytes, error)
}

fn read_at_once(file: &[u8], entry: &EntryMeta) -> Option<io::Result<Vec<u8>>> {
    let bytes = from_header(file, entry);
    let range = is_small(entry).then(|| compressed_range(entry, bytes))?;
    range
        .and_then(|compressed| {
            compressed.map_or(Ok(None), |compressed| decompress(entry, &bytes[compressed]))
        })
        .transpose()
}

/// The text of the damage; asserts that bytes are missing.
fn damage(file: &[u8], entry: &EntryMeta) -> String {
    let (bytes, error) = read_whole(file, entry);
    let error = error.expect("damage was not noticed");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(entry.uncompressed_size == 0 || (bytes.len() as u64) < entry.uncompressed_size);
    if let Some(at_once) = read_at_once(file, entry) {
        assert_eq!(at_once.unwrap_err().to_string(), error.to_string());
    }
    error.to_string()
}

fn lines(bytes: usize) -> Vec<u8> {
    (0_u32..).flat_map(|n| format!("line {n}\n").into_bytes()).take(bytes).collect()
}

pub(super) fn one(content: &[u8], method: CompressionMethod) -> (Vec<u8>, EntryMeta) {
    let file = streamed(&[wanted("dir/a.txt", content, method)], b"");
    let entry = meta(&file, "dir/a.txt");
    (file, entry)
}

const METHODS: [CompressionMethod; 3] = [Stored, Deflated, Zstd];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn entries_come_back_as_they_went_in(
        random in vec(any::<u8>(), 0..2000),
        repeats in 1..200_usize,
        method in methods(),
        stream in any::<bool>(),
        zip64 in any::<bool>(),
        sizes in vec(1..5000_usize, 1..5),
    ) {
        let content = random.repeat(repeats);
        let mut second = wanted("b", &content, method);
        second.zip64 = zip64;
        let all = [wanted("a", b"first", Stored), second, wanted("c", b"third", Deflated)];
        let file = if stream { streamed(&all, b"") } else { sound(&all, b"") };
        let entry = meta(&file, "b");
        let (bytes, error) = read(source(from_header(&file, &entry), &sizes), &entry);
        prop_assert!(error.is_none(), "{error:?}");
        prop_assert!(bytes == content);
    }

    #[test]
    fn damaged_entry_never_gives_all_of_its_bytes(
        content in vec(0..4_u8, 1..3000),
        method in methods(),
        at in any::<Pick>(),
        bit in 0..8_u8,
    ) {
        let (mut file, entry) = one(&content, method);
        let body = entry.header_offset as usize + 30 + entry.name.len();
        file[body + at.index(entry.compressed_size as usize)] ^= 1 << bit;
        let (bytes, error) = read_whole(&file, &entry);
        // Formats have bits without meaning; then the content is right all the same.
        prop_assert!(error.is_some() || bytes == content);
        prop_assert!(error.is_none() || bytes.len() < content.len());
    }
}

#[test]
fn empty_entry_and_one_byte_come_back() {
    for method in METHODS {
        for content in [&b""[..], b"x"] {
            let (file, entry) = one(content, method);
            let (bytes, error) = read_whole(&file, &entry);
            assert!(error.is_none(), "{method}: {error:?}");
            assert_eq!(bytes, content);
        }
    }
}

#[test]
fn empty_entry_with_a_method_but_no_stream_is_read() {
    let (file, mut entry) = one(b"", Stored);
    for method in [8, 93] {
        entry.method = method;
        let (bytes, error) = read_whole(&file, &entry);
        assert!(bytes.is_empty() && error.is_none());
    }
}

#[test]
fn large_entry_comes_in_pieces_of_at_most_64_kib() {
    for method in METHODS {
        let content = lines(1_000_000);
        let (file, entry) = one(&content, method);
        let (bytes, error) = read(source(from_header(&file, &entry), &[1 << 20]), &entry);
        assert!(error.is_none() && bytes == content);
    }
}

#[test]
fn small_entries_are_those_that_make_one_piece() {
    for (bytes, small) in [(0, true), (65_536, true), (65_537, false)] {
        for method in [Stored, Deflated] {
            let (file, entry) = one(&lines(bytes), method);
            assert_eq!(is_small(&entry), small);
            assert_eq!(read_at_once(&file, &entry).is_some(), small);
        }
    }
    let (file, entry) = one(b"abc", Zstd);
    assert!(read_at_once(&file, &entry).is_none(), "left to the stream");
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
        (state >> 24) as u8
    })
    .take(30_000)
    .collect();
    let (file, entry) = one(&noise, Deflated);
    assert!(is_small(&entry) && read_at_once(&file, &entry).is_none(), "it may be more blocks than bytes");
}

#[test]
fn several_zstd_frames_are_one_entry() {
    let (first, one_frame) = one(&lines(5000), Zstd);
    let (second, other_frame) = one(b"tail", Zstd);
    let (header, body) = (from_header(&first, &one_frame), 30 + one_frame.name.len());
    let compressed = [
        &header[..body + one_frame.compressed_size as usize],
        &from_header(&second, &other_frame)[body..][..other_frame.compressed_size as usize],
    ]
    .concat();
    let content = [lines(5000), b"tail".into()].concat();
    let entry = EntryMeta {
        crc32: crc32fast::hash(&content),
        compressed_size: one_frame.compressed_size + other_frame.compressed_size,
        uncompressed_size: content.len() as u64,
        ..one_frame
    };
    let (bytes, error) = read_whole(&compressed, &entry);
    assert!(error.is_none() && bytes == content, "{error:?}");
}

#[test]
fn wrong_crc_is_damage() {
    for method in METHODS {
        for content in [lines(0), lines(1), lines(200_000)] {
            let (file, mut entry) = one(&content, method);
            entry.crc32 ^= 1;
            let text = "entry's CRC-32 does not match its directory record";
            assert_eq!(damage(&file, &entry), text);
        }
    }
}

#[test]
fn wrong_length_is_damage() {
    for method in METHODS {
        for bytes in [1, 70_000, 65_536] {
            let (file, entry) = one(&lines(bytes), method);
            let uncompressed_size = bytes as u64 - 1;
            let shorter = EntryMeta { uncompressed_size, ..entry.clone() };
            let text = "entry is longer than its directory record says";
            assert_eq!(damage(&file, &shorter), text);
            let uncompressed_size = bytes as u64 + 1;
            let longer = EntryMeta { uncompressed_size, ..entry };
            let text = "entry is shorter than its directory record says";
            assert_eq!(damage(&file, &longer), text);
        }
    }
}

#[test]
fn source_that_ends_early_is_damage() {
    for method in METHODS {
        let (file, entry) = one(&lines(50_000), method);
        let body = 30 + entry.name.len();
        let end = body + entry.compressed_size as usize;
        for cut in [0, 1, 29, 30, body - 1, body, body + 1, end - 1] {
            assert_eq!(damage(&file[..cut], &entry), "archive ends inside the entry");
        }
    }
}

#[test]
fn source_that_ends_inside_the_local_extra_field_is_damage() {
    let mut empty = wanted("a", b"", Stored);
    empty.zip64 = true;
    let file = sound(&[empty], b"");
    let entry = meta(&file, "a");
    assert_eq!(damage(&file[..32], &entry), "archive ends inside the entry");
}

#[test]
fn compressed_bytes_that_stop_short_of_the_stream_are_damage() {
    for method in [Deflated, Zstd] {
        let (file, mut entry) = one(&lines(50_000), method);
        entry.compressed_size -= 1;
        assert_eq!(damage(&file, &entry), "entry's compressed data is damaged");
    }
}

#[test]
fn compressed_bytes_left_over_are_damage() {
    let (file, mut entry) = one(&lines(50_000), Deflated);
    entry.compressed_size += 1;
    let text = "entry has data left over after its compressed stream";
    assert_eq!(damage(&file, &entry), text);
    let (file, mut entry) = one(&lines(50_000), Zstd);
    entry.compressed_size += 16;
    assert_eq!(damage(&file, &entry), "entry's compressed data is damaged");
}

#[test]
fn name_in_the_local_header_may_be_any_other() {
    for method in METHODS {
        let content = lines(5000);
        let (file, entry) = one(&content, method);
        let (header, compressed) = (&file[..30], &file[30 + entry.name.len()..]);
        let extra_bytes = usize::from(u16::from_le_bytes([header[28], header[29]]));
        for name in [&b"dir\\a.txt"[..], b"", b"\x81", &[b'n'; 1000]] {
            let lengths = [(name.len() as u16).to_le_bytes(), (extra_bytes as u16).to_le_bytes()].concat();
            let file = [&header[..26], &lengths, name, compressed].concat();
            let (bytes, error) = read_whole(&file, &entry);
            assert!(error.is_none() && bytes == content, "{error:?}");
        }
    }
}

#[test]
fn all_but_the_lengths_in_the_local_header_may_lie() {
    let content = lines(5000);
    for method in METHODS {
        let (mut file, entry) = one(&content, method);
        file[4..26].fill(0xff);
        let (bytes, error) = read_whole(&file, &entry);
        assert!(error.is_none() && bytes == content, "{error:?}");
    }
}

#[test]
fn lengths_in_the_local_header_that_lie_are_damage() {
    let (file, entry) = one(&lines(5000), Deflated);
    for at in 26..30 {
        let mut file = file.clone();
        file[at] ^= 1;
        damage(&file, &entry);
    }
}

#[test]
fn missing_local_header_is_damage() {
    let (mut file, entry) = one(b"abc", Stored);
    file[0] = b'p';
    assert_eq!(damage(&file, &entry), "entry has no local header at its stated offset");
}

#[test]
fn failure_of_the_source_is_passed_on_as_it_is() {
    for method in METHODS {
        let (file, entry) = one(&lines(50_000), method);
        for good in [3, 100] {
            let pieces = [
                Ok(Bytes::copy_from_slice(&file[..good])),
                Err(io::Error::new(io::ErrorKind::TimedOut, "bucket is gone")),
            ];
            let (_, error) = read(StreamReader::new(stream::iter(pieces)), &entry);
            let error = error.unwrap();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(error.to_string(), "bucket is gone");
        }
    }
}

#[test]
fn encrypted_entry_foreign_method_or_oddity_is_refused_before_reading() {
    let (_, entry) = one(b"abc", Stored);
    let refusal = |entry| open(tokio::io::empty(), entry).err().unwrap();
    let encrypted = refusal(EntryMeta { encrypted: true, ..entry.clone() });
    assert_eq!(encrypted, Unsupported::Encrypted);
    assert_eq!(encrypted.to_string(), "entry is encrypted");
    let text = "entry uses compression method 99, which is not supported";
    assert_eq!(refusal(EntryMeta { method: 99, ..entry.clone() }).to_string(), text);
    let odd = EntryMeta { oddity: Some(Oddity::OutsideArchive), ..entry };
    assert_eq!(odd.check_supported(), Err(Unsupported::Odd(Oddity::OutsideArchive)));
    assert_eq!(refusal(odd).to_string(), "entry is outside its archive");
}

#[test]
fn compressed_data_that_unpacks_to_nothing_lets_other_tasks_run() {
    // Empty stored blocks of deflate, then a final one.
    let mut compressed = [0, 0, 0, 0xff, 0xff].repeat(1_000_000);
    compressed.extend([1, 0, 0, 0xff, 0xff]);
    let (file, entry) = one(b"", Stored);
    let entry = EntryMeta { method: 8, compressed_size: compressed.len() as u64, ..entry };
    let bytes = [&file[..30 + entry.name.len()], &compressed].concat();
    let mut pieces = open(io::Cursor::new(bytes), entry).unwrap();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let pauses = (0..).take_while(|_| pieces.poll_next_unpin(&mut cx).is_pending()).count();
    assert!(pauses >= 19, "{pauses}");
}

#[test]
fn probable_span_holds_what_runners_write_and_does_not_overflow() {
    let (file, mut entry) = one(&lines(5000), Deflated);
    let span = (probable_span(&entry) as usize).min(file.len());
    assert!(read(source(&file[..span], &[100]), &entry).1.is_none());
    assert_eq!(probable_span(&entry), 30 + 9 + 512 + entry.compressed_size);
    entry.compressed_size = u64::MAX;
    assert_eq!(probable_span(&entry), u64::MAX);
}
