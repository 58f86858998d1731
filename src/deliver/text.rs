//! A text is a response that is made in memory, such as JSON. The memory of a long one is counted before it is made and
//! until it is sent, and it is made on a thread of its own, few at a time.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::budget::{Budget, Share};
use super::folder::holding;
use super::{Body, Capacity};
use crate::domain::{Error, Result};
use crate::yielding;

/// The largest text that is not counted, in bytes.
const SHORT_BYTES: usize = 256 << 10;

/// How many long texts are made at the same time.
const AT_A_TIME: usize = 2;

/// How long a request waits for its turn.
const WAIT: Duration = Duration::from_secs(60);

/// How much of a text is sent at a time, in bytes.
const PIECE_BYTES: usize = 64 << 10;

/// Turns to make a long text.
#[derive(Debug)]
pub(super) struct TextTurns(Arc<Semaphore>);

impl Default for TextTurns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_A_TIME)))
    }
}

/// The memory that is counted for a text; none for a short one.
#[derive(Debug)]
pub struct TextShare(Option<(Share, Budget)>);

impl Capacity {
    /// Counts the memory for a text of about so many `bytes`, with what it is made of.
    ///
    /// # Errors
    /// `Unavailable` when others take it all, and for a while.
    pub async fn count_text(&self, bytes: usize, client: Option<IpAddr>) -> Result<TextShare> {
        if bytes <= SHORT_BYTES {
            return Ok(TextShare::none());
        }
        // Held twice: as a text, and as what it is made of.
        let share = self.rows.take((bytes as u64).saturating_mul(2), client).await?;
        Ok(TextShare(Some((share, self.rows.clone()))))
    }

    /// Makes a text that was counted. Turn and memory are given back when it is made, even if nobody waits for it any
    /// more.
    ///
    /// # Errors
    /// `Unavailable` when too many others are made; `Internal` when `make` panics.
    pub async fn make_text<T: Send + 'static>(
        &self,
        share: TextShare,
        make: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(T, TextShare)> {
        if share.0.is_none() {
            return Ok((make(), share));
        }
        let busy = |_| Error::unavailable("too many long answers are being made");
        let turn = timeout(WAIT, Arc::clone(&self.texts.0).acquire_owned()).await;
        let turn = turn.map_err(busy)?.map_err(Error::internal)?;
        let making = move || {
            let made = make();
            drop(turn);
            (made, share)
        };
        Ok(yielding::run(making).await?)
    }
}

impl TextShare {
    /// The share of a short text.
    pub fn none() -> Self {
        Self(None)
    }

    /// Makes a response body of the text; it holds what was counted.
    pub fn into_body(self, text: Bytes) -> Body {
        let Some((share, budget)) = self.0 else { return Body::Full(text) };
        let pieces = stream::unfold(text, async |mut text| {
            let piece = text.split_to(text.len().min(PIECE_BYTES));
            (!piece.is_empty()).then_some((Ok(piece), text))
        });
        Body::Stream(budget.watch(share, |share| holding(Box::pin(pieces), share)))
    }
}
