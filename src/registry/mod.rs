//! Registry documents: YAML or JSON that declares users, projects, pipelines, jobs and artifacts.
//!
//! A document is parsed, checked, its artifacts are stored, and then all of it is applied in one transaction:
//! it is loaded in full or not at all, and loading it again changes nothing.

mod apply;
mod document;
mod fields;
mod files;
mod live;
mod parse;
mod secret;
mod stage;
mod strict;
mod update;

use std::path::Path;

use tokio::task::spawn_blocking;

pub use files::FileSource;
pub use live::Registry;

use crate::access::AccessError;
use crate::archive::Limits;
use crate::catalog::writers::Purpose;
use crate::catalog::{Catalog, Db};
use crate::domain::{Error, Timestamp};
use crate::settings::read_text;
use crate::store::Store;
use crate::writers::{Writer, Writers};
use document::Document;
use stage::Staged;

/// The reason why documents were not loaded. The catalog is unchanged then.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A document cannot be parsed; the text names file, place and expected value.
    #[error("{0}")]
    Malformed(String),
    /// A document has an invalid value; the text names file, path in the document and expected value.
    #[error("{0}")]
    Invalid(String),
    /// A file cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The sender is not, or no longer, authorized to change the registry.
    #[error("{}", .0.reason())]
    Access(AccessError),
    /// The catalog or the store failed.
    #[error("{}", .0.source_chain().unwrap_or_else(|| .0.to_string()))]
    Failed(#[from] Error),
}

impl From<AccessError> for LoadError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Other(error) => Self::Failed(error),
            refused => Self::Access(refused),
        }
    }
}

/// The number of items in the loaded documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoadSummary {
    /// Users in the documents.
    pub users: usize,
    /// Projects in the documents.
    pub projects: usize,
    /// Pipelines in the documents.
    pub pipelines: usize,
    /// Jobs in the documents.
    pub jobs: usize,
    /// Artifacts in the documents.
    pub artifacts: usize,
}

/// The syntax of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// Checks the sender's permission inside the transaction that applies a document.
type Allow = Box<dyn FnOnce(&mut Db) -> Result<(), AccessError> + Send>;

/// A callback for each artifact that is stored, with the total number of artifacts.
pub type Stored<'a> = &'a (dyn Fn(usize) + Sync);

/// Where documents are loaded to.
#[derive(Clone, Copy)]
pub struct Destination<'a> {
    /// Receives the rows.
    pub catalog: &'a Catalog,
    /// Receives the bytes of artifacts.
    pub store: &'a Store,
    /// The limits within which archives are read.
    pub archive_limits: Limits,
}

/// A parsed document with its origin.
struct Source {
    /// The document's name in errors.
    name: String,
    document: Document,
    files: FileSource,
}

/// Loads documents from files, all of them or none. Calls `stored` for each artifact that is stored.
///
/// # Errors
/// [`LoadError`]; the catalog is unchanged then.
pub async fn load_files(
    paths: &[impl AsRef<Path>],
    destination: Destination<'_>,
    now: Timestamp,
    stored: Stored<'_>,
) -> Result<LoadSummary, LoadError> {
    let mut sources = Vec::new();
    for path in paths.iter().map(AsRef::as_ref) {
        let name = path.display().to_string();
        let text =
            read_text(path).map_err(|e| LoadError::Unreadable(format!("{name}: cannot be read: {e}")))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        sources.push(Source {
            document: parse::document(&name, &text)?,
            files: FileSource::Directory(folder),
            name,
        });
    }
    load(sources, destination, now, allow_all(), stored).await
}

/// Loads one document from memory.
///
/// # Errors
/// [`LoadError`]; the catalog is unchanged then.
pub async fn load_text(
    name: &str,
    text: &str,
    files: FileSource,
    destination: Destination<'_>,
    now: Timestamp,
) -> Result<LoadSummary, LoadError> {
    let source = Source { name: name.to_owned(), document: parse::document(name, text)?, files };
    load(vec![source], destination, now, allow_all(), &|_| ()).await
}

