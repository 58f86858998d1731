//! Files: what a job handed over as this dialect counts it, found in the artifacts of a build.

use std::ops::Range;

use super::error::ApiError;
use super::json::artifact::Parts;
use crate::access::{BuildArtifact, BuildArtifacts};
use crate::app::App;
use crate::archive::ArchivedFile;
use crate::catalog::artifacts::{Artifact, FileDigests};
use crate::catalog::uploads::PieceUpload;
use crate::deliver::{FileFilter, ListedFile, Source, SourceKind};
use crate::domain::artifact::{ArtifactFormat, ArtifactName, ArtifactState, UploadState};
use crate::domain::{Sha256Digest, Uuid};
use crate::http::content_disposition::content_type;
use crate::http::context::RequestContext;

/// How large the files of a page may be in all for their digests to be computed for it, in bytes.
const SMALL_PAGE_BYTES: u64 = 64 << 20;

/// A file.
#[derive(Debug, Clone)]
pub(super) struct File {
    uuid: Uuid,
    job_uuid: Uuid,
    path: String,
    size_bytes: u64,
    media_type: Option<String>,
    kind: Kind,
    digests: Option<FileDigests>,
}

/// What a file is.
#[derive(Debug, Clone)]
enum Kind {
    /// An artifact, or with a path the file of an archive.
    Stored { artifact: Box<Artifact>, entry: Option<Box<ArchivedFile>>, state: &'static str },
    /// An upload that is not complete, in this state.
    Upload(&'static str),
}

/// The files whose digests are computed if nobody did before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digesting {
    /// All.
    OfAll,
    /// All, if they are small together; else none.
    OfSmallPages,
}

impl File {
    /// The UUID.
    pub(super) fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// The UUID of the job.
    pub(super) fn job_uuid(&self) -> Uuid {
        self.job_uuid
    }

    /// The path.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The size in bytes.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The SHA-1, if it is known.
    pub(super) fn sha1(&self) -> Option<[u8; 20]> {
        self.digests.map(|(sha1, _)| sha1)
    }

    /// The digest, if it is known.
    pub(super) fn sha256(&self) -> Option<Sha256Digest> {
        self.digests.map(|(_, sha256)| sha256)
    }

    /// The media type: as declared, else by the path's ending.
    pub(super) fn media_type(&self) -> String {
        self.media_type.clone().unwrap_or_else(|| content_type(&self.path).to_owned())
    }

    /// The state, as clients know it.
    pub(super) fn state(&self) -> &'static str {
        match &self.kind {
            Kind::Stored { state, .. } => state,
            Kind::Upload(state) => state,
        }
    }

    /// The artifact that the file is, or the archive and the file's path in it.
    pub(super) fn place(&self) -> Option<(&Artifact, Option<String>)> {
        match &self.kind {
            Kind::Stored { artifact, entry, .. } => {
                Some((artifact, entry.as_ref().map(|file| file.path.clone())))
            }
            Kind::Upload(_) => None,
        }
    }

    /// About how many bytes the JSON of the file takes: its path is in it as a whole and in parts.
    pub(super) fn json_bytes(&self) -> usize {
        const WITHOUT_PATH: usize = 1 << 10;
        WITHOUT_PATH + 2 * self.path.len()
    }

    /// What the JSON of the file is made of.
    pub(super) fn parts<'a>(&'a self, found: &'a BuildArtifacts) -> Parts<'a> {
        Parts {
            slugs: &found.slugs,
            number: found.number,
            uuid: self.uuid,
            job_uuid: self.job_uuid,
            state: self.state(),
            path: &self.path,
            media_type: self.media_type(),
            size_bytes: self.size_bytes,
            sha1: self.sha1(),
        }
    }

