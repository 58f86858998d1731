//! A delivery: the answer to a download, either the bytes or an address of the store where they are.

use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use super::entry::{EntryDelivery, StoredEncoding, find_entry};
use super::folder::{FolderDelivery, FolderPage, list_folder, plan_folder};
use super::{Body, Capacity, IndexCache, Sources, open_artifact, read_artifact};
use crate::catalog::artifacts::Artifact;
use crate::domain::{EntryPath, Error, Result};
use crate::store::{Blob, Store, StoreKey};

/// How long an address of the store is valid: for a client that asks twice, and no longer than it may lie
/// around in somebody's log.
const ADDRESS_LIFETIME: Duration = Duration::from_secs(600);

/// Everything that reads artifacts takes, built once.
#[derive(Debug)]
pub struct Deliver {
    store: Store,
    indexes: IndexCache,
    capacity: Capacity,
    /// Whether whole artifacts are fetched from the store itself, where it has a server of its own.
    direct_download: bool,
}

/// The answer to a download.
pub enum Delivery<'a> {
    /// The address at which the store serves the bytes.
    Redirect(String),
    /// The bytes.
    Bytes(Bytes<'a>),
}

/// Bytes that can be read, whole or in part.
pub enum Bytes<'a> {
    /// An artifact as it was uploaded.
    Whole(Blob),
    /// One file of an archive; sent as it lies there, or decompressed.
    Entry(EntryDelivery<'a>, Option<StoredEncoding>),
    /// A folder of an archive as a zip of its own; never in part.
    Folder(Box<FolderDelivery>),
}

/// Whether a client follows a redirect to the store.
#[derive(Debug, Clone)]
pub enum Redirects {
    /// It does not.
    Never,
    /// It does, to an address for `GET` or, with `head`, for `HEAD`; the store is to answer with this
    /// `Content-Disposition`.
    Followed {
        /// Whether only the head is wanted.
        head: bool,
        /// The header's value.
        disposition: String,
    },
}

impl Deliver {
    /// Reads from `store`. With `direct_download` clients that follow redirects are sent to the store itself,
    /// where it can be.
    pub fn new(store: Store, indexes: IndexCache, capacity: Capacity, direct_download: bool) -> Self {
        Self { store, indexes, capacity, direct_download }
    }

    /// What answers under way hold.
    pub fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// Delivers an artifact as it was uploaded.
    ///
    /// # Errors
    /// `NotFound` when its bytes are gone, `Internal` when row and store disagree, `Unavailable`.
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

    /// Finds one file of an archive, for a client whose share of memory it counts against.
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

    /// Lists a folder of an archive, the root without a `path`: the items in `range`. `None` when there is no
    /// such folder.
    ///
    /// # Errors
    /// As [`list_folder`].
    pub async fn list(
        &self,
        archive: &Artifact,
        path: Option<EntryPath>,
        recursive: bool,
        range: Range<usize>,
        client: Option<IpAddr>,
    ) -> Result<Option<FolderPage>> {
        list_folder(self.sources(client), archive, path, recursive, range).await
    }

    fn sources(&self, client: Option<IpAddr>) -> Sources<'_> {
        Sources { store: &self.store, indexes: &self.indexes, capacity: &self.capacity, client }
    }
}

impl Bytes<'_> {
    /// Their number, as they are sent.
    pub fn size(&self) -> u64 {
        match self {
            Self::Whole(blob) => blob.size(),
            Self::Entry(entry, None) => entry.size(),
            Self::Entry(entry, Some(form)) => entry.compressed_size(*form),
            Self::Folder(folder) => folder.size(),
        }
    }

    /// Reads them, all or a part that lies inside of them.
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
        }
    }
}