/// Loads a document that came over HTTP. Errors call it `document`; it cannot name files.
///
/// Calls `allow` in the transaction that applies the document, because the sender may have lost the
/// permission meanwhile.
///
/// # Errors
/// [`LoadError`]; the catalog is unchanged then.
pub async fn load_sent(
    body: Vec<u8>,
    format: Format,
    destination: Destination<'_>,
    now: Timestamp,
    allow: impl FnOnce(&mut Db) -> Result<(), AccessError> + Send + 'static,
) -> Result<LoadSummary, LoadError> {
    let name = "document".to_owned();
    let source = spawn_blocking(move || {
        let document = parse::sent_document(&name, &body, format)?;
        Ok::<_, LoadError>(Source { name, document, files: FileSource::None })
    })
    .await
    .map_err(Error::internal)??;
    load(vec![source], destination, now, Box::new(allow), &|_| ()).await
}

/// Allows the load: a user who can run the program may load documents.
fn allow_all() -> Allow {
    Box::new(|_| Ok(()))
}

async fn load(
    sources: Vec<Source>,
    destination: Destination<'_>,
    now: Timestamp,
    allow: Allow,
    stored: Stored<'_>,
) -> Result<LoadSummary, LoadError> {
    let (sources, loaded) = spawn_blocking(move || {
        parse::check_together(&sources)?;
        let counts = sources.iter().map(|source| source.document.count());
        let loaded = counts.fold(LoadSummary::default(), LoadSummary::plus);
        Ok::<_, LoadError>((sources, loaded))
    })
    .await
    .map_err(Error::internal)??;
    // Staged blobs may wait hours for their rows; the writer in their keys tells `gc` that they are in use.
    let writers = Writers::new(destination.catalog.clone(), Purpose::Keys);
    let applied = match stage_all(&sources, loaded.artifacts, destination, &writers, now, stored).await {
        Ok(staged) => apply_staged(sources, staged, destination, now, allow).await,
        Err(error) => Err(error),
    };
    writers.retire().await;
    applied.map(|()| loaded)
}

/// The staged blobs, and the writer that owns them until their rows exist.
type StagedBy = (Staged, Option<Writer>);

async fn stage_all(
    sources: &[Source],
    artifacts: usize,
    destination: Destination<'_>,
    writers: &Writers,
    now: Timestamp,
    stored: Stored<'_>,
) -> Result<StagedBy, LoadError> {
    if artifacts == 0 {
        return Ok((Staged::new(), None));
    }
    let writer = writers.writer().await?;
    let staged = stage::stage(sources, destination, &writer, now, &|| stored(artifacts)).await?;
    Ok((staged, Some(writer)))
}

async fn apply_staged(
    sources: Vec<Source>,
    (staged, writer): StagedBy,
    destination: Destination<'_>,
    now: Timestamp,
    allow: Allow,
) -> Result<(), LoadError> {
    let Destination { catalog, store, .. } = destination;
    let keys: Vec<_> = staged.values().map(|blob| blob.key.clone()).collect();
    let applying = catalog.write(move |db| {
        allow(db)?;
        if let Some(writer) = writer {
            writer.hold(db)?;
        }
        apply::apply(db, &sources, &staged, now)
    });
    let applied = applying.await;
    let unused = match &applied {
        Ok(used) => keys.into_iter().filter(|key| !used.contains(key)).collect(),
        // The commit may have succeeded although its answer was lost; `gc` decides later.
        Err(LoadError::Failed(_)) => Vec::new(),
        Err(
            LoadError::Malformed(_) | LoadError::Invalid(_) | LoadError::Unreadable(_) | LoadError::Access(_),
        ) => keys,
    };
    for key in &unused {
        store.delete(key).await?;
    }
    applied.map(drop)
}

impl std::fmt::Display for LoadSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { users, projects, pipelines, jobs, artifacts } = self;
        write!(
            f,
            "{users} users, {projects} projects, {pipelines} pipelines, {jobs} jobs, {artifacts} artifacts"
        )
    }
}

impl LoadSummary {
    fn plus(self, other: Self) -> Self {
        Self {
            users: self.users + other.users,
            projects: self.projects + other.projects,
            pipelines: self.pipelines + other.pipelines,
            jobs: self.jobs + other.jobs,
            artifacts: self.artifacts + other.artifacts,
        }
    }
}
