//! Check: asks an upstream everything once, for an operator who has configured it.

use reqwest::header::{DATE, HeaderMap};
use secrecy::SecretString;
use serde_json::Value;

use super::ask::errand_of;
use super::question::{Asker, Place, ProjectKey};
use super::reply::Reply;
use super::route::Route;
use super::{Upstream, wire};
use crate::domain::project::ProjectRef;

/// Everything that was asked, and what the answers tell of the upstream.
#[derive(Debug, Default)]
pub struct Checked {
    /// A line for each question.
    pub lines: Vec<CheckLine>,
    /// How far the upstream's clock is ahead, in seconds.
    pub clock_ahead_seconds: Option<i64>,
    /// Calls that are left within the narrowest of the upstream's limits, by its name, of how many.
    pub rate_limit: Option<RateLimit>,
}

/// A limit of calls, as the upstream tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// Its name.
    pub name: String,
    /// Calls that are left.
    pub remaining: u64,
    /// Calls in all.
    pub limit: u64,
}

/// A question and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckLine {
    /// What is asked for.
    pub question: &'static str,
    /// What the answer is needed for.
    pub purpose: &'static str,
    /// What came.
    pub outcome: CheckOutcome,
}

/// An answer to a question of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckOutcome {
    /// It is answered; in a few words.
    Works(String),
    /// The token may not ask it, by the status.
    Refused(u16),
    /// There is no answer, and why.
    Fails(String),
}

impl Upstream {
    /// Asks everything once with a token: that of a running job, or a user's. `project` is the one to ask about; by
    /// default the first of the user's own, or the job's.
    pub async fn check(&self, token: &SecretString, project: Option<&ProjectRef>) -> Checked {
        let (upstream, token, project) = (self.clone(), token.clone(), project.cloned());
        let asking = self.0.client.spawn(async move {
            let mut checked = Checked::default();
            // Of the two places a personal token may stand in, this one takes tokens of OAuth, too.
            match Asker::with_token(Place::Bearer, &token) {
                Some(asker) => {
                    let mut check = Check { upstream: &upstream, asker: &asker, checked: &mut checked };
                    if asker.is_job() {
                        check.job(project.as_ref()).await;
                    } else {
                        check.user(project.as_ref()).await;
                    }
                }
                None => checked.lines.push(CheckLine {
                    question: "token",
                    purpose: "everything",
                    outcome: CheckOutcome::Fails("it is no token that is sent on".into()),
                }),
            }
            checked
        });
        asking.await.unwrap_or_default()
    }
}

struct Check<'a> {
    upstream: &'a Upstream,
    asker: &'a Asker,
    checked: &'a mut Checked,
}

