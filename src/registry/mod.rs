//! Registry documents: how somebody tells artigate which users, projects, pipelines, jobs and
//! artifacts exist.
//!
//! Read, check, stage the bytes of artifacts, then apply everything in one transaction: a document
//! is loaded in full or not at all, and loading it again changes nothing.

mod apply;
mod change;
mod document;
mod files;
mod read;
mod secret;
mod stage;
mod strict;

use std::path::Path;

use tokio::task::spawn_blocking;

pub use change::{JobChange, PipelineChange, replace_job_token};
pub use files::Files;

use crate::catalog::Catalog;
use crate::catalog::writers::Purpose;
use crate::domain::{Error, Timestamp};
use crate::store::Store;
use crate::writers::Writers;
use document::Document;
use stage::Staged;

/// Why documents were not loaded. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A document cannot be read as one; the text names file, place, and what was expected.
    #[error("{0}")]
    Malformed(String),
    /// A document says something wrong; the text names file, path inside it, and what was expected.
    #[error("{0}")]
    Wrong(String),
    /// A file cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// Catalog or store failed.
    #[error("{}", .0.causes().unwrap_or_else(|| .0.to_string()))]
    Failed(#[from] Error),
}

/// What was loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Users named.
    pub users: usize,
    /// Projects named.
    pub projects: usize,
    /// Pipelines named.
    pub pipelines: usize,
    /// Jobs named.
    pub jobs: usize,
    /// Artifacts named.
    pub artifacts: usize,
}

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// Called when the bytes of one more artifact are in the store, with the number of all.
pub type Stored<'a> = &'a (dyn Fn(usize) + Sync);

/// A document and where it came from.
struct Source {
    /// What errors call it.
    name: String,
    document: Document,
    files: Files,
}

/// Loads documents from files, all of them or none; tells `stored` how far it is.
///
/// # Errors
/// [`LoadError`]; nothing has changed then.
pub async fn load_files(
    paths: &[impl AsRef<Path>],
    catalog: &Catalog,
    store: &Store,
    now: Timestamp,
    stored: Stored<'_>,
) -> Result<Loaded, LoadError> {
    let mut sources = Vec::new();
    for path in paths.iter().map(AsRef::as_ref) {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|e| LoadError::Unreadable(format!("{name}: cannot be read: {e}")))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        sources.push(Source {
            document: read::document(&name, &text)?,
            files: Files::Directory(folder),
            name,
        });
    }
    load(sources, catalog, store, now, stored).await
}

/// Loads one document that is already in memory.
///
/// # Errors
/// [`LoadError`]; nothing has changed then.
pub async fn load_text(
    name: &str,
    text: &str,
    files: Files,
    catalog: &Catalog,
    store: &Store,
    now: Timestamp,
) -> Result<Loaded, LoadError> {
    let source = Source { name: name.to_owned(), document: read::document(name, text)?, files };
    load(vec![source], catalog, store, now, &|_| ()).await
}

/// Loads a document that was sent: errors call it `document`. It cannot name files.
///
/// # Errors
/// [`LoadError`]; nothing has changed then.
pub async fn load_sent(
    body: Vec<u8>,
    format: Format,
    catalog: &Catalog,
    store: &Store,
    now: Timestamp,
) -> Result<Loaded, LoadError> {
    let name = "document".to_owned();
    let source = spawn_blocking(move || {
        let document = read::sent_document(&name, &body, format)?;
        Ok::<_, LoadError>(Source { name, document, files: Files::Nowhere })
    })
    .await
    .map_err(Error::internal)??;
    load(vec![source], catalog, store, now, &|_| ()).await
}

async fn load(
    sources: Vec<Source>,
    catalog: &Catalog,
    store: &Store,
    now: Timestamp,
    stored: Stored<'_>,
) -> Result<Loaded, LoadError> {
    let (sources, loaded) = spawn_blocking(move || {
        read::check_together(&sources)?;
        let counts = sources.iter().map(|source| source.document.count());
        let loaded = counts.fold(Loaded::default(), Loaded::plus);
        Ok::<_, LoadError>((sources, loaded))
    })
    .await
    .map_err(Error::internal)??;
    // What is staged here waits for its rows, maybe for hours: `gc` is to know whose it is.
    let writers = Writers::new(catalog.clone(), Purpose::Keys);
    let applied = stage_and_apply(sources, loaded.artifacts, catalog, store, &writers, now, stored).await;
    writers.retire().await;
    applied.map(|()| loaded)
}

async fn stage_and_apply(
    sources: Vec<Source>,
    artifacts: usize,
    catalog: &Catalog,
    store: &Store,
    writers: &Writers,
    now: Timestamp,
    stored: Stored<'_>,
) -> Result<(), LoadError> {
    let (staged, writer) = match artifacts {
        0 => (Staged::new(), None),
        all => {
            let writer = writers.writer().await?;
            let staged = stage::stage(&sources, catalog, store, &writer, now, &|| stored(all)).await?;
            (staged, Some(writer))
        }
    };
    let keys: Vec<_> = staged.values().map(|(stored, _)| stored.key.clone()).collect();
    let applying = catalog.write(move |db| {
        if let Some(writer) = writer {
            writer.hold(db)?;
        }
        apply::apply(db, &sources, &staged, now)
    });
    let applied = applying.await;
    let unused = match &applied {
        Ok(used) => keys.into_iter().filter(|key| !used.contains(key)).collect(),
        // The answer to a commit may be lost while the commit was not; `gc` knows afterwards.
        Err(LoadError::Failed(_)) => Vec::new(),
        Err(LoadError::Malformed(_) | LoadError::Wrong(_) | LoadError::Unreadable(_)) => keys,
    };
    for key in &unused {
        store.delete(key).await?;
    }
    applied.map(drop)
}

impl std::fmt::Display for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { users, projects, pipelines, jobs, artifacts } = self;
        write!(
            f,
            "{users} users, {projects} projects, {pipelines} pipelines, {jobs} jobs, {artifacts} artifacts"
        )
    }
}

impl Loaded {
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
