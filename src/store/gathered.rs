//! What was gathered of a blob: pieces of the network, until they are enough for one write.

use std::mem;

use bytes::{Bytes, BytesMut};

/// The shortest piece that is kept as it came, in bytes. Shorter ones are copied together: a client that sends single
/// bytes would otherwise hold a buffer of the network for each.
const KEPT_BYTES: usize = 16 * 1024;

/// Pieces in order, less than a step of them whenever what is full was taken.
#[derive(Debug)]
pub(super) struct Gathered {
    /// How many bytes are written at once.
    step: usize,
    /// What is before the tail.
    pieces: Vec<Bytes>,
    pieces_bytes: usize,
    /// What was copied.
    tail: BytesMut,
}

impl Gathered {
    /// Nothing yet. Writes that begin at a multiple of a large power of two cost a file system least, so `step` is one.
    pub(super) fn new(step: usize) -> Self {
        Self { step, pieces: Vec::new(), pieces_bytes: 0, tail: BytesMut::new() }
    }

    fn missing(&self) -> usize {
        self.step - self.pieces_bytes - self.tail.len()
    }

    /// Adds as many of the bytes as are missing for a step, takes them off `bytes`, and returns the step if it is full.
    pub(super) fn fill(&mut self, bytes: &mut &[u8]) -> Option<Vec<Bytes>> {
        let (taken, rest) = bytes.split_at(self.missing().min(bytes.len()));
        self.tail.extend_from_slice(taken);
        *bytes = rest;
        self.full()
    }

    /// As [`Gathered::fill`], without copying what is long.
    pub(super) fn fill_shared(&mut self, bytes: &mut Bytes) -> Option<Vec<Bytes>> {
        let taken = bytes.split_to(self.missing().min(bytes.len()));
        if taken.len() < KEPT_BYTES {
            self.tail.extend_from_slice(&taken);
        } else {
            self.keep_tail();
            self.pieces_bytes += taken.len();
            self.pieces.push(taken);
        }
        self.full()
    }

    /// Returns what is left.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        self.keep_tail();
        self.pieces_bytes = 0;
        mem::take(&mut self.pieces)
    }

    fn full(&mut self) -> Option<Vec<Bytes>> {
        if self.missing() > 0 {
            return None;
        }
        let was_copied = !self.tail.is_empty();
        let full = self.take();
        if was_copied {
            self.tail.reserve(self.step);
        }
        Some(full)
    }

    fn keep_tail(&mut self) {
        if !self.tail.is_empty() {
            let tail = mem::take(&mut self.tail).freeze();
            self.pieces_bytes += tail.len();
            self.pieces.push(tail);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEP: usize = 64 * 1024;

    proptest! {
        /// Whatever comes in whichever way, steps come out, and nothing is lost, doubled or out of order.
        #[test]
        fn all_bytes_come_out_in_order_and_in_steps(
            sizes in prop::collection::vec((0_usize..3 * STEP, any::<bool>()), 0..12),
        ) {
            let total: usize = sizes.iter().map(|(size, _)| size).sum();
            let all: Bytes = (0..total).map(|at| (at % 251) as u8).collect();
            let (mut gathered, mut out, mut at) = (Gathered::new(STEP), Vec::new(), 0);
            for (size, is_shared) in sizes {
                let mut shared = all.slice(at..at + size);
                let copied = shared.clone();
                let mut copied: &[u8] = &copied;
                at += size;
                while if is_shared { !shared.is_empty() } else { !copied.is_empty() } {
                    let full =
                        if is_shared { gathered.fill_shared(&mut shared) } else { gathered.fill(&mut copied) };
                    if let Some(full) = full {
                        prop_assert_eq!(full.iter().map(Bytes::len).sum::<usize>(), STEP);
                        out.extend(full);
                    }
                }
            }
            let rest = gathered.take();
            prop_assert!(rest.iter().map(Bytes::len).sum::<usize>() < STEP);
            out.extend(rest);
            prop_assert_eq!(out.concat(), all);
        }
    }

    #[test]
    fn single_bytes_hold_no_buffer_each() {
        let (mut gathered, buffer) = (Gathered::new(STEP), Bytes::from(vec![7; STEP]));
        for at in 0..STEP - 1 {
            assert!(gathered.fill_shared(&mut buffer.slice(at..=at)).is_none());
        }
        assert!(gathered.pieces.is_empty());
        assert_eq!(gathered.fill_shared(&mut buffer.slice(..1)).map(|full| full.len()), Some(1));
    }
}
