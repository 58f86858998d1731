//! Tests of following zstd frames, whatever the pieces and the bytes.

use std::io::Write;

use proptest::{collection::vec, prelude::*};
use zip::{CompressionMethod::Zstd, ZipWriter, write::SimpleFileOptions};

use super::archives::meta;
use crate::archive::{Frame, Frames, MOST_WINDOW_BYTES};

/// One frame by a real encoder.
fn frame_of(content: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("a", SimpleFileOptions::default().compression_method(Zstd)).unwrap();
    writer.write_all(content).unwrap();
    let file = writer.finish().unwrap().into_inner();
    let entry = meta(&file, "a");
    let start = entry.header_offset as usize;
    let extra = u16::from_le_bytes([file[start + 28], file[start + 29]]) as usize;
    file[start + 31 + extra..][..entry.compressed_size as usize].to_vec()
}

fn followed(bytes: &[u8], sizes: &[usize]) -> Vec<Frame> {
    let (mut frames, mut found, mut rest) = (Frames::default(), Vec::new(), bytes);
    for &size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at(size.min(rest.len()));
        rest = behind;
        let each = |frame| {
            found.push(frame);
            Ok::<(), ()>(())
        };
        frames.follow(piece, each).unwrap();
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_frame_is_met_however_the_bytes_come(
        contents in vec((vec(any::<u8>(), 0..300), 1..2000_usize), 1..4),
        skipped in vec(any::<u8>(), 0..40),
        sizes in vec(1..3000_usize, 1..5),
    ) {
        let skippable = [&[0x5a, 0x2a, 0x4d, 0x18][..], &(skipped.len() as u32).to_le_bytes(), &skipped].concat();
        let frames: Vec<Vec<u8>> = contents.iter().map(|(bytes, times)| frame_of(&bytes.repeat(*times))).collect();
        let expected: Vec<Frame> = frames.iter().map(|frame| Frame::read(frame).unwrap()).collect();
        let all = frames.join(&skippable[..]);
        prop_assert_eq!(followed(&all, &sizes), expected);
    }

    #[test]
    fn no_bytes_do_harm(
        head in vec(any::<u8>(), 0..30),
        is_frame in any::<bool>(),
        sizes in vec(1..9_usize, 1..5),
    ) {
        let bytes = [if is_frame { &[0x28, 0xb5, 0x2f, 0xfd][..] } else { &[] }, &head].concat();
        let all_at_once = followed(&bytes, &[usize::MAX]);
        prop_assert_eq!(followed(&bytes, &sizes), all_at_once.clone());
        prop_assert_eq!(Frame::read(&bytes), all_at_once.first().copied());
    }

    #[test]
    fn a_narrowed_window_is_enough_and_no_larger_than_it_was(
        descriptor in any::<u8>(),
        fields in vec(any::<u8>(), 13),
        content in 0..MOST_WINDOW_BYTES,
    ) {
        let bytes = [&[0x28, 0xb5, 0x2f, 0xfd, descriptor][..], &fields].concat();
        let mut frames = Frames::default();
        frames.gather(&bytes);
        let before = Frame::read(frames.head()).unwrap();
        frames.narrow(content);
        let after = Frame::read(frames.head()).unwrap();
        prop_assert!(after.window_bytes <= before.window_bytes);
        prop_assert!(after.window_bytes >= before.window_bytes.min(content));
        prop_assert_eq!(after.content_bytes, before.content_bytes);
        let is_single_segment = descriptor & 0x20 != 0;
        prop_assert!(is_single_segment || after.window_bytes <= MOST_WINDOW_BYTES);
    }
}

#[test]
fn a_header_tells_window_content_and_dictionary() {
    let magic = [0x28, 0xb5, 0x2f, 0xfd];
    let read = |fields: &[u8]| Frame::read(&[&magic[..], fields].concat());
    let frame = |window_bytes, content_bytes, needs_dictionary| {
        Some(Frame { window_bytes, content_bytes, needs_dictionary })
    };
    assert_eq!(read(&[0, 0]), frame(1 << 10, None, false));
    assert_eq!(read(&[0, 13 << 3]), frame(8 << 20, None, false));
    assert_eq!(read(&[0, 13 << 3 | 1]), frame(9 << 20, None, false));
    assert_eq!(read(&[0x20, 7]), frame(7, Some(7), false));
    assert_eq!(read(&[0x60, 1, 0]), frame(257, Some(257), false));
    assert_eq!(read(&[0x80, 0, 1, 0, 0, 0]), frame(1 << 10, Some(1), false));
    assert_eq!(read(&[1, 0, 9]), frame(1 << 10, None, true));
    assert_eq!(read(&[3, 0, 0, 0, 0, 0]), frame(1 << 10, None, false));
    assert_eq!(read(&[0x60, 1]), None, "cut short");
    assert_eq!(Frame::read(b"PK"), None);
}
