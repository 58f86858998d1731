//! The demo of `artigate serve --demo`: a registry document with its artifacts, and the `curl` lines to try.
//!
//! Both are embedded in the program, so the demo works from any directory.

use crate::app::App;
use crate::catalog::{projects, users};
use crate::domain::Result;
use crate::domain::project::ProjectRef;
use crate::registry::{self, FileSource};
use crate::settings::{DatabaseUrl, Settings, StorageUrl};

use super::CommandError;

const DOCUMENT: &str = include_str!("../../fixtures/demo.yml");

/// The artifact files that the document names.
const FILES: &[(&str, &[u8])] = &[
    ("archives/coverage.zip", include_bytes!("../../fixtures/archives/coverage.zip")),
    ("archives/docs-zstd.zip", include_bytes!("../../fixtures/archives/docs-zstd.zip")),
    ("archives/firmware.zip", include_bytes!("../../fixtures/archives/firmware.zip")),
    ("archives/gl-sast-report.json", include_bytes!("../../fixtures/archives/gl-sast-report.json")),
    ("archives/junit.xml.gz", include_bytes!("../../fixtures/archives/junit.xml.gz")),
    ("archives/site.zip", include_bytes!("../../fixtures/archives/site.zip")),
];

/// A project that exists only in the demo.
const DEMO_PROJECT: &str = "demo/site";

/// A loaded demo.
pub(super) enum Demo {
    /// Loaded by this start.
    Fresh,
    /// Loaded by an earlier start and possibly changed since. Holds how to begin again.
    Earlier(String),
}

/// Loads the demo into an empty database. Returns `None` and warns if the database holds other data, or if it
/// is not known yet whether database and store belong together.
pub(super) async fn load(app: &App) -> std::result::Result<Option<Demo>, CommandError> {
    let state = app.catalog.read(|db| -> Result<_> {
        let demo = projects::find(db, &ProjectRef::Path(DEMO_PROJECT.into()))?;
        Ok((users::any(db)?, demo.is_some()))
    });
    match state.await.map_err(CommandError::startup)? {
        (true, true) => Ok(Some(Demo::Earlier(how_to_begin_again(&app.settings)))),
        (true, false) => {
            tracing::warn!("the database is not empty; the demo is not loaded");
            Ok(None)
        }
        (false, _) if !app.belonging.is_known() => {
            tracing::warn!(
                "it is not known yet whether database and store belong together; the demo is not loaded"
            );
            Ok(None)
        }
        (false, _) => {
            let files = FileSource::Embedded(FILES);
            registry::load_text("demo.yml", DOCUMENT, files, app.registry.destination(), app.clock.now())
                .await?;
            Ok(Some(Demo::Fresh))
        }
    }
}

/// Returns how to begin again: the command that deletes the data directory, if database and store are both in
/// `artigate-data`.
fn how_to_begin_again(settings: &Settings) -> String {
    match (&settings.database, &settings.storage) {
        (DatabaseUrl::Sqlite(file), StorageUrl::Directory(blobs))
            if file.parent() == blobs.parent()
                && file.parent().is_some_and(|it| it.ends_with("artigate-data")) =>
        {
            format!("rm -r {}", blobs.parent().unwrap_or(blobs).display())
        }
        _ => "an empty database and store".to_owned(),
    }
}

impl Demo {
    /// Returns the text to print once the server's address is known.
    pub(super) fn lines(&self, base: &str) -> String {
        let said = match self {
            Self::Fresh => "The demo is loaded.".to_owned(),
            Self::Earlier(how) => format!("The demo was loaded earlier; to begin again: {how}."),
        };
        format!("{said} Paste a line:\n\n{}", lines(base))
    }
}

fn lines(base: &str) -> String {
    let api = format!("{base}/api/v4");
    format!(
        "\
# the whole archive of the newest successful `build` on main
curl --fail-with-body --location --output artifacts.zip '{api}/projects/demo%2Fsite/jobs/artifacts/main/download?job=build'

# one file out of it
curl --fail-with-body '{api}/projects/demo%2Fsite/jobs/artifacts/main/raw/README.txt?job=build'

# a file from a child pipeline (compressed with zstd)
curl --fail-with-body '{api}/projects/demo%2Fsite/jobs/artifacts/main/raw/docs/index.html?job=docs'

# by job ID, from a private project
curl --fail-with-body --location --header 'PRIVATE-TOKEN: glpat-demo-alice' '{api}/projects/demo%2Ffirmware/jobs/1016/artifacts/VERSION'

# a branch with a slash in its name
curl --fail-with-body --location --head '{api}/projects/1/jobs/artifacts/feature/new-look/download?job=build'

# upload a report as a running job does
echo '{{}}' | curl --fail-with-body --location --header 'JOB-TOKEN: glcbt-64_demo-upload' --form 'file=@-;filename=gl-sast-report.json' '{api}/jobs/1015/artifacts?artifact_type=sast&artifact_format=raw'

"
    )
}