impl Check<'_> {
    async fn job(&mut self, project: Option<&ProjectRef>) {
        let base = self.upstream.0.client.base().to_owned();
        let read = |json: &Value| {
            wire::job(json, &base).map(|job| format!("job {} of {}", job.id, job.project_path))
        };
        let job = self
            .ask("GET /job", "uploads", Route::Job, |json| read(json).map_err(|it| it.reason.into_owned()));
        let own = job.await.and_then(|json| json["pipeline"]["project_id"].as_i64());
        let roles = |json: &Value| {
            let words = json["user"]["roles_in_project"].as_array().cloned().unwrap_or_default();
            Ok(format!("roles {}", Value::Array(words)))
        };
        let purpose = "dependencies of the job's own project";
        self.ask("GET /job/allowed_agents", purpose, Route::AllowedAgents, roles).await;
        let project = project.and_then(ProjectKey::of).or(own.map(ProjectKey::Id));
        if let Some(project) = project {
            let purpose = "downloads of other projects by jobs";
            self.ask("GET /projects/:id/jobs", purpose, Route::Jobs(&project), count).await;
        }
    }

    async fn user(&mut self, project: Option<&ProjectRef>) {
        let scopes = |json: &Value| {
            let until = json["expires_at"].as_str().unwrap_or("never").to_owned();
            Ok(format!("scopes {}, expires {until}", json["scopes"]))
        };
        let purpose = "keep, delete and erase; private artifacts";
        let found = self.ask("GET /personal_access_tokens/self", purpose, Route::TokenSelf, scopes).await;
        let mut user_id = found.and_then(|json| json["user_id"].as_i64());
        if user_id.is_none() {
            let scopes = |json: &Value| Ok(format!("scopes {}", json["scope"]));
            let found = self.ask("GET /oauth/token/info", purpose, Route::TokenInfo, scopes).await;
            user_id = found.and_then(|json| json["resource_owner_id"].as_i64());
        }
        let name = |json: &Value| Ok(format!("user {}", json["username"]));
        self.ask("GET /user", "rights of administrators", Route::User, name).await;
        let mut project = project.and_then(ProjectKey::of);
        if project.is_none() {
            let found = self.ask("GET /projects", "this check", Route::Projects, count).await;
            project = found.and_then(|json| json[0]["id"].as_i64()).map(ProjectKey::Id);
        }
        let Some(project) = project else { return };
        self.ask("GET /projects/:id/pipelines", "downloads by users", Route::Pipelines(&project), count)
            .await;
        let path = |json: &Value| Ok(format!("project {}", json["path_with_namespace"]));
        let found = self.ask("GET /projects/:id", "projects by path", Route::Project(&project), path).await;
        let id = found.and_then(|json| json["id"].as_i64());
        if let (Some(id), Some(user_id)) = (id, user_id) {
            let level = |json: &Value| Ok(format!("level {}", json["access_level"]));
            let question = "GET /projects/:id/members/all/:user_id";
            self.ask(question, purpose, Route::Member(id, user_id), level).await;
        }
    }

    /// Asks, notes the line, and returns the JSON of an answer.
    async fn ask(
        &mut self,
        question: &'static str,
        purpose: &'static str,
        route: Route<'_>,
        shown: impl FnOnce(&Value) -> Result<String, String>,
    ) -> Option<Value> {
        let reply = self.upstream.0.client.get(errand_of(self.asker, self.upstream), route).await;
        let (outcome, json) = match reply {
            Ok(Reply { status: 200, json, headers, .. }) => {
                self.look_at(&headers);
                match shown(&json) {
                    Ok(text) => (CheckOutcome::Works(text), Some(json)),
                    Err(why) => (CheckOutcome::Fails(why), None),
                }
            }
            Ok(Reply { status, headers, .. }) => {
                self.look_at(&headers);
                (CheckOutcome::Refused(status), None)
            }
            Err(outage) => (CheckOutcome::Fails(outage.reason.into_owned()), None),
        };
        self.checked.lines.push(CheckLine { question, purpose, outcome });
        json
    }

    fn look_at(&mut self, headers: &HeaderMap) {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let date = text(DATE.as_str()).and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok());
        if let Some(date) = date {
            let now = self.upstream.0.clock.now().as_millis().div_euclid(1000);
            self.checked.clock_ahead_seconds = Some(date.timestamp() - now);
        }
        let number = |name: &str| text(name).and_then(|text| text.trim().parse::<u64>().ok());
        if let (Some(remaining), Some(limit)) = (number("ratelimit-remaining"), number("ratelimit-limit")) {
            let is_narrower =
                self.checked.rate_limit.as_ref().is_none_or(|known| remaining < known.remaining);
            if is_narrower {
                let name = text("ratelimit-name").unwrap_or("RateLimit").to_owned();
                self.checked.rate_limit = Some(RateLimit { name, remaining, limit });
            }
        }
    }
}

fn count(json: &Value) -> Result<String, String> {
    json.as_array()
        .map(|items| format!("{} of them", items.len()))
        .ok_or_else(|| "expected a list".to_owned())
}
