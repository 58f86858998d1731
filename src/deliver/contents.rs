//! Contents: the files of archives, and artifacts that are files themselves, in one list with one numbering.

use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::index_cache::Indexed;
use super::{Body, Deliver, EntryDelivery, open_artifact};
use crate::archive::{ArchivedFile, Entry, EntryMeta};
use crate::catalog::artifacts::{Artifact, FileDigests};
use crate::domain::path_pattern::PathPattern;
use crate::domain::{Error, ErrorKind, Result};
use crate::store::Blob;

/// How long a request waits until digests can be computed for it.
const DIGEST_WAIT: Duration = Duration::from_secs(60);

/// The longest piece that is hashed on the calling thread, in bytes: some tens of microseconds.
const SHORT_BYTES: usize = 8 << 10;

/// How many archives of a list are looked into at the same time.
const AT_A_TIME: usize = 8;

/// An artifact of a list.
#[derive(Debug, Clone)]
pub struct Source {
    /// The artifact.
    pub artifact: Artifact,
    /// What it holds.
    pub kind: SourceKind,
}

/// What an artifact of a list holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// Itself, as one file under this path.
    File(String),
    /// The files of an archive, each under this prefix.
    Archive(String),
}

/// A file of a list.
#[derive(Debug, Clone)]
pub struct ListedFile {
    /// The place of its artifact among the sources.
    pub source: usize,
    /// Its path in the list.
    pub path: String,
    /// The file in its archive; `None` if it is the artifact itself.
    pub entry: Option<ArchivedFile>,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Whether it can be read at all: it is not encrypted, and its archive leads to its bytes.
    pub is_readable: bool,
}

/// Which files a list holds.
#[derive(Debug, Clone, Default)]
pub struct FileFilter {
    /// The pattern of their paths; all if `None`.
    pub pattern: Option<PathPattern>,
    /// Whether they can be read; both if `None`.
    pub is_readable: Option<bool>,
}

impl FileFilter {
    fn is_for_all(&self) -> bool {
        self.pattern.is_none() && self.is_readable.is_none()
    }

    fn selects(&self, path: &str, is_readable: impl FnOnce() -> bool) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.matches(path))
            && self.is_readable.is_none_or(|wanted| wanted == is_readable())
    }

    /// The same for an entry of an archive whose files are listed under a prefix.
    fn selects_entry(&self, prefix: &str, path: &str, entry: &Entry<'_>) -> bool {
        let is_readable = || EntryMeta::from(*entry).check_supported().is_ok();
        match prefix {
            "" => self.selects(path, is_readable),
            prefix => self.selects(&format!("{prefix}{path}"), is_readable),
        }
    }
}

/// Tells of artifacts that are files themselves whether a filter selects them; `false` of all others. Matched on another
/// thread, because a hostile pattern takes milliseconds a path.
async fn selected_files(sources: &[Source], filter: &FileFilter) -> Result<Vec<bool>> {
    let path = |source: &Source| match &source.kind {
        SourceKind::File(path) => Some(path.clone()),
        SourceKind::Archive(_) => None,
    };
    let (paths, filter): (Vec<Option<String>>, _) = (sources.iter().map(path).collect(), filter.clone());
    let select = move || {
        let is_selected = |path: &Option<String>| path.as_ref().is_some_and(|it| filter.selects(it, || true));
        paths.iter().map(is_selected).collect()
    };
    tokio::task::spawn_blocking(select).await.map_err(Error::internal)
}

impl Deliver {
    /// Lists the files in `window` of some artifacts, in their order, and returns how many there are in all. With
    /// a filter, only files that it selects count. An archive that cannot be read is one file itself.
    ///
    /// # Errors
    /// `NotFound` or `Internal` when the bytes of an archive cannot be read; `Unavailable` when too many others
    /// request such work.
    pub async fn contents(
        &self,
        sources: &[Source],
        filter: &FileFilter,
        window: Range<usize>,
    ) -> Result<(usize, Vec<ListedFile>)> {
        let are_selected = selected_files(sources, filter).await?;
        let counting = sources
            .iter()
            .zip(are_selected)
            .map(|(source, is_selected)| self.count(source, filter, is_selected));
        let counts: Vec<usize> = stream::iter(counting).buffered(AT_A_TIME).try_collect().await?;
        let (mut total, mut listed) = (0, Vec::new());
        for (number, (source, count)) in sources.iter().zip(&counts).enumerate() {
            let own = total..total + count;
            total += count;
            let (start, end) = (window.start.max(own.start), window.end.min(own.end));
            if start < end {
                let part = start - own.start..end - own.start;
                listed.extend(self.part(number, source, filter, part).await?);
            }
        }
        Ok((total, listed))
    }

