//! `artigate project create` and `set`, which share their options.

use clap::Args;

use crate::catalog::projects::{self, ProjectChanges};
use crate::cli::CommandError;
use crate::cli::catalog_session::CatalogSession;
use crate::cli::listing;
use crate::cli::options::{SizeLimit, Switch, one_of, unless_empty};
use crate::domain::Clock;
use crate::domain::project::Visibility;

#[derive(Debug, Args)]
#[group(multiple = true)]
pub(in crate::cli) struct Fields {
    /// The display name; the path's last segment by default.
    #[arg(long)]
    name: Option<String>,
    /// Who may see the project: its members, all signed-in users, or everyone; private by default.
    #[arg(long, value_parser = one_of(Visibility::ALL, Visibility::as_str))]
    visibility: Option<Visibility>,
    /// Whether everyone who may see the project may read its jobs and artifacts; on by default.
    #[arg(long, value_name = "ON|OFF", hide_possible_values = true)]
    public_jobs: Option<Switch>,
    /// Whether the newest successful pipeline of each ref keeps its artifacts past their expiry; on
    /// by default.
    #[arg(long, value_name = "ON|OFF", hide_possible_values = true)]
    keep_latest: Option<Switch>,
    /// The largest artifact, for example 10 MiB, or none for the limit of the instance.
    #[arg(long, value_name = "SIZE|none")]
    max_artifact_size: Option<SizeLimit>,
    /// What the project may store, for example 50 GiB, or none; uploads past it are refused.
    #[arg(long, value_name = "SIZE|none")]
    max_storage: Option<SizeLimit>,
    /// The default branch; an empty text removes it.
    #[arg(long, value_name = "BRANCH")]
    default_branch: Option<String>,
}

impl Fields {
    fn of(self, path: String) -> ProjectChanges {
        ProjectChanges {
            path_lower: path.to_lowercase(),
            path,
            name: self.name,
            visibility: self.visibility.map(Visibility::as_str),
            public_jobs: self.public_jobs.map(Switch::is_on),
            default_branch: self.default_branch.map(unless_empty),
            keep_latest_artifact: self.keep_latest.map(Switch::is_on),
            max_artifact_bytes: self.max_artifact_size.map(|SizeLimit(bytes)| bytes),
            max_storage_bytes: self.max_storage.map(|SizeLimit(bytes)| bytes),
        }
    }
}

/// Creates a project.
pub(super) fn create(
    administration: &CatalogSession,
    path: String,
    id: Option<i64>,
    fields: Fields,
) -> Result<(), CommandError> {
    let new = fields.of(path.clone());
    let id = administration.write("project.create", format!("project {path}"), move |db| {
        projects::create(db, id, &new, Clock::System.now())
    })?;
    listing::print(&format!("created project {path} with ID {id}\n"))
}

/// Changes a project.
pub(super) fn set(administration: &CatalogSession, path: String, fields: Fields) -> Result<(), CommandError> {
    let changes = fields.of(path.clone());
    administration
        .write("project.set", format!("project {path}"), move |db| projects::change(db, changes))?;
    listing::print(&format!("changed project {path}\n"))
}
