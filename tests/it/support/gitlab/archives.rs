//! Archives that the stub holds, and the jobs that have them.

use serde_json::{Value, json};

use super::{State, StubProject, not_found, response, unauthorized};

impl State {
    /// An archive that is held here, as bytes or as a redirect to where they are.
    pub(super) fn archive(
        &mut self,
        path: &str,
        credential: Option<&(String, String)>,
        is_look: bool,
    ) -> Vec<u8> {
        let found = match self.find_archive(path, credential) {
            Ok(found) => found,
            Err((status, _)) if is_look => return response(status, "application/json", "", ""),
            Err((status, body)) => return response(status, "application/json", "", &body.to_string()),
        };
        if let Some(bucket) = &self.bucket {
            let location = format!("Location: {bucket}\r\n");
            return response(302, "text/html", &location, "");
        }
        let mut head = format!(
            "HTTP/1.1 200 X\r\nContent-Type: application/octet-stream\r\n\
             Content-Disposition: attachment; filename=\"artifacts.zip\"\r\nContent-Length: {}\r\n\r\n",
            found.len()
        )
        .into_bytes();
        if !is_look {
            head.extend(found);
        }
        head
    }

    fn find_archive(
        &mut self,
        path: &str,
        credential: Option<&(String, String)>,
    ) -> Result<Vec<u8>, (u16, Value)> {
        let words: Vec<&str> = path.trim_start_matches("/base/api/v4/").split('/').collect();
        let (project, job, as_runner) = match words[..] {
            ["projects", project, "jobs", job, "artifacts"] => (project.parse().ok(), job, false),
            ["jobs", job, "artifacts"] => (None, job, true),
            _ => return Err(self.strange(path)),
        };
        let job = job.parse::<i64>().ok().and_then(|id| self.jobs.get(&id));
        let job = job.ok_or_else(not_found)?.clone();
        let own: i64 = self.pipelines[&job.pipeline].project;
        if !as_runner && project != Some(own) {
            return Err(not_found());
        }
        let project = self.projects[&own].clone();
        let user = match self.running_job(credential) {
            Some(id) => self.jobs[&id].user,
            None if as_runner => return Err((403, json!({"message": "403 Forbidden"}))),
            None => self.asker(credential)?,
        };
        match self.reach(&project, user) {
            (false, _) => return Err(not_found()),
            (true, false) => return Err((403, json!({"message": "403 Forbidden"}))),
            (true, true) => {}
        }
        let level = user.map_or(0, |user| self.level(&project, user));
        if level < job.archive_level && !as_runner {
            return Err((403, json!({"message": "403 Forbidden"})));
        }
        job.archive.ok_or_else(|| (404, json!({"message": "404 Not Found"})))
    }

    /// One job, as its readers are told.
    pub(super) fn job_of(
        &self,
        id: i64,
        project: &StubProject,
        job: &str,
        credential: Option<&(String, String)>,
    ) -> (u16, Value) {
        let is_its =
            |job: &i64| self.jobs.get(job).is_some_and(|job| self.pipelines[&job.pipeline].project == id);
        let job = job.parse::<i64>().ok().filter(is_its);
        match (self.asker(credential), job) {
            (Ok(Some(user)), Some(job)) if self.reach(project, Some(user)).1 => (200, self.job_json(job)),
            (Ok(Some(_)), _) => not_found(),
            _ => unauthorized(),
        }
    }

    /// A page of the jobs that have ended, newest first.
    pub(super) fn ended_jobs(
        &self,
        id: i64,
        project: &StubProject,
        query: &str,
        credential: Option<&(String, String)>,
    ) -> (u16, Value) {
        if !self.may_list(project, credential) {
            return not_found();
        }
        let ended = self
            .jobs
            .iter()
            .rev()
            .filter(|(_, job)| job.status != "running" && self.pipelines[&job.pipeline].project == id);
        (200, paged(ended, query).map(|(id, _)| self.job_json(*id)).collect())
    }

    /// A list for a job's token, which is no credential here in older releases.
    pub(super) fn jobs_of(
        &mut self,
        id: i64,
        project: &StubProject,
        credential: Option<&(String, String)>,
    ) -> (u16, Value) {
        let Some(own) = self.running_job(credential).filter(|_| self.lists_jobs_for_jobs) else {
            return unauthorized();
        };
        let job = self.jobs[&own].clone();
        let from = self.pipelines[&job.pipeline].project;
        let is_open = project.visibility != "private" && project.public_jobs;
        if from != id && !project.allows.contains(&from) && !is_open {
            let last = |path: &str| path.rsplit('/').next().unwrap().to_owned();
            let (source, target) = (last(&self.projects[&from].path), last(&project.path));
            let why = format!(
                "403 Forbidden - Authentication by CI/CD job token not allowed from {source} to {target}."
            );
            return (403, json!({"message": why}));
        }
        match self.reach(project, job.user) {
            (_, true) => {
                let newest =
                    self.jobs.iter().rev().find(|(_, job)| self.pipelines[&job.pipeline].project == id);
                (200, newest.map_or(json!([]), |(id, _)| json!([self.job_json(*id)])))
            }
            (true, false) => (403, json!({"message": "403 Forbidden"})),
            (false, _) => not_found(),
        }
    }
}

/// The rows of the page that a query asks for.
pub(super) fn paged<T>(rows: impl Iterator<Item = T>, query: &str) -> impl Iterator<Item = T> {
    let page: usize = query.rsplit('=').next().unwrap().parse().unwrap();
    rows.skip((page - 1) * 100).take(100)
}
