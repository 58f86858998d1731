//! A builder of registry documents: projects, their pipelines, the jobs of these, and their artifacts.
//!
//! Each call describes what was begun last. A field that no call names is left out of the document, so that a
//! second fixture can change what a first one has loaded.

use std::fmt::Display;

use serde_json::{Value, json};

use super::fixtures::USERS;
use super::gateway::Gateway;

/// A registry document and the files that it names.
pub struct Fixture {
    projects: Value,
    files: Vec<Vec<u8>>,
}

impl Fixture {
    /// The users of [`USERS`] alone. Every fixture has them.
    pub fn users() -> Self {
        Self { projects: json!([]), files: Vec::new() }
    }

    /// Begins project 1.
    pub fn project(path: &str) -> Self {
        Self::users().and_project(path)
    }

    /// Begins one more project. Projects are numbered from 1 on.
    pub fn and_project(mut self, path: &str) -> Self {
        let id = self.projects.as_array().map_or(0, Vec::len) + 1;
        push(&mut self.projects, json!({"id": id, "path": path, "pipelines": []}));
        self
    }

    pub fn public(self) -> Self {
        self.visibility("public")
    }

    pub fn visibility(mut self, visibility: impl Display) -> Self {
        self.last_project()["visibility"] = visibility.to_string().into();
        self
    }

    pub fn public_jobs(mut self, are_public: bool) -> Self {
        self.last_project()["public_jobs"] = are_public.into();
        self
    }

    pub fn keep_latest(mut self, keeps: bool) -> Self {
        self.last_project()["keep_latest_artifact"] = keeps.into();
        self
    }

    /// Makes the users that are named like a role members with that role.
    pub fn members(self) -> Self {
        let roles = ["maintainer", "developer", "reporter", "guest"];
        roles.into_iter().fold(self, |fixture, role| fixture.member(role, role))
    }

    pub fn member(mut self, user: &str, role: &str) -> Self {
        self.last_project()["members"][user] = role.into();
        self
    }

    /// Accepts job tokens of this project or group, and of no other.
    pub fn allows(mut self, path: &str) -> Self {
        self.last_project()["job_token_allowlist"] = json!([path]);
        self
    }

    /// Begins a pipeline, which has succeeded unless [`Fixture::status`] says otherwise.
    pub fn pipeline(mut self, id: i64, ref_name: &str) -> Self {
        let pipeline = json!({"id": id, "ref": ref_name, "sha": "a", "status": "success", "jobs": []});
        push(&mut self.last_project()["pipelines"], pipeline);
        self
    }

    pub fn tag(mut self) -> Self {
        self.last_pipeline()["tag"] = true.into();
        self
    }

    pub fn source(mut self, source: &str) -> Self {
        self.last_pipeline()["source"] = source.into();
        self
    }

    /// Makes the pipeline a child of another one.
    pub fn child_of(mut self, parent: i64) -> Self {
        self.last_pipeline()["parent"] = parent.into();
        self.source("parent_pipeline")
    }

    /// Begins a job, which has succeeded unless [`Fixture::status`] says otherwise.
    pub fn job(mut self, id: i64, name: &str) -> Self {
        let job = json!({"id": id, "name": name, "status": "success", "artifacts": []});
        push(&mut self.last_pipeline()["jobs"], job);
        self
    }

    /// Sets the status of the job or, before the first job, of the pipeline.
    pub fn status(mut self, status: &str) -> Self {
        let pipeline = self.last_pipeline();
        let has_jobs = pipeline["jobs"].as_array().is_some_and(|jobs| !jobs.is_empty());
        let described = if has_jobs { last(&mut pipeline["jobs"]) } else { pipeline };
        described["status"] = status.into();
        self
    }

    pub fn user(mut self, user: &str) -> Self {
        self.last_job()["user"] = user.into();
        self
    }

    pub fn token(mut self, token: &str) -> Self {
        self.last_job()["token"] = token.into();
        self
    }

    pub fn retried(mut self) -> Self {
        self.last_job()["retried"] = true.into();
        self
    }

    pub fn allow_failure(mut self) -> Self {
        self.last_job()["allow_failure"] = true.into();
        self
    }

    pub fn archive(self, bytes: &[u8]) -> Self {
        self.artifact("archive", bytes)
    }

    /// Begins an artifact of a kind of GitLab's, such as `junit`.
    pub fn artifact(mut self, kind: &str, bytes: &[u8]) -> Self {
        let known = self.files.iter().position(|known| known.as_slice() == bytes);
        let number = known.unwrap_or(self.files.len());
        if known.is_none() {
            self.files.push(bytes.to_vec());
        }
        push(&mut self.last_job()["artifacts"], json!({"type": kind, "file": file_name(number)}));
        self
    }

    pub fn filename(mut self, filename: &str) -> Self {
        self.last_artifact()["filename"] = filename.into();
        self
    }

    pub fn accessibility(mut self, accessibility: impl Display) -> Self {
        self.last_artifact()["accessibility"] = accessibility.to_string().into();
        self
    }

    pub fn expire_in(mut self, lifetime: &str) -> Self {
        self.last_artifact()["expire_in"] = lifetime.into();
        self
    }

    /// Writes the files and loads the document.
    pub fn load(self, gateway: &Gateway) {
        for (number, bytes) in self.files.iter().enumerate() {
            gateway.write_file(&file_name(number), bytes);
        }
        // JSON is YAML.
        gateway.load(&format!("{USERS}projects: {}\n", self.projects));
    }

    fn last_project(&mut self) -> &mut Value {
        last(&mut self.projects)
    }

    fn last_pipeline(&mut self) -> &mut Value {
        last(&mut self.last_project()["pipelines"])
    }

    fn last_job(&mut self) -> &mut Value {
        last(&mut self.last_pipeline()["jobs"])
    }

    fn last_artifact(&mut self) -> &mut Value {
        last(&mut self.last_job()["artifacts"])
    }
}

fn file_name(number: usize) -> String {
    format!("fixture-{number}")
}

fn push(list: &mut Value, item: Value) {
    list.as_array_mut().expect("a list").push(item);
}

/// What is described now. A fixture that describes what it has not begun panics.
fn last(list: &mut Value) -> &mut Value {
    list.as_array_mut().and_then(|items| items.last_mut()).expect("begun before it is described")
}
