//! Folder delivery sends a page of the items of an archive's folder, or all of the folder as a zip.

use std::ops::Range;

use futures_util::{StreamExt, TryStreamExt};

use super::budget::{Budget, Share};
use super::index_cache::Indexed;
use super::{Body, ByteStream, Sources, TextShare, open_artifact, with_first_chunk};
use crate::archive::{ArchiveError, Listing, Overlay, Subset};
use crate::catalog::artifacts::Artifact;
use crate::domain::{EntryPath, Error, ErrorKind, Result};
use crate::store::Blob;

/// A planned zip of a folder. It holds the rows of the folder's entries, whose memory is counted.
pub struct FolderDelivery {
    blob: Blob,
    subset: Subset,
    share: Share,
    budget: Budget,
}

/// A page of a folder's items, whose memory is counted if it is much.
pub struct FolderPage {
    /// The items.
    pub listing: Listing,
    /// What is counted for them, and for the text that is made of them.
    pub share: TextShare,
}

/// Lists the items in `window` of a folder of an archive, of the root without a `path`, and their total, with
/// those of an overlay. `None` when there is no such folder.
///
/// # Errors
/// `Unprocessable` when the archive is not readable; `Internal` when its bytes cannot be read; `Unavailable`
/// when too many others request such work.
pub async fn list_folder(
    sources: Sources<'_>,
    archive: &Artifact,
    overlay: Option<Overlay>,
    path: Option<EntryPath>,
    recursive: bool,
    window: Range<usize>,
) -> Result<Option<FolderPage>> {
    let Sources { store, indexes, capacity, client } = sources;
    let blob = open_artifact(store, archive).await?;
    let folder = path.as_ref().map_or("", EntryPath::as_str).to_owned();
    let outline = indexes.outline(archive, &blob, folder, recursive).await?.map_err(unreadable)?;
    let Some(outline) = outline else {
        return Ok(overlay.map(|overlay| FolderPage::small(overlay.alone(&window))));
    };
    let own_window = overlay.as_ref().map_or(window.clone(), |overlay| overlay.widen(&window));
    // Names have up to 64 KiB each.
    let overlay_bytes = overlay.as_ref().map_or(0, Overlay::heap_bytes);
    let bytes = outline.page_bytes(&own_window).saturating_add(overlay_bytes);
    let share = capacity.count_text(bytes, client).await?;
    let mut listing = indexes.page(archive, &blob, outline, own_window).await?.map_err(unreadable)?;
    if let Some(overlay) = overlay {
        let merge = move |known: &Indexed| overlay.merge(&known.index, listing, &window);
        listing = indexes.work(archive, &blob, merge).await?.map_err(unreadable)?;
    }
    Ok(Some(FolderPage { listing, share }))
}

impl FolderPage {
    /// A page whose memory is not counted.
    pub fn small(listing: Listing) -> Self {
        Self { listing, share: TextShare::none() }
    }
}

/// Plans a zip of the folder at `path`. `None` when there is no such folder.
///
/// # Errors
/// As [`list_folder`]; `Unprocessable` also when the folder cannot be copied.
pub async fn plan_folder(
    sources: Sources<'_>,
    archive: &Artifact,
    path: EntryPath,
) -> Result<Option<FolderDelivery>> {
    let blob = open_artifact(sources.store, archive).await?;
    let (folder, budget) = (path.as_str().to_owned(), sources.capacity.rows.clone());
    // The copy's memory is counted before it is made, and no index is held while that waits.
    let measure = move |known: &Indexed| Subset::planned_bytes(&known.index, &folder);
    let bytes = sources.indexes.work(archive, &blob, measure).await?.map_err(unreadable)?;
    if bytes == 0 && !path.as_str().is_empty() {
        return Ok(None);
    }
    let share = budget.take(bytes as u64, sources.client).await?;
    let plan = move |known: &Indexed| Subset::plan(&known.index, path.as_str());
    let planned = sources.indexes.work(archive, &blob, plan).await?.map_err(unreadable)?;
    let subset = planned.map_err(|why| Error::new(ErrorKind::Unprocessable, why.to_string()))?;
    Ok(subset.map(|subset| FolderDelivery { blob, subset, share, budget }))
}

fn unreadable(fault: ArchiveError) -> Error {
    Error::new(ErrorKind::Unprocessable, fault.to_string())
}

impl FolderDelivery {
    /// The exact size of the zip in bytes.
    pub fn size(&self) -> u64 {
        self.subset.size_bytes()
    }

    /// Returns the zip's bytes. The first piece is read before this returns; the rest ends with an error if
    /// the archive is damaged.
    ///
    /// # Errors
    /// `Internal` when the first piece is damaged, `Unavailable` or `Internal` when it cannot be read.
    pub async fn into_body(self) -> Result<Body> {
        let Self { blob, subset, share, budget } = self;
        let pieces = subset.into_stream(move |range| blob.stream(range)).inspect_err(|error| {
            tracing::error!(%error, "a folder of an archive is damaged or cannot be read");
        });
        let pieces = with_first_chunk(pieces).await?;
        Ok(Body::Stream(budget.watch(share, |share| holding(pieces, share))))
    }
}

/// Returns the pieces as a stream that holds `share` until it is dropped.
pub(super) fn holding(pieces: ByteStream, share: Share) -> ByteStream {
    Box::pin(pieces.inspect(move |_| {
        let _held = &share;
    }))
}
