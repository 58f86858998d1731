//! The bytes of an archive for the one who asked first, while it is being stored.
//!
//! He is no brake for those who wait for the copy: if he is slow, he gets what is left from the store afterwards.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::{mpsc, oneshot};

use super::{Announced, Flight};
use crate::archive::{Limits, Located, TAIL_BYTES, locate};
use crate::store::Store;

/// Pieces that wait for a slow client.
const PIECES: usize = 64;

/// How long a download waits in all for a client that is slower.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the bytes go besides the store.
pub(super) struct Tee {
    announce: Option<oneshot::Sender<Announced>>,
    pieces: Option<mpsc::Sender<Bytes>>,
    /// The last piece: it goes out when the end of the archive is in order, or is left to the store, where it is only
    /// found when all of it is.
    held_back: Option<Bytes>,
    end: End,
    patience: Duration,
}

/// What comes out of a tee.
pub(super) struct Tapped {
    pub(super) announced: oneshot::Receiver<Announced>,
    pub(super) pieces: mpsc::Receiver<Bytes>,
}

impl Tee {
    pub(super) fn new() -> (Self, Tapped) {
        let (announce, announced) = oneshot::channel();
        let (sender, pieces) = mpsc::channel(PIECES);
        let tee = Self {
            announce: Some(announce),
            pieces: Some(sender),
            held_back: None,
            end: End::default(),
            patience: PATIENCE,
        };
        (tee, Tapped { announced, pieces })
    }

    /// Says that the first bytes are here.
    pub(super) fn announce(&mut self, announced: Announced) {
        let announce = self.announce.take();
        self.end.file_bytes = announced.size;
        if announce.is_none_or(|announce| announce.send(announced).is_err()) {
            self.pieces = None;
        }
    }

    /// Passes the piece before this one on.
    pub(super) async fn pass(&mut self, piece: Bytes) {
        if self.pieces.is_none() {
            return;
        }
        self.end.add(&piece);
        if let Some(earlier) = self.held_back.replace(piece) {
            self.send(earlier).await;
        }
    }

    /// Passes the last piece on if all bytes are there and have the end of an archive: whoever asked gets what the
    /// upstream sent, and waits neither for the disk nor for the rows of the copy.
    pub(super) async fn finish(&mut self, limits: &Limits) {
        if let Some(last) = self.held_back.take()
            && self.end.is_in_order(limits)
        {
            self.send(last).await;
        }
        self.pieces = None;
    }

    async fn send(&mut self, piece: Bytes) {
        let Some(pieces) = &self.pieces else { return };
        let began = Instant::now();
        let sent = tokio::time::timeout(self.patience, pieces.send(piece)).await;
        self.patience = self.patience.saturating_sub(began.elapsed());
        if !matches!(sent, Ok(Ok(()))) {
            (self.pieces, self.held_back) = (None, None);
        }
    }
}

/// The end of what came, where an archive says what it holds.
#[derive(Default)]
struct End {
    /// As announced.
    file_bytes: u64,
    seen_bytes: u64,
    tail: Vec<u8>,
}

impl End {
    fn add(&mut self, piece: &[u8]) {
        let before = self.file_bytes.saturating_sub(TAIL_BYTES).saturating_sub(self.seen_bytes);
        let skipped = usize::try_from(before).map_or(piece.len(), |before| before.min(piece.len()));
        self.tail.extend_from_slice(&piece[skipped..]);
        self.seen_bytes += piece.len() as u64;
    }

    fn is_in_order(&self, limits: &Limits) -> bool {
        self.seen_bytes == self.file_bytes
            && matches!(locate(&self.tail, self.file_bytes, limits), Ok(Located::Found(_)))
    }
}

/// Where the bytes are that did not come through the tee.
pub(super) struct Rest {
    pub(super) flight: Flight,
    pub(super) store: Store,
}

enum Next {
    Pieces(mpsc::Receiver<Bytes>, u64, Box<Rest>),
    Stored(BoxStream<'static, io::Result<Bytes>>),
    End,
}

/// Returns `size` bytes: those that come, then the rest of what is stored.
pub(super) fn bytes(
    pieces: mpsc::Receiver<Bytes>,
    size: u64,
    rest: Rest,
) -> BoxStream<'static, io::Result<Bytes>> {
    let steps = stream::unfold(Next::Pieces(pieces, 0, Box::new(rest)), move |mut next| async move {
        loop {
            next = match next {
                Next::Pieces(mut pieces, sent, rest) => match pieces.recv().await {
                    Some(piece) => {
                        let sent = sent + piece.len() as u64;
                        return Some((Ok(piece), Next::Pieces(pieces, sent, rest)));
                    }
                    None if sent == size => return None,
                    None => match rest.from(sent, size).await {
                        Ok(stored) => Next::Stored(stored),
                        Err(error) => return Some((Err(error), Next::End)),
                    },
                },
                Next::Stored(mut stored) => {
                    let piece = stored.next().await?;
                    return Some((piece, Next::Stored(stored)));
                }
                Next::End => return None,
            }
        }
    });
    steps.boxed()
}

impl Rest {
    async fn from(self, sent: u64, size: u64) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
        let copy = self.flight.await.map_err(io::Error::other)?;
        if copy.size != size {
            return Err(io::Error::other("another archive was stored meanwhile"));
        }
        let blob = self.store.open_blob(&copy.key, copy.size).await.map_err(io::Error::other)?;
        Ok(blob.stream(sent..size).boxed())
    }
}
