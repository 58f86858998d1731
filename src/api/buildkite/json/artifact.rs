//! JSON of an artifact: a file that a job handed over, alone or in an archive.

use serde::Serialize;

use super::build::Shown;
use crate::domain::Uuid;
use crate::domain::build::Slugs;

/// An artifact.
#[derive(Debug, Serialize)]
pub(in crate::api::buildkite) struct ArtifactJson {
    id: String,
    job_id: String,
    url: String,
    download_url: String,
    state: &'static str,
    path: String,
    dirname: String,
    filename: String,
    mime_type: String,
    file_size: u64,
    glob_path: Option<String>,
    original_path: Option<String>,
    sha1sum: Option<String>,
}

/// What an artifact's JSON is made of.
#[derive(Debug)]
pub(in crate::api::buildkite) struct Parts<'a> {
    pub(in crate::api::buildkite) slugs: &'a Slugs,
    pub(in crate::api::buildkite) number: i64,
    pub(in crate::api::buildkite) uuid: Uuid,
    pub(in crate::api::buildkite) job_uuid: Uuid,
    pub(in crate::api::buildkite) state: &'static str,
    pub(in crate::api::buildkite) path: &'a str,
    pub(in crate::api::buildkite) media_type: String,
    pub(in crate::api::buildkite) size_bytes: u64,
    pub(in crate::api::buildkite) sha1: Option<[u8; 20]>,
}

impl ArtifactJson {
    pub(in crate::api::buildkite) fn new(parts: Parts<'_>, shown: &Shown) -> Self {
        let Parts { slugs, number, uuid, job_uuid, state, path, media_type, size_bytes, sha1 } = parts;
        let url = format!("{}/builds/{number}/jobs/{job_uuid}/artifacts/{uuid}", shown.pipeline_url(slugs));
        let (dirname, filename) = path.rsplit_once('/').unwrap_or((".", path));
        Self {
            id: uuid.to_string(),
            job_id: job_uuid.to_string(),
            download_url: format!("{url}/download"),
            url,
            state,
            path: path.to_owned(),
            dirname: dirname.to_owned(),
            filename: filename.to_owned(),
            mime_type: media_type,
            file_size: size_bytes,
            glob_path: None,
            original_path: None,
            sha1sum: sha1.map(hex::encode),
        }
    }
}