    fn of_upload(upload: &PieceUpload, job_uuid: Uuid) -> Self {
        Self {
            uuid: upload.uuid,
            job_uuid,
            path: path_of(&upload.name, &upload.filename),
            size_bytes: upload
                .size_bytes
                .or(upload.declared_bytes)
                .and_then(|bytes| u64::try_from(bytes).ok())
                .unwrap_or(0),
            media_type: upload.media_type.as_ref().map(ToString::to_string),
            kind: Kind::Upload(if upload.state == UploadState::Failed { "error" } else { "new" }),
            digests: None,
        }
    }

    fn of_source(source: &BuildArtifact, listed: ListedFile) -> Self {
        let artifact = &source.artifact;
        let uuid = match &listed.entry {
            Some(file) => artifact.uuid.within(&file.path),
            None => artifact.uuid,
        };
        let is_whole_archive = listed.entry.is_none() && artifact.format == ArtifactFormat::Zip;
        let declared = artifact.media_type.as_ref().filter(|_| listed.entry.is_none());
        let declared = declared.map(ToString::to_string);
        let state = match source.state {
            ArtifactState::Finished if listed.is_readable => "finished",
            ArtifactState::Finished => "error",
            state => state.as_str(),
        };
        Self {
            uuid,
            job_uuid: source.job_uuid,
            path: listed.path,
            size_bytes: listed.size_bytes,
            media_type: declared.or(is_whole_archive.then(|| "application/zip".to_owned())),
            kind: Kind::Stored {
                artifact: Box::new(artifact.clone()),
                entry: listed.entry.map(Box::new),
                state,
            },
            digests: None,
        }
    }
}

/// Lists the files in `window` of the artifacts of a build in a state, in any state without one, and returns how
/// many there are in all.
pub(super) async fn select(
    ctx: &RequestContext,
    found: &BuildArtifacts,
    state: Option<ArtifactState>,
    filter: FileFilter,
    window: Range<usize>,
) -> Result<(usize, Vec<File>), ApiError> {
    // Of an archive that is readable, single files may not be: these have the state `error`.
    let wanted = match state {
        Some(ArtifactState::Error) => Some(ArtifactState::Finished),
        other => other,
    };
    let is_readable = match state {
        Some(ArtifactState::Error) => Some(false),
        Some(ArtifactState::Finished) => Some(true),
        _ => None,
    };
    let filter = FileFilter { is_readable, ..filter };
    let in_state = |it: &&BuildArtifact| match wanted {
        None => it.state != ArtifactState::Deleted,
        Some(state) => it.state == state,
    };
    let of_state: Vec<&BuildArtifact> = found.artifacts.iter().filter(in_state).collect();
    let sources: Vec<Source> = of_state.iter().map(|it| source(it)).collect();
    let (mut total, listed) = ctx.app.deliver.contents(&sources, &filter, window.clone()).await?;
    let mut files: Vec<File> = Vec::with_capacity(listed.len());
    for file in listed {
        if let Some(source) = of_state.get(file.source) {
            files.push(File::of_source(source, file));
        }
    }
    if matches!(state, None | Some(ArtifactState::New | ArtifactState::Error)) {
        let uploads = found.uploads.iter().map(|(upload, job)| File::of_upload(upload, *job));
        let in_state = |file: &File| state.is_none_or(|state| file.state() == state.as_str());
        let matching =
            |file: &File| in_state(file) && filter.pattern.as_ref().is_none_or(|it| it.matches(&file.path));
        for file in uploads.filter(matching) {
            if window.contains(&total) {
                files.push(file);
            }
            total += 1;
        }
    }
    Ok((total, files))
}

