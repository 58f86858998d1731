//! Search of an agent: the files of a build whose path matches, each with its digests and a link.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data};
use futures_util::stream;
use serde_json::json;

use super::credentials::running_job;
use crate::access::{RunningJob, SearchError, SearchScope, SearchedBuild};
use crate::api::buildkite::error::ApiError;
use crate::api::buildkite::files::{self, Digesting, File};
use crate::app::App;
use crate::auth::signed_links::{Link, Purpose};
use crate::catalog::uploads::PieceUpload;
use crate::deliver::FileFilter;
use crate::domain::artifact::ArtifactState;
use crate::domain::path_pattern::PathPattern;
use crate::domain::{Error, RowId, Timestamp, Uuid};
use crate::http::context::RequestContext;

/// How many files are described at a time: the answer is never whole in memory.
const FILES_AT_A_TIME: usize = 256;

/// Longest pattern, in bytes: no path is longer.
const MAX_QUERY_BYTES: usize = 2048;

/// How often a search asks whether what it waits for was assembled.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a search waits for that; an agent waits for its answer for a minute.
const PATIENCE: Duration = Duration::from_secs(50);

/// `GET /v3/builds/ID/artifacts/search`
pub(super) async fn search(ctx: &RequestContext, build: RowId) -> Result<HttpResponse, ApiError> {
    let running = running_job(ctx).await?;
    let query = ctx.query.get_filled("query");
    let query = query.ok_or_else(|| ApiError::BadRequest("query is missing".into()))?.to_owned();
    if query.len() > MAX_QUERY_BYTES {
        return Err(ApiError::BadRequest(format!("query is longer than {MAX_QUERY_BYTES} bytes").into()));
    }
    let pattern = PathPattern::new(query.replace('\\', "/"));
    let flag = |name: &str| ctx.query.get(name).is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let scope = SearchScope {
        step: ctx.query.get_filled("scope").map(str::to_owned),
        retried_too: flag("include_retried_jobs"),
    };
    let searched = assembled(ctx, &running, build, &scope, &pattern).await?;
    let filter = FileFilter { pattern: Some(pattern.clone()), is_readable: None };
    let all = 0..usize::MAX;
    let (_, mut found) =
        files::select(ctx, &searched.found, Some(ArtifactState::Finished), filter, all).await?;
    if !flag("include_duplicates") {
        if pattern.is_exact() && !searched.is_parallel && found.len() > 1 {
            let text = format!(
                "Multiple artifacts were found for query: `{query}`. Try scoping by the job ID or name."
            );
            return Err(ApiError::BadRequest(text.into()));
        }
        found = newest(found, pattern.is_exact());
    }
    let until = ctx.now.plus_seconds(ctx.app.settings.transfer_lifetime.as_secs()).unwrap_or(ctx.now);
    let describing = Describing { app: ctx.app.clone(), base: ctx.base_url(), now: ctx.now, until };
    describing.answer(found).await
}

/// Finds what is searched, when nothing that matches is being assembled any more: its job takes it for finished.
async fn assembled(
    ctx: &RequestContext,
    running: &RunningJob,
    build: RowId,
    scope: &SearchScope,
    pattern: &PathPattern,
) -> Result<SearchedBuild, ApiError> {
    let search = || async {
        let searching = ctx.access().searched_build(running, build, scope.clone());
        searching.await.map_err(|error| refusal(error, scope))
    };
    let searched = search().await?;
    let is_wanted = |upload: &PieceUpload| upload.name.file_path().is_some_and(|path| pattern.matches(path));
    let uploads = searched.found.uploads.iter().filter(|(upload, _)| is_wanted(upload));
    let awaited: Vec<Uuid> = uploads.map(|(upload, _)| upload.uuid).collect();
    if awaited.is_empty() {
        return Ok(searched);
    }
    let deadline = Instant::now() + PATIENCE;
    while ctx.access().are_being_assembled(awaited.clone()).await? {
        if Instant::now() > deadline {
            return Err(Error::unavailable("artifacts are still being assembled").into());
        }
        tokio::time::sleep(PAUSE).await;
    }
    search().await
}

