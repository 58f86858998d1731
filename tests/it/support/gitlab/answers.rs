//! The answers of the stub: the API's routes over what it knows.

use serde_json::{Value, json};

use super::archives::paged;
use super::{Call, State, StubPipeline, StubProject, StubToken, not_found, response, unauthorized};

impl State {
    pub(super) fn answer(&mut self, first: &str, headers: &[(String, String)]) -> Option<Vec<u8>> {
        let header =
            |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default().to_owned());
        let credentials: Vec<(String, String)> = ["private-token", "job-token", "authorization", "cookie"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), header(name)?)))
            .collect();
        let agent = header("user-agent").unwrap_or_default();
        let is_look = method == "HEAD" && path.ends_with("/artifacts");
        let is_odd = !(method == "GET" || is_look)
            || credentials.len() > 1
            || !agent.starts_with("artigate/")
            || path.contains("..");
        if is_odd && !self.stands_behind_a_proxy {
            self.strange.push(format!("{first} {headers:?}"));
        }
        let credential = credentials.into_iter().next();
        self.calls.push(Call {
            path: if is_look { format!("{path} HEAD") } else { path.clone() },
            credential: credential.clone(),
            forwarded_for: header("x-forwarded-for"),
        });
        if let Some(failure) = self.failure.clone() {
            return failure.answer();
        }
        let below = self.fails_below.as_ref().map(|below| format!("/base/api/v4{below}"));
        if below.is_some_and(|below| path.starts_with(&below)) {
            return Some(response(414, "text/html", "", "<html>too long</html>"));
        }
        if path.ends_with("/artifacts") {
            return Some(self.archive(&path, credential.as_ref(), is_look));
        }
        let (status, body) = self.route(&path, credential.as_ref());
        if status == 301 {
            let location = format!("Location: {}\r\n", body.as_str().unwrap());
            return Some(response(301, "application/json", &location, "{}"));
        }
        let answer = response(status, "application/json", "", &body.to_string());
        let Some((left, reset)) = self.calls_left else { return Some(answer) };
        let limit = format!("RateLimit-Remaining: {left}\r\nRateLimit-Reset: {reset}");
        Some(String::from_utf8(answer).unwrap().replace("RateLimit-Remaining: 1990", &limit).into_bytes())
    }

    fn route(&mut self, path: &str, credential: Option<&(String, String)>) -> (u16, Value) {
        if path == "/base/oauth/token/info" {
            return match self.user_token(credential) {
                Some(StubToken::OAuth { user, scopes }) => {
                    (200, json!({"resource_owner_id": user, "scope": scopes, "expires_in": 7200}))
                }
                _ => (401, json!({"error": "invalid_token"})),
            };
        }
        let Some(rest) = path.strip_prefix("/base/api/v4/") else { return self.strange(path) };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let segments: Vec<&str> = rest.split('/').collect();
        match (&segments[..], query) {
            (["job"], "") => self.job(credential, false),
            (["job", "allowed_agents"], "") => self.job(credential, true),
            (["personal_access_tokens", "self"], "") => match self.user_token(credential) {
                Some(StubToken::Personal { user, scopes, expires_at }) => (
                    200,
                    json!({"id": 1, "name": "t", "revoked": false, "active": true, "scopes": scopes,
                           "user_id": user, "expires_at": expires_at}),
                ),
                Some(StubToken::OAuth { .. }) => (400, json!({"message": "400 Bad request"})),
                _ => unauthorized(),
            },
            (["user"], "") => match self.asker(credential) {
                Err(refused) => refused,
                Ok(None) => unauthorized(),
                Ok(Some(id)) => {
                    let user = self.users[&id].clone();
                    let mut json = json!({"id": id, "username": user.username, "state": "active"});
                    if user.admin {
                        json["is_admin"] = true.into();
                    }
                    (200, json)
                }
            },
            (["projects"], "membership=true&simple=true&per_page=1") => match self.asker(credential) {
                Ok(Some(id)) => {
                    let found = self.projects.iter().find(|(_, project)| project.members.contains_key(&id));
                    (200, found.map_or(json!([]), |(id, _)| json!([{"id": id}])))
                }
                _ => unauthorized(),
            },
            (["projects", project, rest @ ..], query) => self.project(project, rest, query, credential),
            _ => self.strange(path),
        }
    }

    pub(super) fn strange(&mut self, path: &str) -> (u16, Value) {
        if self.stands_behind_a_proxy {
            return (200, json!("gitlab"));
        }
        self.strange.push(path.to_owned());
        not_found()
    }

    pub(super) fn user_token(&self, credential: Option<&(String, String)>) -> Option<StubToken> {
        let (place, text) = credential?;
        let (text, is_private) = match (place.as_str(), text.strip_prefix("Bearer ")) {
            ("authorization", Some(text)) => (text, false),
            ("private-token", None) => (text.as_str(), true),
            _ => return None,
        };
        match self.tokens.get(text)? {
            StubToken::OAuth { .. } if is_private => None,
            StubToken::Job(_) => None,
            token => Some(token.clone()),
        }
    }

    pub(super) fn running_job(&self, credential: Option<&(String, String)>) -> Option<i64> {
        let (place, text) = credential?;
        match self.tokens.get(text)? {
            StubToken::Job(id) if place == "job-token" => {
                matches!(self.jobs[id].status, "running" | "canceling").then_some(*id)
            }
            _ => None,
        }
    }

    /// The user of a read, whose token needs the scope for it; nobody without a credential.
    pub(super) fn asker(&self, credential: Option<&(String, String)>) -> Result<Option<i64>, (u16, Value)> {
        if credential.is_none() {
            return Ok(None);
        }
        let (user, scopes) = match self.user_token(credential) {
            Some(StubToken::Personal { user, scopes, .. } | StubToken::OAuth { user, scopes }) => {
                (user, scopes)
            }
            Some(StubToken::Job(_)) | None => return Err(unauthorized()),
        };
        if scopes.iter().any(|scope| matches!(*scope, "api" | "read_api")) {
            Ok(Some(user))
        } else {
            Err((403, json!({"error": "insufficient_scope", "scope": "api read_api"})))
        }
    }

    pub(super) fn level(&self, project: &StubProject, user: i64) -> i64 {
        let is_admin = self.users.get(&user).is_some_and(|user| user.admin);
        let level = project.members.get(&user).and_then(Value::as_i64).unwrap_or(0);
        if is_admin { 50 } else { level }
    }

    /// Whether a user sees a project, and whether he may read its jobs.
    pub(super) fn reach(&self, project: &StubProject, user: Option<i64>) -> (bool, bool) {
        let level = user.map_or(0, |user| self.level(project, user));
        let sees = match project.visibility {
            "public" => true,
            "internal" => user.is_some(),
            _ => level >= 10,
        };
        (sees, sees && (project.public_jobs || level >= 20))
    }

    fn job(&mut self, credential: Option<&(String, String)>, roles: bool) -> (u16, Value) {
        let Some(id) = self.running_job(credential) else { return unauthorized() };
        let job = self.jobs[&id].clone();
        let pipeline = self.pipelines[&job.pipeline].clone();
        if !roles {
            return (200, self.job_json(id));
        }
        let project = &self.projects[&pipeline.project];
        let level = job.user.map_or(0, |user| self.level(project, user));
        let names = [
            (10, "guest"),
            (15, "planner"),
            (20, "reporter"),
            (30, "developer"),
            (40, "maintainer"),
            (50, "owner"),
        ];
        let names: Vec<&str> = names.iter().filter(|(at, _)| *at <= level).map(|(_, name)| *name).collect();
        let user = json!({"id": job.user, "username": "x", "roles_in_project": names});
        let project = json!({"id": pipeline.project, "groups": [{"id": 1}]});
        (
            200,
            json!({"job": {"id": id}, "pipeline": {"id": job.pipeline}, "project": project, "user": user,
                     "allowed_agents": []}),
        )
    }

    pub(super) fn job_json(&self, id: i64) -> Value {
        let job = &self.jobs[&id];
        let pipeline = &self.pipelines[&job.pipeline];
        let path = &self.projects[&pipeline.project].path;
        let user = job.user.map(|user| {
            json!({"id": user, "username": self.users[&user].username, "name": "N", "state": "active"})
        });
        json!({
            "id": id, "name": job.name, "stage": "test", "status": job.status, "allow_failure": false,
            "ref": pipeline.ref_name, "tag": false, "coverage": null,
            "created_at": "2026-02-01T11:59:00.000Z", "started_at": "2026-02-01T11:59:30.000Z",
            "finished_at": null, "user": user, "commit": null,
            "pipeline": self.pipeline_json(job.pipeline),
            "web_url": format!("{}/{path}/-/jobs/{id}", self.url),
            "project": {"ci_job_token_scope_enabled": false},
            "artifacts_file": job.archive.as_ref().map(|archive| {
                json!({"filename": "artifacts.zip", "size": archive.len()})
            }),
            "artifacts_expire_at": null
        })
    }

    fn pipeline_json(&self, id: i64) -> Value {
        let pipeline = &self.pipelines[&id];
        let path = &self.projects[&pipeline.project].path;
        json!({
            "id": id, "iid": id % 100, "project_id": pipeline.project, "sha": "a".repeat(40),
            "ref": pipeline.ref_name, "status": pipeline.status, "source": pipeline.source,
            "created_at": "2026-02-01T11:59:00.000Z", "updated_at": "2026-02-01T11:59:00.000Z",
            "web_url": format!("{}/{path}/-/pipelines/{id}", self.url)
        })
    }

    fn project(
        &mut self,
        named: &str,
        rest: &[&str],
        query: &str,
        credential: Option<&(String, String)>,
    ) -> (u16, Value) {
        let path = named.replace("%2F", "/");
        let by_path = || {
            let found = self.projects.iter().find(|(_, project)| project.path.eq_ignore_ascii_case(&path));
            found.map(|(id, _)| *id)
        };
        let Some(id) = named.parse().ok().or_else(by_path) else {
            let moved = self.moved.iter().find(|(old, _)| old.eq_ignore_ascii_case(&path));
            return match moved {
                Some((_, id)) => {
                    let rest: String = rest.iter().map(|segment| format!("/{segment}")).collect();
                    (301, format!("{}/api/v4/projects/{id}{rest}?{query}", self.url).into())
                }
                None => not_found(),
            };
        };
        let Some(project) = self.projects.get(&id).cloned() else { return not_found() };
        match (rest, query) {
            (["jobs"], "per_page=1") => self.jobs_of(id, &project, credential),
            (["pipelines"], "per_page=1") => {
                let asker = match self.asker(credential) {
                    Ok(asker) => asker,
                    Err(refused) => return refused,
                };
                match self.reach(&project, asker) {
                    (_, true) => {
                        let newest = self.pipelines.iter().rev().find(|(_, it)| it.project == id);
                        (200, newest.map_or(json!([]), |(id, _)| json!([self.pipeline_json(*id)])))
                    }
                    (true, false) => (403, json!({"message": "403 Forbidden"})),
                    (false, _) => not_found(),
                }
            }
            (["pipelines"], _) if query.ends_with("&status=success&order_by=id&sort=desc&per_page=20") => {
                let asker = match self.asker(credential) {
                    Ok(asker) if self.reach(&project, asker).1 => asker,
                    _ => return not_found(),
                };
                assert!(asker.is_some() || project.public_jobs);
                let named = query.strip_prefix("ref=").and_then(|rest| rest.split('&').next()).unwrap();
                let named = percent_encoding::percent_decode_str(named).decode_utf8().unwrap().into_owned();
                // As in GitLab, pipelines of merge requests from a branch of that name are among them.
                let is_of_ref = |it: &StubPipeline| {
                    it.ref_name == named || it.ref_name.starts_with("refs/merge-requests/")
                };
                let of_ref = |it: &&(i64, StubPipeline)| {
                    it.1.project == id
                        && it.1.status == "success"
                        && is_of_ref(&it.1)
                        && it.1.parent.is_none()
                };
                let all: Vec<_> = self.pipelines.iter().rev().map(|(id, it)| (*id, it.clone())).collect();
                (200, all.iter().filter(of_ref).map(|(id, _)| self.pipeline_json(*id)).collect())
            }
            (["pipelines", pipeline, "jobs"], query)
                if query == "per_page=100" || query.starts_with("per_page=100&page=") =>
            {
                let query = if query == "per_page=100" { "page=1" } else { query };
                let pipeline: i64 = pipeline.parse().unwrap();
                let of_it: Vec<i64> =
                    self.jobs.iter().filter(|(_, job)| job.pipeline == pipeline).map(|(id, _)| *id).collect();
                if self.may_list(&project, credential) {
                    (200, paged(of_it.into_iter().rev(), query).map(|id| self.job_json(id)).collect())
                } else {
                    not_found()
                }
            }
            (["pipelines", parent, "bridges"], "per_page=100") => {
                let parent: i64 = parent.parse().unwrap();
                match self.asker(credential) {
                    Ok(asker) if self.reach(&project, asker).1 => {
                        let children = self.pipelines.iter().filter(|(_, it)| it.parent == Some(parent));
                        let bridge = |(id, _): (&i64, _)| json!({"id": 1, "name": "b", "downstream_pipeline": self.pipeline_json(*id)});
                        (200, children.map(bridge).collect())
                    }
                    _ => unauthorized(),
                }
            }
            (["jobs", job], "") => self.job_of(id, &project, job, credential),
            (["jobs"], query) if query.starts_with("scope[]=success&scope[]=failed&scope[]=canceled") => {
                self.ended_jobs(id, &project, query, credential)
            }
            (["jobs"], query) if query.starts_with("scope[]=success&per_page=100&page=") => {
                if self.lists_no_successes_for_jobs && self.running_job(credential).is_some() {
                    return (403, json!({"message": "403 Forbidden"}));
                }
                if self.may_list(&project, credential) {
                    let succeeded = self.jobs.iter().rev().filter(|(_, job)| {
                        job.status == "success" && self.pipelines[&job.pipeline].project == id
                    });
                    (200, paged(succeeded, query).map(|(id, _)| self.job_json(*id)).collect())
                } else {
                    not_found()
                }
            }
            ([], "") => {
                let asker = match self.asker(credential) {
                    Ok(asker) => asker,
                    Err(refused) => return refused,
                };
                if !self.reach(&project, asker).0 {
                    return not_found();
                }
                let mut json = json!({"id": id, "path_with_namespace": project.path});
                if asker.is_some() {
                    json["visibility"] = project.visibility.into();
                    json["public_jobs"] = project.public_jobs.into();
                }
                (200, json)
            }
            (["members", "all", user], "") => {
                let asker = match self.asker(credential) {
                    Ok(Some(asker)) => asker,
                    Ok(None) => return unauthorized(),
                    Err(refused) => return refused,
                };
                let user: i64 = user.parse().unwrap();
                match project.members.get(&user) {
                    Some(level) if self.reach(&project, Some(asker)).0 => (
                        200,
                        json!({"id": user, "username": "x", "state": "active", "access_level": level,
                               "expires_at": null}),
                    ),
                    _ => not_found(),
                }
            }
            _ => self.strange(&format!("projects/{named}/{rest:?}?{query}")),
        }
    }

    /// Whether a user, or the user of a job, may list a project's jobs.
    pub(super) fn may_list(&self, project: &StubProject, credential: Option<&(String, String)>) -> bool {
        let user = match self.running_job(credential) {
            Some(job) => self.jobs[&job].user,
            None => match self.asker(credential) {
                Ok(asker) => asker,
                Err(_) => return false,
            },
        };
        self.reach(project, user).1
    }
}
