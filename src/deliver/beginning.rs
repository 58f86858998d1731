//! Beginning: the first bytes of a file, decompressed, for people who look at it.

use std::io::Read;
use std::net::IpAddr;

use flate2::bufread::MultiGzDecoder;
use futures_util::StreamExt;

use super::{Body, Deliver, open_artifact, read_artifact, unreadable};
use crate::catalog::artifacts::Artifact;
use crate::domain::artifact::ArtifactFormat;
use crate::domain::{EntryPath, Error, ErrorKind, Result};
use crate::yielding;

/// The first bytes of a file.
#[derive(Debug)]
pub struct Beginning {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The size of the whole file in bytes, if it is known.
    pub size_bytes: Option<u64>,
    /// The CRC-32 of the whole file, if it is known.
    pub crc32: Option<u32>,
    /// Whether the file goes on after these bytes.
    pub is_cut: bool,
}

impl Deliver {
    /// Reads at most `limit` bytes of a file of an archive. A file that is not cut is checked.
    ///
    /// # Errors
    /// As [`super::find_entry`] and [`super::EntryDelivery::into_part`].
    pub async fn beginning_of_entry(
        &self,
        archive: &Artifact,
        path: &EntryPath,
        limit: u64,
        client: Option<IpAddr>,
    ) -> Result<Beginning> {
        let entry = self.entry(archive, path, client).await?;
        let (size, crc32) = (entry.size(), entry.crc32());
        let bytes = if size == 0 {
            Vec::new()
        } else {
            collected(entry.into_part(0..size.min(limit)).await?, limit).await?
        };
        Ok(Beginning { bytes, size_bytes: Some(size), crc32: Some(crc32), is_cut: size > limit })
    }

    /// Reads at most `limit` bytes of an artifact, decompressed if it is gzip.
    ///
    /// # Errors
    /// `NotFound` or `Internal` when its bytes cannot be read; `Unprocessable` when they are not what they should be.
    pub async fn beginning_of_artifact(&self, artifact: &Artifact, limit: u64) -> Result<Beginning> {
        let blob = open_artifact(&self.store, artifact).await?;
        let size = blob.size();
        let stored = if size == 0 {
            Vec::new()
        } else {
            collected(Body::Stream(read_artifact(&blob, 0..size.min(limit)).await?), limit).await?
        };
        if artifact.format != ArtifactFormat::Gzip {
            let crc32 = artifact.crc32.and_then(|crc| u32::try_from(crc).ok());
            return Ok(Beginning { bytes: stored, size_bytes: Some(size), crc32, is_cut: size > limit });
        }
        let is_cut = size > limit;
        yielding::run(move || gunzipped(&stored, limit, is_cut)).await?
    }
}

/// Decompresses the beginning of a gzip stream, which may itself be cut.
fn gunzipped(stored: &[u8], limit: u64, is_cut: bool) -> Result<Beginning> {
    let mut bytes = Vec::new();
    let read = MultiGzDecoder::new(stored).take(limit + 1).read_to_end(&mut bytes);
    if let Err(error) = read
        && !is_cut
    {
        return Err(Error::new(ErrorKind::Unprocessable, format!("gzip cannot be decompressed: {error}")));
    }
    let is_longer = bytes.len() as u64 > limit;
    bytes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let size_bytes = (!is_longer && !is_cut).then_some(bytes.len() as u64);
    Ok(Beginning { bytes, size_bytes, crc32: None, is_cut: is_longer || is_cut })
}

async fn collected(body: Body, limit: u64) -> Result<Vec<u8>> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    match body {
        Body::Full(all) => bytes.extend_from_slice(&all[..all.len().min(limit)]),
        Body::Stream(mut pieces) => {
            while let Some(piece) = pieces.next().await {
                let piece = piece.map_err(unreadable)?;
                bytes.extend_from_slice(&piece[..piece.len().min(limit - bytes.len())]);
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_bomb_is_cut_and_damage_is_told() {
        let bomb = gzip(&vec![b'a'; 1 << 20]);
        let found = gunzipped(&bomb, 1000, false).unwrap();
        assert_eq!((found.bytes.len(), found.is_cut, found.size_bytes), (1000, true, None));
        let small = gunzipped(&gzip(b"hello"), 1000, false).unwrap();
        assert_eq!((small.bytes.as_slice(), small.is_cut, small.size_bytes), (&b"hello"[..], false, Some(5)));
        assert_eq!(gunzipped(b"no gzip", 1000, false).unwrap_err().kind(), ErrorKind::Unprocessable);
        assert!(gunzipped(&bomb[..500], 1 << 21, true).is_ok(), "the beginning of a stream");
    }
}
