//! Finds, walks and indexes the directory of arbitrary bytes. The first two bytes choose how
//! much of the end is at hand at first, so that the way back to a ZIP64 record is taken too.
#![no_main]

use artigate::archive::{Fault, Index, Limits, Located, Span, locate, walk};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    entries: 10_000,
    directory_bytes: 1 << 20,
};

fuzz_target!(|input: &[u8]| {
    let Some((tail_bytes, file)) = input.split_first_chunk() else {
        return;
    };
    let tail_bytes = usize::from(u16::from_le_bytes(*tail_bytes));
    let Ok(span) = span(file, tail_bytes) else {
        return;
    };
    assert!(span.entries <= LIMITS.entries && span.bytes <= LIMITS.directory_bytes);
    let directory = &file[span.start as usize..][..span.bytes as usize];
    let mut names = Vec::new();
    let walked = walk(directory, &span, |entry| {
        assert!(entry.header_offset + 30 + entry.packed_bytes <= span.start);
        names.push(entry.name);
        Ok(())
    });
    let built = Index::build(directory, &span);
    assert_eq!(walked.err(), built.as_ref().err().cloned());
    let Ok(index) = built else {
        return;
    };
    assert_eq!(index.len(), names.len());
    for name in names {
        assert_eq!(index.find(name).map(|entry| entry.name), Some(name));
    }
    assert!(
        index
            .find(&input[..2])
            .is_none_or(|entry| entry.name == &input[..2])
    );
});

fn span(file: &[u8], tail_bytes: usize) -> Result<Span, Fault> {
    let mut from = file.len().saturating_sub(tail_bytes);
    loop {
        match locate(&file[from..], file.len() as u64, &LIMITS)? {
            Located::Found(span) => return Ok(span),
            Located::NeedFrom(offset) => {
                assert!((offset as usize) < from);
                from = offset as usize;
            }
        }
    }
}
