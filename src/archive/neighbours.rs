//! Neighbours of a removed entry: the entries around it, which tell which of its bytes nobody else has.
//!
//! Offsets and lengths are claims of the archive's maker. An entry that may reach into a removed one keeps the bytes
//! where they are.

use std::collections::HashMap;
use std::io;
use std::ops::Range;

use bytes::Bytes;

use super::Entry;
use super::directory::LOCAL_HEADER_BYTES;
use super::entry::local_lengths;
use super::range_reader::SKIP_BYTES;

/// The most that name and extra fields of a local header take.
const MOST_NAME_AND_EXTRA: u64 = 2 * u16::MAX as u64;

/// How many local headers are read at most, and in how many reads for one entry; what more would be needed for stays where
/// it is. Headers that matter lie close to each other, unless somebody has made up their lengths.
const MOST_HEADERS: usize = 20_000;
const MOST_READS: usize = 16;

/// The longest of these reads, in bytes.
const READ_BYTES: u64 = 1024 * 1024;

/// The longest data descriptor: a signature, a CRC-32 and two sizes of 64 bits.
const MOST_DESCRIPTOR: u64 = 24;

/// An entry that is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Removed {
    start: u64,
    compressed_size: u64,
    uncompressed_size: u64,
    crc32: u32,
    has_descriptor: bool,
}

impl Removed {
    /// `None` if nobody knows where it lies.
    pub(super) fn of(entry: &Entry<'_>) -> Option<Self> {
        const DATA_DESCRIPTOR: u16 = 1 << 3;
        entry.oddity.is_none().then_some(Self {
            start: entry.header_offset,
            compressed_size: entry.compressed_size,
            uncompressed_size: entry.uncompressed_size,
            crc32: entry.crc32,
            has_descriptor: entry.flags & DATA_DESCRIPTOR != 0,
        })
    }

    /// Returns the length of the descriptor that `bytes` begins with.
    fn descriptor_bytes(&self, bytes: &[u8]) -> u64 {
        if !self.has_descriptor {
            return 0;
        }
        let sizes = [self.compressed_size, self.uncompressed_size];
        let narrow: Vec<u8> = sizes.iter().flat_map(|size| (*size as u32).to_le_bytes()).collect();
        let wide: Vec<u8> = sizes.iter().flat_map(|size| size.to_le_bytes()).collect();
        let crc32 = self.crc32.to_le_bytes();
        let forms = [&b"PK\x07\x08"[..], &b""[..]]
            .into_iter()
            .flat_map(|signature| [&wide, &narrow].map(|sizes| [signature, &crc32[..], &sizes[..]].concat()));
        forms.into_iter().find(|form| bytes.starts_with(form)).map_or(0, |form| form.len() as u64)
    }
}

/// The removed entries of an archive, and the others.
pub(super) struct Neighbours {
    removed: Vec<Removed>,
    /// Where the others lie, and how many compressed bytes they have, sorted.
    others: Vec<(u64, u64)>,
    /// The furthest that an other up to each one reaches with its compressed bytes.
    furthest: Vec<u64>,
    directory_start: u64,
}

impl Neighbours {
    pub(super) fn new(mut removed: Vec<Removed>, mut others: Vec<(u64, u64)>, directory_start: u64) -> Self {
        removed.sort_unstable();
        others.sort_unstable();
        let mut last = 0;
        let reach = |(start, bytes): &(u64, u64)| {
            last = last.max(start.saturating_add(LOCAL_HEADER_BYTES).saturating_add(*bytes));
            last
        };
        let furthest = others.iter().map(reach).collect();
        Self { removed, others, furthest, directory_start }
    }

    /// Returns the bytes that can be cut out, in order, apart from each other.
    pub(super) async fn cuts(
        &self,
        read: &impl AsyncFn(Range<u64>) -> io::Result<Bytes>,
    ) -> io::Result<Vec<Range<u64>>> {
        let mut left = MOST_HEADERS;
        let mut cuts: Vec<Range<u64>> = Vec::new();
        for removed in &self.removed {
            if let Some(cut) = self.cut(removed, &mut left, read).await? {
                match cuts.last_mut().filter(|last| cut.start <= last.end) {
                    Some(last) => last.end = last.end.max(cut.end),
                    None => cuts.push(cut),
                }
            }
        }
        Ok(cuts)
    }