/// Finds the file with a UUID among the artifacts of a job.
pub(super) async fn find(
    ctx: &RequestContext,
    found: &BuildArtifacts,
    uuid: Uuid,
) -> Result<Option<File>, ApiError> {
    if let Some((upload, job)) = found.uploads.iter().find(|(upload, _)| upload.uuid == uuid) {
        return Ok(Some(File::of_upload(upload, *job)));
    }
    for artifact in &found.artifacts {
        let SourceKind::Archive(prefix) = kind(artifact) else {
            if artifact.artifact.uuid == uuid {
                return Ok(Some(itself(artifact)));
            }
            continue;
        };
        let archive = artifact.artifact.uuid;
        let wanted = move |path: &str| archive.within(path) == uuid;
        match ctx.app.deliver.archived_file(&artifact.artifact, wanted).await {
            Ok(None) => {}
            Ok(Some(file)) => {
                let listed = ListedFile {
                    source: 0,
                    path: format!("{prefix}{}", file.path),
                    size_bytes: file.entry.uncompressed_size,
                    is_readable: file.entry.check_supported().is_ok(),
                    entry: Some(file),
                };
                return Ok(Some(File::of_source(artifact, listed)));
            }
            // An archive that cannot be read is one file itself.
            Err(error) if error.kind() == crate::domain::ErrorKind::Unprocessable => {
                if archive == uuid {
                    return Ok(Some(itself(artifact)));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

fn itself(artifact: &BuildArtifact) -> File {
    let path = match kind(artifact) {
        SourceKind::File(path) => path,
        SourceKind::Archive(_) => artifact.artifact.filename.clone(),
    };
    let size_bytes = u64::try_from(artifact.artifact.size_bytes).unwrap_or(0);
    File::of_source(artifact, ListedFile { source: 0, path, entry: None, size_bytes, is_readable: true })
}

fn source(it: &BuildArtifact) -> Source {
    Source { artifact: it.artifact.clone(), kind: kind(it) }
}

/// What an artifact is in a list: its files, if it is an archive whose bytes are there.
fn kind(it: &BuildArtifact) -> SourceKind {
    let artifact = &it.artifact;
    let is_archive = it.state == ArtifactState::Finished && artifact.format == ArtifactFormat::Zip;
    let named = artifact.name.named_archive();
    match (is_archive, named) {
        (true, Some(name)) => SourceKind::Archive(format!("{name}/")),
        (true, None) if artifact.name == ArtifactName::ARCHIVE => SourceKind::Archive(String::new()),
        _ => SourceKind::File(path_of(&artifact.name, &artifact.filename)),
    }
}

fn path_of(name: &ArtifactName, filename: &str) -> String {
    name.file_path().unwrap_or(filename).to_owned()
}

/// Adds the digests of files that are known, and computes others.
pub(super) async fn add_digests(app: &App, files: &mut [File], digesting: Digesting) -> Result<(), ApiError> {
    let known = app.access.file_digests(files.iter().map(|file| file.uuid).collect()).await?;
    for file in files.iter_mut() {
        file.digests = known.get(&file.uuid).copied();
    }
    let lacks_digests = |file: &&mut File| file.digests.is_none() && file.state() == "finished";
    let bytes: u64 = files.iter_mut().filter(lacks_digests).map(|file| file.size_bytes).sum();
    if digesting == Digesting::OfSmallPages && bytes > SMALL_PAGE_BYTES {
        return Ok(());
    }
    let mut computed: Vec<(i64, Vec<(Uuid, _)>)> = Vec::new();
    for file in files.iter_mut().filter(lacks_digests) {
        let Kind::Stored { artifact, entry, .. } = &file.kind else { continue };
        let id = artifact.id;
        // A file that turns out to be damaged has none; its list is there all the same.
        let Ok(digests) = app.deliver.digests(artifact, entry.as_deref()).await else { continue };
        file.digests = Some(digests);
        match computed.last_mut().filter(|(last, _)| *last == id) {
            Some((_, of_artifact)) => of_artifact.push((file.uuid, digests)),
            None => computed.push((id, vec![(file.uuid, digests)])),
        }
    }
    for (artifact_id, digests) in computed {
        app.access.keep_file_digests(artifact_id, digests).await?;
    }
    Ok(())
}