    /// Finds the file of an archive that `wanted` selects.
    ///
    /// # Errors
    /// As [`Deliver::contents`].
    pub async fn archived_file(
        &self,
        archive: &Artifact,
        wanted: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Result<Option<ArchivedFile>> {
        let blob = open_artifact(&self.store, archive).await?;
        self.find_file(archive, &blob, wanted).await
    }

    async fn find_file(
        &self,
        archive: &Artifact,
        blob: &Blob,
        wanted: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Result<Option<ArchivedFile>> {
        let find = move |known: &Indexed| {
            known.files().select(&known.index, |path, _| wanted(path), &(0..1)).1.pop()
        };
        match self.indexes.work(archive, blob, find).await? {
            Ok(found) => Ok(found),
            Err(fault) => Err(Error::new(ErrorKind::Unprocessable, fault.to_string())),
        }
    }

    /// Opens a file of an archive; its memory counts against the share of `client`.
    ///
    /// # Errors
    /// As [`super::find_entry`].
    pub async fn open_file(
        &self,
        archive: &Artifact,
        path: &str,
        client: Option<IpAddr>,
    ) -> Result<EntryDelivery<'_>> {
        let path = path.to_owned();
        let missing = || Error::new(ErrorKind::NotFound, "Not Found").with_hint("file is not in the archive");
        let blob = open_artifact(&self.store, archive).await?;
        let file = self.find_file(archive, &blob, move |own| own == path).await?.ok_or_else(missing)?;
        super::entry::deliver(self.sources(client), blob, file.entry).await
    }

    /// Computes the digests of an artifact, or of a file of an archive; few at a time.
    ///
    /// # Errors
    /// Those of reading its bytes; `Unprocessable` when an entry is damaged; `Unavailable` when others compute
    /// digests for a minute.
    pub async fn digests(&self, artifact: &Artifact, file: Option<&ArchivedFile>) -> Result<FileDigests> {
        let turn = tokio::time::timeout(DIGEST_WAIT, self.digesting.acquire()).await;
        let busy = |_| Error::unavailable("too many digests are being computed");
        let _turn = turn.map_err(busy)?.map_err(Error::internal)?;
        let blob = open_artifact(&self.store, artifact).await?;
        let body = match file {
            Some(file) => {
                let entry = super::entry::deliver(self.sources(None), blob, file.entry.clone()).await?;
                entry.into_body().await?
            }
            None => Body::Stream(super::read_artifact(&blob, 0..blob.size()).await?),
        };
        let mut hashes = (Sha1::new(), Sha256::new());
        let update = async |mut hashes: (Sha1, Sha256), bytes: bytes::Bytes| {
            if bytes.len() <= SHORT_BYTES {
                hashes.0.update(&bytes);
                hashes.1.update(&bytes);
                return Ok::<_, Error>(hashes);
            }
            let hashing = tokio::task::spawn_blocking(move || {
                hashes.0.update(&bytes);
                hashes.1.update(&bytes);
                hashes
            });
            hashing.await.map_err(Error::internal)
        };
        match body {
            Body::Full(bytes) => hashes = update(hashes, bytes).await?,
            Body::Stream(mut pieces) => {
                while let Some(piece) = pieces.next().await {
                    hashes = update(hashes, piece.map_err(super::unreadable)?).await?;
                }
            }
        }
        Ok((hashes.0.finalize().into(), hashes.1.into()))
    }

    /// Counts the files of an artifact that a filter selects; of one that is a file itself that is known before.
    async fn count(&self, source: &Source, filter: &FileFilter, is_selected: bool) -> Result<usize> {
        let prefix = match &source.kind {
            SourceKind::File(_) => return Ok(usize::from(is_selected)),
            SourceKind::Archive(prefix) => prefix.clone(),
        };
        let wanted = filter.clone();
        let count = move |known: &Indexed| {
            if wanted.is_for_all() {
                return known.files().len();
            }
            let selects = |path: &str, entry: &Entry<'_>| wanted.selects_entry(&prefix, path, entry);
            known.files().select(&known.index, selects, &(0..0)).0
        };
        let blob = open_artifact(&self.store, &source.artifact).await?;
        match self.indexes.work(&source.artifact, &blob, count).await? {
            Ok(count) => Ok(count),
            Err(_) => Ok(usize::from(filter.selects(&source.artifact.filename, || true))),
        }
    }

    async fn part(
        &self,
        number: usize,
        source: &Source,
        filter: &FileFilter,
        window: Range<usize>,
    ) -> Result<Vec<ListedFile>> {
        let itself = |path: &str, is_readable| ListedFile {
            source: number,
            path: path.to_owned(),
            entry: None,
            size_bytes: u64::try_from(source.artifact.size_bytes).unwrap_or(0),
            is_readable,
        };
        let prefix = match &source.kind {
            SourceKind::File(path) => return Ok(vec![itself(path, true)]),
            SourceKind::Archive(prefix) => prefix.clone(),
        };
        let (wanted, own_prefix) = (filter.clone(), prefix.clone());
        let select = move |known: &Indexed| {
            if wanted.is_for_all() {
                return known.files().page(&known.index, &window);
            }
            let selects = |path: &str, entry: &Entry<'_>| wanted.selects_entry(&own_prefix, path, entry);
            known.files().select(&known.index, selects, &window).1
        };
        let blob = open_artifact(&self.store, &source.artifact).await?;
        let Ok(files) = self.indexes.work(&source.artifact, &blob, select).await? else {
            return Ok(vec![itself(&source.artifact.filename, true)]);
        };
        let listed = |file: ArchivedFile| ListedFile {
            source: number,
            path: format!("{prefix}{}", file.path),
            size_bytes: file.entry.uncompressed_size,
            is_readable: file.entry.check_supported().is_ok(),
            entry: Some(file),
        };
        Ok(files.into_iter().map(listed).collect())
    }
}
