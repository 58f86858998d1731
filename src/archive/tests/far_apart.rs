//! Tests of zips of folders whose sizes and offsets need ZIP64, from simulated archives of local headers and
//! zeros.

use std::{collections::BTreeMap, io, ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use proptest::{collection::vec, prelude::*, sample::select};

use super::archives::{Record, directory, span_at, zip64_extra};
use crate::archive::{Index, Limits, Located, Subset, locate, walk};

/// Compressed and decompressed sizes of entries `d/0`, `d/1`, …, with `gap` bytes before each.
struct Fake {
    index: Arc<Index>,
    headers: BTreeMap<u64, Bytes>,
}

impl Fake {
    fn new(sizes: &[(u64, u64)], gap: u64) -> Self {
        let mut offset = 0;
        let mut headers = BTreeMap::new();
        let mut records = Vec::new();
        for (number, &(compressed, uncompressed)) in sizes.iter().enumerate() {
            let name = format!("d/{number}").into_bytes();
            offset += gap;
            let header = [&b"PK\x03\x04"[..], &[0; 22], &[name.len() as u8, 0, 0, 0], &name].concat();
            let bytes = header.len() as u64;
            headers.insert(offset, header.into());
            let ones = u32::MAX;
            let extra = zip64_extra(&[uncompressed, compressed, offset]);
            let wide =
                Record { compressed: ones, uncompressed: ones, header_offset: ones, ..Record::default() };
            records.push(Record { name, extra, ..wide });
            offset += bytes + compressed;
        }
        let directory = directory(&records);
        let span = span_at(offset, directory.len(), records.len());
        Self { index: Arc::new(Index::build(&directory, &span).unwrap()), headers }
    }

    fn read(&self, zeros: &Bytes) -> impl Fn(Range<u64>) -> ZeroStream + Send + use<> {
        let headers = self.headers.clone();
        let zeros = zeros.clone();
        move |range| {
            let (headers, zeros) = (headers.clone(), zeros.clone());
            stream::unfold(range.start, move |at| {
                let due = range.end - at;
                let piece = match headers.range(..=at).next_back() {
                    Some((start, header)) if at - start < header.len() as u64 => {
                        header.slice((at - start) as usize..)
                    }
                    _ => {
                        let next = headers.range(at..).next().map_or(u64::MAX, |(&start, _)| start - at);
                        zeros.slice(..next.min(zeros.len() as u64) as usize)
                    }
                };
                let piece = piece.slice(..due.min(piece.len() as u64) as usize);
                let next = at + piece.len() as u64;
                std::future::ready((due > 0).then_some((Ok(piece), next)))
            })
            .boxed()
        }
    }
}

type ZeroStream = stream::BoxStream<'static, io::Result<Bytes>>;

/// The length of a stream, and its last 4 KiB.
async fn measure(pieces: impl Stream<Item = io::Result<Bytes>>) -> (u64, Vec<u8>) {
    let mut pieces = Box::pin(pieces);
    let (mut total, mut tail) = (0, Vec::new());
    while let Some(piece) = pieces.next().await {
        let piece = piece.unwrap();
        total += piece.len() as u64;
        tail.extend_from_slice(&piece[piece.len().saturating_sub(4096)..]);
        tail.drain(..tail.len().saturating_sub(4096));
    }
    (total, tail)
}

fn some_sizes() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let limit = u64::from(u32::MAX);
    let size = select(vec![0, 1, 100, limit - 1, limit, limit + 1, 5 << 30, limit / 2]);
    vec((size.clone(), size), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn stated_length_is_the_streamed_length_whatever_needs_zip64(
        sizes in some_sizes(),
        gap in select(vec![0, 24, 70_000]),
    ) {
        let zeros = Bytes::from(vec![0; 16 << 20]);
        let fake = Fake::new(&sizes, gap);
        let subset = Subset::plan(&fake.index, "d").unwrap().unwrap();
        let stated = subset.size_bytes();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (total, tail) = runtime.block_on(measure(subset.into_stream(fake.read(&zeros))));
        prop_assert_eq!(total, stated);

        let padded_to = tail.len().min(total as usize);
        let located = locate(&tail[tail.len() - padded_to..], total, &Limits::default());
        let Ok(Located::Found(span)) = located else {
            return Err(TestCaseError::fail(format!("{located:?}")));
        };
        let from = tail.len() - (total - span.start) as usize;
        let mut seen = Vec::new();
        walk(&tail[from..][..span.bytes as usize], &span, |entry| {
            seen.push((entry.compressed_size, entry.uncompressed_size));
            Ok(())
        }).unwrap();
        prop_assert_eq!(seen, sizes);
        let needs_zip64 = span.start >= u32::MAX.into();
        let has_zip64 = tail[tail.len() - 42..].starts_with(b"PK\x06\x07");
        prop_assert_eq!(has_zip64, needs_zip64);
    }
}
