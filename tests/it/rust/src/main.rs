//! Client test program: finds, keeps and deletes a project's newest artifacts with the crate `gitlab`.
//!
//! Usage: gitlab-story HOST TOKEN JOB_TOKEN PROJECT_PATH REF JOB_NAME OUT_DIR ENTRY_PATH
//!
//! Prints its findings; the caller compares them, and compares the files in OUT_DIR with the archive. The
//! crate requests its own user when a client is made, and walks the list of projects by keyset when it is
//! sorted by ID.

use std::error::Error;
use std::path::Path;

use gitlab::api::projects::jobs::artifacts::{
    DeleteJobArtifacts, DownloadJobArtifactFile, DownloadJobArtifacts, DownloadRefJobArtifacts,
    KeepJobArtifacts,
};
use gitlab::api::projects::jobs::{Job, JobScope, Jobs};
use gitlab::api::projects::pipelines::{
    Pipeline, PipelineBridges, PipelineJobs, PipelineOrderBy, PipelineStatus, Pipelines,
};
use gitlab::api::projects::{Project, ProjectOrderBy, Projects};
use gitlab::api::users::CurrentUser;
use gitlab::api::{self, Pagination, Query};
use gitlab::{Gitlab, GitlabBuilder};
use serde_json::Value;

fn ids(items: &[Value]) -> String {
    items.iter().map(|item| item["id"].to_string()).collect::<Vec<_>>().join(" ")
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [host, token, job_token, path, ref_name, job_name, out, entry] = &arguments[..] else {
        return Err("usage: gitlab-story HOST TOKEN JOB_TOKEN PROJECT_PATH REF JOB_NAME OUT_DIR ENTRY_PATH".into());
    };
    let (path, out) = (path.as_str(), Path::new(out));
    std::fs::create_dir(out)?;
    let client: Gitlab = GitlabBuilder::new(host, token).insecure().build()?;
    let as_job: Gitlab = GitlabBuilder::new(host, job_token).insecure().job_token().build()?;
    let user: Value = CurrentUser::builder().build()?.query(&client)?;
    println!("user: {}", user["username"].as_str().unwrap_or_default());

    let project: Value = Project::builder().project(path).build()?.query(&client)?;
    let all = Projects::builder().order_by(ProjectOrderBy::Id).build()?;
    let all: Vec<Value> = api::paged(all, Pagination::AllPerPageLimit(1)).query(&client)?;
    assert!(all.contains(&project), "{all:?}");
    println!("project: {}", project["id"]);

    let one_a_page = Pagination::AllPerPageLimit(1);
    let jobs: Vec<Value> = api::paged(Jobs::builder().project(path).build()?, one_a_page).query(&client)?;
    println!("jobs: {}", ids(&jobs));
    let as_job: Vec<Value> = api::paged(Jobs::builder().project(path).build()?, Pagination::All).query(&as_job)?;
    assert_eq!(as_job, jobs);
    let succeeded = Jobs::builder().project(path).scope(JobScope::Success).scope(JobScope::Failed).build()?;
    let succeeded: Vec<Value> = api::paged(succeeded, one_a_page).query(&client)?;
    println!("succeeded: {}", ids(&succeeded));

    let newest = Pipelines::builder()
        .project(path)
        .ref_(ref_name.as_str())
        .status(PipelineStatus::Success)
        .order_by(PipelineOrderBy::Id)
        .build()?;
    let newest: Vec<Value> = api::paged(newest, Pagination::Limit(1)).query(&client)?;
    let number = newest[0]["id"].as_u64().ok_or("a pipeline without a number")?;
    let pipeline: Value = Pipeline::builder().project(path).pipeline(number).build()?.query(&client)?;
    println!("pipeline: {}", pipeline["id"]);
    let inside = PipelineJobs::builder().project(path).pipeline(number).include_retried(true).build()?;
    let inside: Vec<Value> = api::paged(inside, Pagination::All).query(&client)?;
    let bridges = PipelineBridges::builder().project(path).pipeline(number).build()?;
    let bridges: Vec<Value> = api::paged(bridges, Pagination::All).query(&client)?;
    assert!(bridges.is_empty(), "{bridges:?}");
    let job = inside.iter().find(|job| job["name"] == *job_name).ok_or("no such job")?;
    let job = job["id"].as_u64().ok_or("a job without a number")?;
    println!("job: {job}");

    let write = |name: &str, bytes: Vec<u8>| std::fs::write(out.join(name), bytes);
    let archive = DownloadJobArtifacts::builder().project(path).job(job).build()?;
    write("by-id.zip", api::raw(archive).query(&client)?)?;
    let by_ref = DownloadRefJobArtifacts::builder()
        .project(path)
        .ref_name(ref_name.as_str())
        .job(job_name.as_str())
        .build()?;
    write("by-ref.zip", api::raw(by_ref).query(&client)?)?;
    let file = DownloadJobArtifactFile::builder().project(path).job(job).path(entry.as_str()).build()?;
    write("one", api::raw(file).query(&client)?)?;

    let keep = KeepJobArtifacts::builder().project(path).job(job).build()?;
    let kept: Value = keep.query(&client)?;
    println!("kept until: {}", kept["artifacts_expire_at"].as_str().unwrap_or("None"));
    api::ignore(DeleteJobArtifacts::builder().project(path).job(job).build()?).query(&client)?;
    let again = DownloadJobArtifacts::builder().project(path).job(job).build()?;
    let gone = api::raw(again).query(&client);
    assert!(gone.is_err_and(|error| error.to_string().contains("404")), "the archive is still there");
    let job: Value = Job::builder().project(path).job(job).build()?.query(&client)?;
    assert!(job.get("artifacts_file").is_none());
    println!("deleted");
    Ok(())
}
