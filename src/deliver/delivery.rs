//! A delivery is the answer to a download: the bytes, or a URL of the store that serves them.

use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::entry::{EntryDelivery, StoredEncoding, find_entry};
use super::folder::{FolderDelivery, FolderPage, list_folder, plan_folder};
use super::{AssembledDelivery, Body, Capacity, IndexCache, Sources, open_artifact, read_artifact};
use crate::catalog::artifacts::Artifact;
use crate::domain::{EntryPath, Error, Result};
use crate::metrics::IndexCacheUse;
use crate::store::{Blob, Store, StoreKey};

/// How long a URL of the store is valid: long enough for a client that requests it twice, short because it
/// may end up in a log.
const ADDRESS_LIFETIME: Duration = Duration::from_secs(600);

/// How many files are read for their digests at the same time.
const DIGESTS_AT_A_TIME: usize = 2;

/// Delivers artifacts; built once.
#[derive(Debug)]
pub struct Deliver {
    pub(super) store: Store,
    pub(super) indexes: IndexCache,
    /// Turns to read whole files for their digests.
    pub(super) digesting: Semaphore,
    capacity: Capacity,
    /// Whether whole artifacts are fetched from the store directly, if it has a server of its own.
    direct_download: bool,
}

/// The answer to a download.
pub enum Delivery<'a> {
    /// The URL at which the store serves the bytes.
    Redirect(String),
    /// The bytes.
    Bytes(Bytes<'a>),
}

/// Bytes that can be read, whole or in part.
pub enum Bytes<'a> {
    /// An artifact as it was uploaded.
    Whole(Blob),
    /// One file of an archive, decompressed or in its stored encoding.
    Entry(EntryDelivery<'a>, Option<StoredEncoding>),
    /// A folder of an archive as a zip; never in part.
    Folder(Box<FolderDelivery>),
    /// The single files of a job, as a zip.
    Assembled(Box<AssembledDelivery>),
}

/// Whether a client follows a redirect to the store.
#[derive(Debug, Clone)]
pub enum Redirects {
    /// The client does not.
    Never,
    /// The client does, to a URL for `GET` or, with `head`, for `HEAD`; the store answers with this
    /// `Content-Disposition`.
    Followed {
        /// Whether the request is a `HEAD`.
        head: bool,
        /// The header's value.
        disposition: String,
    },
}

impl Deliver {
    /// Reads from `store`. With `direct_download`, clients that follow redirects are sent to the store, if it
    /// can serve them.
    pub fn new(store: Store, indexes: IndexCache, capacity: Capacity, direct_download: bool) -> Self {
        let digesting = Semaphore::new(DIGESTS_AT_A_TIME);
        Self { store, indexes, digesting, capacity, direct_download }
    }

    /// The metrics of the cache of indexes.
    pub fn index_metrics(&self) -> &IndexCacheUse {
        self.indexes.metrics()
    }

    /// Returns the bytes and the number of the indexes that are kept.
    pub fn indexes_held(&self) -> (u64, usize) {
        self.indexes.held()
    }

    /// The bounds on responses in progress.
    pub fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// Delivers an artifact as it was uploaded.
    ///
    /// # Errors
    /// `NotFound` when its bytes are missing, `Internal` when row and store disagree, `Unavailable`.
    pub async fn whole(&self, artifact: &Artifact, redirects: Redirects) -> Result<Delivery<'static>> {
        if let (true, Redirects::Followed { head, disposition }) = (self.direct_download, redirects) {
            let key: StoreKey = artifact.store_key.parse().map_err(Error::internal)?;
            let address = self.store.presigned_url(&key, head, disposition, ADDRESS_LIFETIME).await?;
            if let Some(address) = address {
                return Ok(Delivery::Redirect(address));
            }
        }
        Ok(Delivery::Bytes(Bytes::Whole(open_artifact(&self.store, artifact).await?)))
    }

    /// Reads an artifact as a whole, which the caller knows to be small.
    ///
    /// # Errors
    /// As [`Deliver::whole`].
    pub async fn small(&self, artifact: &Artifact) -> Result<bytes::Bytes> {
        let blob = open_artifact(&self.store, artifact).await?;
        Ok(blob.bytes(0..blob.size()).await?)
    }

    /// Finds one file of an archive; its memory counts against the share of `client`.
    ///
    /// # Errors
    /// As [`find_entry`].
    pub async fn entry(
        &self,
        archive: &Artifact,
        path: &EntryPath,
        client: Option<IpAddr>,
    ) -> Result<EntryDelivery<'_>> {
        find_entry(self.sources(client), archive, path).await
    }

    /// Plans a zip of one folder of an archive; `None` when there is no such folder.
    ///
    /// # Errors
    /// As [`plan_folder`].
    pub async fn folder(
        &self,
        archive: &Artifact,
        path: EntryPath,
        client: Option<IpAddr>,
    ) -> Result<Option<FolderDelivery>> {
        plan_folder(self.sources(client), archive, path).await
    }

    /// Lists the items in `range` of a folder of an archive and of the single files beside it, of the root
    /// without a `path`. `None` when there is no such folder.
    ///
    /// # Errors
    /// As [`list_folder`].
    pub async fn list(
        &self,
        archive: &Artifact,
        files: Vec<Artifact>,
        path: Option<EntryPath>,
        recursive: bool,
        range: Range<usize>,
        client: Option<IpAddr>,
    ) -> Result<Option<FolderPage>> {
        let overlay = if files.is_empty() {
            None
        } else {
            self.assembled(files)?.overlay(path.as_ref().map_or("", EntryPath::as_str), recursive)?
        };
        list_folder(self.sources(client), archive, overlay, path, recursive, range).await
    }

    /// Plans a zip of single files.
    ///
    /// # Errors
    /// `Unprocessable` when the CRC-32 of a file is not known.
    pub fn assembled(&self, files: Vec<Artifact>) -> Result<AssembledDelivery> {
        AssembledDelivery::plan(self.store.clone(), files)
    }

    pub(super) fn sources(&self, client: Option<IpAddr>) -> Sources<'_> {
        Sources { store: &self.store, indexes: &self.indexes, capacity: &self.capacity, client }
    }
}

impl Bytes<'_> {
    /// The number of bytes that are sent.
    pub fn size(&self) -> u64 {
        match self {
            Self::Whole(blob) => blob.size(),
            Self::Entry(entry, None) => entry.size(),
            Self::Entry(entry, Some(form)) => entry.compressed_size(*form),
            Self::Folder(folder) => folder.size(),
            Self::Assembled(assembled) => assembled.size(),
        }
    }

    /// Reads all bytes, or a part that lies inside them.
    ///
    /// # Errors
    /// Those of the first piece; later ones end the stream.
    pub async fn into_body(self, part: Option<Range<u64>>) -> Result<Body> {
        match (self, part) {
            (Self::Whole(blob), part) => {
                let part = part.unwrap_or(0..blob.size());
                Ok(Body::Stream(read_artifact(&blob, part).await?))
            }
            (Self::Entry(entry, Some(form)), _) => entry.into_compressed_body(form).await,
            (Self::Entry(entry, None), None) => entry.into_body().await,
            (Self::Entry(entry, None), Some(part)) => entry.into_part(part).await,
            (Self::Folder(folder), _) => folder.into_body().await,
            (Self::Assembled(assembled), part) => assembled.into_body(part).await,
        }
    }
}