    /// Returns the bytes that one removed entry alone has.
    async fn cut(
        &self,
        removed: &Removed,
        left: &mut usize,
        read: &impl AsyncFn(Range<u64>) -> io::Result<Bytes>,
    ) -> io::Result<Option<Range<u64>>> {
        let behind = self.others.partition_point(|(start, _)| *start <= removed.start);
        let before = &self.others[..behind];
        if behind > 0 && self.furthest[behind - 1] > removed.start {
            return Ok(None);
        }
        // Those that reach into it if their headers are long enough.
        let reaches = |(start, bytes): &(u64, u64)| {
            start + LOCAL_HEADER_BYTES + bytes + MOST_NAME_AND_EXTRA > removed.start
        };
        let any_before = |at: &usize| self.furthest[*at] + MOST_NAME_AND_EXTRA > removed.start;
        let near = (0..behind).rev().take_while(any_before).map(|at| before[at]).filter(reaches);
        let near: Vec<(u64, u64)> = near.take(*left).collect();
        if near.len() + 1 >= *left {
            return Ok(None);
        }
        *left -= near.len() + 1;
        let mut starts: Vec<u64> = near.iter().map(|(start, _)| *start).chain([removed.start]).collect();
        starts.sort_unstable();
        starts.dedup();
        let Some(headers) = self.headers(&starts, read).await? else { return Ok(None) };
        let end = |start: u64, bytes: u64| Some(start + LOCAL_HEADER_BYTES + headers.get(&start)? + bytes);
        let reaches_in =
            |(start, bytes): &(u64, u64)| end(*start, *bytes).is_some_and(|end| end > removed.start);
        if near.iter().any(reaches_in) {
            return Ok(None);
        }
        let Some(own) = end(removed.start, removed.compressed_size) else { return Ok(None) };
        let next = self.others.get(behind).map_or(self.directory_start, |(start, _)| *start);
        let mut cut_end = own.min(next);
        if removed.has_descriptor && own < next {
            let bytes = read(own..next.min(own + MOST_DESCRIPTOR)).await?;
            cut_end += removed.descriptor_bytes(&bytes).min(next - own);
        }
        Ok(Some(removed.start..cut_end))
    }

    /// Reads how long name and extra fields of local headers are, those that lie near each other in one read. What is no
    /// header is left out; `None` if that takes too many reads.
    async fn headers(
        &self,
        starts: &[u64],
        read: &impl AsyncFn(Range<u64>) -> io::Result<Bytes>,
    ) -> io::Result<Option<HashMap<u64, u64>>> {
        let runs: Vec<&[u64]> = runs(starts).take(MOST_READS + 1).collect();
        if runs.len() > MOST_READS {
            return Ok(None);
        }
        let mut found = HashMap::with_capacity(starts.len());
        for run in runs {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            let bytes = read(*first..self.directory_start.min(last + LOCAL_HEADER_BYTES)).await?;
            for start in run {
                let header = bytes.get((start - first) as usize..).unwrap_or_default();
                if let Some((name, extra)) = local_lengths(header) {
                    found.insert(*start, u64::from(name) + u64::from(extra));
                }
            }
        }
        Ok(Some(found))
    }
}

/// Divides sorted offsets into runs that are worth one read each.
fn runs(starts: &[u64]) -> impl Iterator<Item = &[u64]> {
    let mut rest = starts;
    std::iter::from_fn(move || {
        let first = *rest.first()?;
        let is_next = |pair: &[u64]| pair[1] - pair[0] <= SKIP_BYTES && pair[1] - first <= READ_BYTES;
        let length = 1 + rest.windows(2).take_while(|pair| is_next(pair)).count();
        let (run, others) = rest.split_at(length);
        rest = others;
        Some(run)
    })
}
