//! A skip is the way to a part of a compressed entry: the bytes before it are decompressed and dropped.
//!
//! The worker that answers makes a short skip itself, yielding between time slices. Long skips are made on
//! threads of their own, in slices that they get in order, so that none waits for another's end.

use std::io;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::ByteStream;
use super::budget::{Budget, Patience, Share};
use crate::domain::Result;
use crate::yielding::{self, WORKER_TIME_SLICE, YieldBudget};

/// The longest short skip, in bytes.
const SHORT_BYTES: u64 = 8 << 20;

/// The length of a slice.
const SLICE: Duration = Duration::from_millis(30);

/// The number of long skips at the same time; others wait, and are refused after a while. A client with all
/// the skips that it may have is left some memory for other decompression.
const MOST_LONG: u64 = 24;

/// The long skips in progress.
#[derive(Debug)]
pub(super) struct Skips {
    slices: Arc<Semaphore>,
    under_way: Budget,
}

impl Skips {
    /// Allows slices on half of `cores`, so that the others are left for other work.
    pub(super) fn new(cores: usize) -> Self {
        let under_way = Budget::new("capacity for long skips", MOST_LONG, 1, Patience::default());
        Self { slices: Arc::new(Semaphore::new((cores / 2).max(1))), under_way }
    }

    /// The number of long skips in progress.
    pub(super) fn count(&self) -> u64 {
        self.under_way.used()
    }

    /// Admits a skip of `bytes` for `client`; `None` if it is short and needs no admission.
    ///
    /// # Errors
    /// `Unavailable` when too many are in progress for too long.
    pub(super) async fn admit(&self, bytes: u64, client: Option<IpAddr>) -> Result<Option<Admitted>> {
        if bytes <= SHORT_BYTES {
            return Ok(None);
        }
        let share = self.under_way.take(1, client).await?;
        Ok(Some(Admitted { slices: Arc::clone(&self.slices), _share: share }))
    }
}

/// An admitted long skip.
pub(super) struct Admitted {
    slices: Arc<Semaphore>,
    _share: Share,
}

/// Returns the `part` of the bytes of `pieces`.
pub(super) fn part_of(pieces: ByteStream, part: Range<u64>, long: Option<Admitted>) -> ByteStream {
    let Some(admitted) = long else { return Box::pin(cut(pieces, part)) };
    let length = part.end - part.start;
    let arrived = async move {
        let (first, rest) = admitted.skip(pieces, part.start).await?;
        let pieces: ByteStream = Box::pin(stream::iter([Ok(first)]).chain(rest));
        Ok::<_, io::Error>(cut(pieces, 0..length))
    };
    Box::pin(stream::once(arrived).try_flatten())
}

impl Admitted {
    /// Skips `left` bytes; returns the rest of the last piece, and all pieces that follow.
    async fn skip(self, mut pieces: ByteStream, mut left: u64) -> io::Result<(Bytes, ByteStream)> {
        loop {
            let turn = Arc::clone(&self.slices).acquire_owned().await.map_err(io::Error::other)?;
            let handle = Handle::current();
            let slice = yielding::run(move || {
                // A read during the skip may need a thread that waits for the disk.
                let (_entered, _turn) = (handle.enter(), turn);
                slice(pieces, left)
            });
            // If the response was given up, the thread drops what it has at the end of its slice.
            (pieces, left) = match slice.await? {
                Slice::Arrived(first, rest) => return Ok((first, rest)),
                Slice::Failed(error) => return Err(error),
                Slice::Over(pieces, left) => (pieces, left),
                Slice::Waits(mut pieces, left) => {
                    let piece = pieces.try_next().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
                    match behind(piece, left) {
                        Ok(first) => return Ok((first, pieces)),
                        Err(left) => (pieces, left),
                    }
                }
            };
        }
    }
}

/// The end of a slice.
enum Slice {
    Arrived(Bytes, ByteStream),
    Over(ByteStream, u64),
    /// The next piece has to be waited for.
    Waits(ByteStream, u64),
    Failed(io::Error),
}

fn slice(mut pieces: ByteStream, mut left: u64) -> Slice {
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut cx = Context::from_waker(&waker);
    let (began, mut pace) = (Instant::now(), YieldBudget::begin());
    while began.elapsed() < SLICE {
        match pieces.as_mut().poll_next(&mut cx) {
            Poll::Ready(Some(Ok(piece))) => match behind(piece, left) {
                Ok(first) => return Slice::Arrived(first, pieces),
                Err(still) => left = still,
            },
            Poll::Ready(Some(Err(error))) => return Slice::Failed(error),
            Poll::Ready(None) => return Slice::Failed(io::ErrorKind::UnexpectedEof.into()),
            // It only yielded, which is done here as well.
            Poll::Pending if bell.0.swap(false, Ordering::AcqRel) => {}
            Poll::Pending => return Slice::Waits(pieces, left),
        }
        pace.checkpoint();
    }
    Slice::Over(pieces, left)
}

/// Returns the rest of `piece` after `left` bytes, or how many of these are left then.
fn behind(mut piece: Bytes, left: u64) -> std::result::Result<Bytes, u64> {
    match left.checked_sub(piece.len() as u64) {
        Some(left) if left > 0 => Err(left),
        _ => {
            piece.advance(left as usize);
            Ok(piece)
        }
    }
}

/// Tells a slice that there is more. After the slice, the pieces are polled with another waker.
#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// Drops the bytes before `part` and ends after it. Yields after each time slice.
fn cut(pieces: ByteStream, part: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let start = (pieces, part.start, part.end - part.start);
    stream::try_unfold(start, |(mut pieces, mut skip, mut left)| async move {
        let mut turn = Instant::now();
        while left > 0 {
            let mut piece = pieces.try_next().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let skipped = skip.min(piece.len() as u64);
            piece.advance(skipped as usize);
            piece.truncate(left.min(piece.len() as u64) as usize);
            skip -= skipped;
            left -= piece.len() as u64;
            if !piece.is_empty() {
                return Ok(Some((piece, (pieces, skip, left))));
            }
            if turn.elapsed() > WORKER_TIME_SLICE {
                tokio::task::yield_now().await;
                turn = Instant::now();
            }
        }
        Ok(None)
    })
}