fn refusal(error: SearchError, scope: &SearchScope) -> ApiError {
    match error {
        SearchError::NoStep => {
            // Agents print one line.
            let step = scope.step.as_deref().unwrap_or_default().replace(char::is_control, " ");
            let text = format!("A step could not be found matching: `{step}`");
            ApiError::NotFound(text.into(), "no such step".into())
        }
        SearchError::NoBuild => ApiError::missing("build"),
        SearchError::Access(error) => error.into(),
    }
}

/// Keeps of the files of each path the one that was stored last; of one path in several jobs one of each job.
fn newest(files: Vec<File>, of_each_job: bool) -> Vec<File> {
    let stored = |file: &File| file.place().map(|(artifact, _)| artifact.id);
    let mut last: HashMap<_, usize> = HashMap::with_capacity(files.len());
    for (at, file) in files.iter().enumerate() {
        let kept = last.entry((file.path(), of_each_job.then(|| file.job_uuid()))).or_insert(at);
        if files.get(*kept).is_none_or(|other| stored(other) <= stored(file)) {
            *kept = at;
        }
    }
    let last: HashSet<usize> = last.into_values().collect();
    files.into_iter().enumerate().filter(|(at, _)| last.contains(at)).map(|(_, file)| file).collect()
}

/// Describes files for an agent.
struct Describing {
    app: Data<App>,
    base: String,
    now: Timestamp,
    until: Timestamp,
}

impl Describing {
    /// Answers with all files. Those described first are, before anything is sent, so that an error is an answer.
    async fn answer(self, files: Vec<File>) -> Result<HttpResponse, ApiError> {
        let mut rest = files;
        let later = rest.split_off(rest.len().min(FILES_AT_A_TIME));
        let mut first = String::from("[");
        first.push_str(&self.some(&mut rest).await?);
        let mut response = HttpResponse::Ok();
        response.content_type("application/json");
        if later.is_empty() {
            first.push(']');
            return Ok(response.body(first));
        }
        let parts = stream::try_unfold((self, later, Some(first)), async |(describing, mut files, first)| {
            if let Some(first) = first {
                return Ok::<_, io::Error>(Some((Bytes::from(first), (describing, files, None))));
            }
            if files.is_empty() {
                return Ok(None);
            }
            let later = files.split_off(files.len().min(FILES_AT_A_TIME));
            let mut text = String::from(",");
            let described = describing.some(&mut files).await.map_err(|error| {
                // The answer is cut off, so no client takes it for whole.
                tracing::error!(reason = %error.reason(), "a search was answered in part");
                io::Error::other(error.reason())
            });
            text.push_str(&described?);
            if later.is_empty() {
                text.push(']');
            }
            Ok(Some((Bytes::from(text), (describing, later, None))))
        });
        Ok(response.streaming(parts))
    }

    /// Describes some files, as the items of a list.
    async fn some(&self, files: &mut [File]) -> Result<String, ApiError> {
        files::add_digests(&self.app, files, Digesting::OfAll).await?;
        let mut items = Vec::with_capacity(files.len());
        for file in files.iter() {
            let Some((artifact, path)) = file.place() else { continue };
            let link = Link { purpose: Purpose::Download, uuid: artifact.uuid, path, until: self.until };
            let url = format!("{}{}", self.base, link.sign(&self.app.keys, self.now).await?);
            let item = json!({
                "id": file.uuid().to_string(),
                "job_id": file.job_uuid().to_string(),
                "path": file.path(),
                "absolute_path": file.path(),
                "glob_path": "",
                "file_size": file.size_bytes(),
                "sha1sum": file.sha1().map(hex::encode),
                "sha256sum": file.sha256().map(|digest| digest.to_string()),
                "content_type": file.media_type(),
                "created_at": artifact.created_at,
                "url": url,
                "upload_destination": "",
            });
            items.push(item.to_string());
        }
        Ok(items.join(","))
    }
}
