//! Assembled delivery sends the single files of a job as one zip, which is made while it is sent.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Body, open_artifact, with_first_chunk};
use crate::archive::{AssembledFile, Assembly, Index, Listing, Overlay, Segment};
use crate::catalog::artifacts::Artifact;
use crate::domain::{Error, ErrorKind, Result, Sha256Digest, Timestamp};
use crate::store::Store;

/// A planned zip of single files.
pub struct AssembledDelivery {
    store: Store,
    assembly: Assembly,
    /// The artifacts in the order of the zip.
    files: Vec<Artifact>,
}

impl AssembledDelivery {
    /// Plans the zip of `files`, which have paths.
    ///
    /// # Errors
    /// `Unprocessable` when the CRC-32 of a file is not known.
    pub(super) fn plan(store: Store, mut files: Vec<Artifact>) -> Result<Self> {
        files.sort_by(|one, other| one.name.file_path().cmp(&other.name.file_path()));
        let described = files.iter().map(|file| {
            let unknown = || Error::new(ErrorKind::Unprocessable, "the CRC-32 of a file is not known");
            Ok(AssembledFile {
                path: file.name.file_path().unwrap_or_default().to_owned(),
                size: u64::try_from(file.size_bytes).map_err(Error::internal)?,
                crc32: file.crc32.and_then(|crc| u32::try_from(crc).ok()).ok_or_else(unknown)?,
                modified_unix_seconds: file.created_at.as_millis().div_euclid(1000),
            })
        });
        let assembly = Assembly::plan(described.collect::<Result<_>>()?);
        Ok(Self { store, assembly, files })
    }

    /// The exact size of the zip in bytes.
    pub fn size(&self) -> u64 {
        self.assembly.size_bytes()
    }

    /// The digest of the paths and contents of the zip's files, for its entity tag.
    pub fn digest(&self) -> Sha256Digest {
        let lines = self.files.iter().map(|file| {
            let (time, path) = (file.created_at, file.name.file_path().unwrap_or_default());
            format!("{}:{time}:{path}\n", file.sha256)
        });
        Sha256Digest::of(lines.collect::<String>().as_bytes())
    }

    /// When the newest file was stored.
    pub fn modified(&self) -> Timestamp {
        let times = self.files.iter().map(|file| file.created_at);
        times.max().unwrap_or(Timestamp::from_millis(0))
    }

    /// Returns the index of the zip.
    ///
    /// # Errors
    /// `Internal` when the plan is invalid.
    pub(super) fn index(&self) -> Result<Index> {
        self.assembly.index().map_err(|error| Error::internal(error.to_string()))
    }

    /// Lists the items in `window` of a folder; `None` when there is no such folder.
    ///
    /// # Errors
    /// `Internal` when the plan is invalid.
    pub fn list(&self, folder: &str, recursive: bool, window: Range<usize>) -> Result<Option<Listing>> {
        Ok(self.index()?.list(folder, recursive, window))
    }

    /// Lists a folder as a part of the listing of an archive; `None` when there is no such folder.
    ///
    /// # Errors
    /// `Internal` when the plan is invalid.
    pub(super) fn overlay(&self, folder: &str, recursive: bool) -> Result<Option<Overlay>> {
        Ok(Overlay::of(&self.index()?, folder, recursive))
    }

    /// Returns the zip's bytes, or a part of them. A file that cannot be read ends the stream with an error.
    ///
    /// # Errors
    /// Those of the first piece.
    pub async fn into_body(self, part: Option<Range<u64>>) -> Result<Body> {
        let Self { store, assembly, files } = self;
        let part = part.unwrap_or(0..assembly.size_bytes());
        let source = Arc::new((store, files));
        let segments = stream::iter(assembly.segments(part)).then(move |segment| {
            let source = Arc::clone(&source);
            async move {
                let (store, files) = &*source;
                match segment {
                    Segment::Bytes(bytes) => Ok::<_, io::Error>(stream::iter([Ok(bytes)]).left_stream()),
                    Segment::File(number, part) => {
                        let blob = open_artifact(store, &files[number]).await.map_err(io::Error::other)?;
                        Ok(blob.stream(part).right_stream())
                    }
                }
            }
        });
        let pieces = segments.try_flatten().inspect_err(|error: &io::Error| {
            tracing::error!(%error, "a file of an assembled archive cannot be read");
        });
        Ok(Body::Stream(with_first_chunk(pieces).await?))
    }
}
