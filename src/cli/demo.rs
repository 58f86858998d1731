//! What `artigate serve --demo` loads and prints; it is part of the program, so it works from any
//! directory.

use crate::app::App;
use crate::catalog::{projects, users};
use crate::domain::Result;
use crate::domain::project::ProjectRef;
use crate::registry::{self, Files};

use super::CommandError;

const DOCUMENT: &str = include_str!("../../fixtures/demo.yml");

/// The files that the document names.
const FILES: &[(&str, &[u8])] = &[
    ("archives/coverage.zip", include_bytes!("../../fixtures/archives/coverage.zip")),
    ("archives/docs-zstd.zip", include_bytes!("../../fixtures/archives/docs-zstd.zip")),
    ("archives/firmware.zip", include_bytes!("../../fixtures/archives/firmware.zip")),
    ("archives/gl-sast-report.json", include_bytes!("../../fixtures/archives/gl-sast-report.json")),
    ("archives/junit.xml.gz", include_bytes!("../../fixtures/archives/junit.xml.gz")),
    ("archives/site.zip", include_bytes!("../../fixtures/archives/site.zip")),
];

/// A project that only the demo has.
const DEMO_PROJECT: &str = "demo/site";

/// Makes the text to print once the address is known.
type Lines = fn(&str) -> String;

/// Loads the demo into an empty database; one that holds something else is left as it is.
pub(super) async fn load(app: &App) -> std::result::Result<Option<Lines>, CommandError> {
    let state = app.catalog.read(|db| -> Result<_> {
        let demo = projects::find(db, &ProjectRef::Path(DEMO_PROJECT.into()))?;
        Ok((users::any(db)?, demo.is_some()))
    });
    match state.await.map_err(CommandError::unusable)? {
        (true, true) => Ok(Some(lines)),
        (true, false) => {
            tracing::warn!("the database is not empty, the demo is not loaded");
            Ok(None)
        }
        (false, _) => {
            let files = Files::Embedded(FILES);
            let (catalog, store) = (&app.catalog, &app.store);
            registry::load_text("demo.yml", DOCUMENT, files, catalog, store, app.clock.now()).await?;
            Ok(Some(lines))
        }
    }
}

fn lines(base: &str) -> String {
    let api = format!("{base}/api/v4");
    format!(
        "\
The demo is loaded. Paste a line:

# the whole archive of the newest successful `build` on main
curl --fail --output artifacts.zip '{api}/projects/demo%2Fsite/jobs/artifacts/main/download?job=build'

# one file out of it
curl --fail '{api}/projects/demo%2Fsite/jobs/artifacts/main/raw/README.txt?job=build'

# a file that a child pipeline made (packed with zstd)
curl --fail '{api}/projects/demo%2Fsite/jobs/artifacts/main/raw/docs/index.html?job=docs'

# by job number, from a private project
curl --fail --header 'PRIVATE-TOKEN: glpat-demo-alice' '{api}/projects/demo%2Ffirmware/jobs/1016/artifacts/VERSION'

# a branch with a slash in its name
curl --fail --head '{api}/projects/1/jobs/artifacts/feature/new-look/download?job=build'

# hand over a report as a running job does
echo '{{}}' | curl --fail --header 'JOB-TOKEN: glcbt-64_demo-upload' --form 'file=@-;filename=gl-sast-report.json' '{api}/jobs/1015/artifacts?artifact_type=sast&artifact_format=raw'

"
    )
}
