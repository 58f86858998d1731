//! The JSON of an upstream's answers, read as far as it is of use. Servers of many versions answer: a field that is
//! not there is not known, and only what an answer cannot be without makes it a broken one.

use serde_json::Value;

use super::answer::{Outage, Standing, TokenFacts};
use crate::catalog::foreign::{ForeignJob, ForeignPipeline, ForeignUser, ListedForeignJob};
use crate::domain::Timestamp;
use crate::domain::pipeline::Source;
use crate::domain::project::is_valid_path;
use crate::domain::role::Role;
use crate::domain::scope::Scopes;
use crate::domain::status::Status;

/// The longest text that is taken over, in bytes.
const MAX_TEXT: usize = 1024;

fn broken(what: &'static str) -> Outage {
    Outage::new(format!("broken answer: {what}"))
}

fn id(json: &Value, what: &'static str) -> Result<i64, Outage> {
    json.as_i64().filter(|id| *id > 0).ok_or_else(|| broken(what))
}

fn text(json: &Value, what: &'static str) -> Result<String, Outage> {
    let text = json.as_str().filter(|text| text.len() <= MAX_TEXT && !text.contains('\0'));
    text.map(str::to_owned).ok_or_else(|| broken(what))
}

fn time(json: &Value) -> Option<Timestamp> {
    json.as_str().and_then(|text| Timestamp::parse(text).ok())
}

/// Reads the job of a token. Its status may be a word of a later release: the token is valid, so it runs.
pub(super) fn job(json: &Value, base: &str) -> Result<ForeignJob, Outage> {
    let job = known_job(json, base)?;
    // One that is not executing waits until its runner begins.
    let status = if job.status.is_executing() { job.status } else { Status::Running };
    Ok(ForeignJob { status, ..job })
}

/// Reads a job as it is.
pub(super) fn known_job(json: &Value, base: &str) -> Result<ForeignJob, Outage> {
    let job_id = id(&json["id"], "id of a job")?;
    let pipeline = &json["pipeline"];
    let status = |json: &Value| json.as_str().and_then(|word| word.parse().ok()).unwrap_or(Status::Running);
    let path = project_path(&json["web_url"], base, &format!("/-/jobs/{job_id}"));
    let project_path = path.ok_or_else(|| broken("web_url of a job is not below the upstream's url"))?;
    Ok(ForeignJob {
        id: job_id,
        name: text(&json["name"], "name of a job")?,
        stage: text(&json["stage"], "stage of a job").unwrap_or_else(|_| "test".to_owned()),
        status: status(&json["status"]),
        allow_failure: json["allow_failure"].as_bool().unwrap_or(false),
        created_at: time(&json["created_at"]),
        started_at: time(&json["started_at"]),
        finished_at: time(&json["finished_at"]),
        project_id: id(&pipeline["project_id"], "project_id of a pipeline")?,
        project_path,
        pipeline: ForeignPipeline {
            id: id(&pipeline["id"], "id of a pipeline")?,
            iid: pipeline["iid"].as_i64().filter(|iid| *iid > 0),
            ref_name: text(&pipeline["ref"], "ref of a pipeline").or_else(|_| text(&json["ref"], "ref"))?,
            tag: json["tag"].as_bool(),
            sha: text(&pipeline["sha"], "sha of a pipeline")?,
            status: status(&pipeline["status"]),
            source: pipeline["source"].as_str().and_then(|word| word.parse().ok()).unwrap_or(Source::Unknown),
            created_at: time(&pipeline["created_at"]),
            updated_at: time(&pipeline["updated_at"]),
        },
        user: user(&json["user"]),
    })
}

fn user(json: &Value) -> Option<ForeignUser> {
    let username = text(&json["username"], "username").ok().filter(|name| !name.is_empty())?;
    let name = text(&json["name"], "name").unwrap_or_else(|_| username.clone());
    Some(ForeignUser { id: id(&json["id"], "id of a user").ok()?, username, name })
}

/// Reads the rows of a list.
pub(super) fn rows(json: &Value) -> Result<&[Value], Outage> {
    json.as_array().map(Vec::as_slice).ok_or_else(|| broken("expected a list"))
}

/// Reads a pipeline of a project; another project's is a broken answer.
pub(super) fn pipeline(json: &Value, project_id: i64) -> Result<ForeignPipeline, Outage> {
    if json["project_id"].as_i64() != Some(project_id) {
        return Err(broken("another project's pipeline"));
    }
    Ok(ForeignPipeline {
        id: id(&json["id"], "id of a pipeline")?,
        iid: json["iid"].as_i64().filter(|iid| *iid > 0),
        ref_name: text(&json["ref"], "ref of a pipeline")?,
        tag: None,
        sha: text(&json["sha"], "sha of a pipeline")?,
        status: json["status"].as_str().and_then(|word| word.parse().ok()).unwrap_or(Status::Running),
        source: json["source"].as_str().and_then(|word| word.parse().ok()).unwrap_or(Source::Unknown),
        created_at: time(&json["created_at"]),
        updated_at: time(&json["updated_at"]),
    })
}

/// Reads a job in a list: its number, name, stage and status. One whose status is a word of a later release has not
/// succeeded.
pub(super) fn listed_job(json: &Value) -> Result<ListedForeignJob, Outage> {
    Ok(ListedForeignJob {
        id: id(&json["id"], "id of a job")?,
        name: text(&json["name"], "name of a job")?,
        stage: text(&json["stage"], "stage of a job").unwrap_or_else(|_| "test".to_owned()),
        status: json["status"].as_str().and_then(|word| word.parse().ok()).unwrap_or(Status::Running),
        finished_at: time(&json["finished_at"]),
    })
}

/// Returns the full path of the project of a page: what stands between the upstream's address and `end`.
fn project_path(web_url: &Value, base: &str, end: &str) -> Option<String> {
    let path = web_url.as_str()?.strip_prefix(base)?.strip_prefix('/')?.strip_suffix(end)?;
    is_valid_path(path).then(|| path.to_owned())
}

/// Reads when the archive of a job expires, if it does.
pub(super) fn archive_expiry(json: &Value) -> Option<Timestamp> {
    time(&json["artifacts_expire_at"])
}

/// Reads a job of a list that may have an archive.
pub(super) fn listed_archive(json: &Value, base: &str) -> Result<super::ListedArchive, Outage> {
    Ok(super::ListedArchive {
        job: std::sync::Arc::new(known_job(json, base)?),
        expire_at: archive_expiry(json),
        has_archive: json["artifacts_file"].is_object(),
    })
}

/// Reads the first of a project's pipelines, or jobs with their pipelines: the number of the project, and its path if
/// it is told. `None` for an empty list.
pub(super) fn first_of_project(json: &Value, base: &str) -> Result<Option<(i64, Option<String>)>, Outage> {
    let items = json.as_array().ok_or_else(|| broken("expected a list"))?;
    let Some(first) = items.first() else { return Ok(None) };
    let number = first["id"].as_i64().unwrap_or_default();
    let (pipeline, page) = match &first["pipeline"] {
        Value::Null => (first, format!("/-/pipelines/{number}")),
        pipeline => (pipeline, format!("/-/jobs/{number}")),
    };
    let project_id = id(&pipeline["project_id"], "project_id of a pipeline")?;
    Ok(Some((project_id, project_path(&first["web_url"], base, &page))))
}

/// Reads the number and the full path of a project.
pub(super) fn project(json: &Value) -> Result<(i64, Option<String>), Outage> {
    let path = json["path_with_namespace"].as_str().filter(|path| is_valid_path(path));
    Ok((id(&json["id"], "id of a project")?, path.map(str::to_owned)))
}

/// Whether a project is told to be private.
pub(super) fn is_private(json: &Value) -> bool {
    json["visibility"] == "private"
}

/// Reads a personal token. Its last day is the one before `expires_at`.
pub(super) fn personal_token(json: &Value) -> Result<TokenFacts, Outage> {
    let expires_at = match &json["expires_at"] {
        Value::Null => None,
        date => Some(time(date).ok_or_else(|| broken("expires_at of a token"))?),
    };
    Ok(TokenFacts {
        user_id: id(&json["user_id"], "user_id of a token")?,
        scopes: scopes(&json["scopes"])?,
        expires_at,
    })
}

/// Reads a token of OAuth, whose end is so many seconds from `now`.
pub(super) fn oauth_token(json: &Value, now: Timestamp) -> Result<TokenFacts, Outage> {
    let seconds = json["expires_in"].as_u64();
    Ok(TokenFacts {
        user_id: id(&json["resource_owner_id"], "resource_owner_id of a token")?,
        scopes: scopes(&json["scope"])?,
        expires_at: seconds.and_then(|seconds| now.plus_seconds(seconds)),
    })
}

fn scopes(json: &Value) -> Result<Scopes, Outage> {
    let words = json.as_array().ok_or_else(|| broken("scopes of a token"))?;
    let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
    // What only this server gives is not an upstream's to give.
    let known = Scopes::parse_known(&words.join(" "));
    Ok(known.iter().filter(|scope| Scopes::OF_UPSTREAM.intersects(Scopes::of(&[*scope]))).collect())
}

/// Reads a membership. What is not an active member's level is no right.
pub(super) fn member(json: &Value, user_id: i64) -> Standing {
    let is_active = json["state"].as_str().is_none_or(|state| state == "active");
    let is_same = json["id"].as_i64() == Some(user_id);
    let role = json["access_level"].as_i64().and_then(role).filter(|_| is_active && is_same);
    Standing { user_id: Some(user_id), role, admin: false }
}

fn role(level: i64) -> Option<Role> {
    match level {
        50.. => Some(Role::Owner),
        40.. => Some(Role::Maintainer),
        30.. => Some(Role::Developer),
        20.. => Some(Role::Reporter),
        15.. => Some(Role::Planner),
        10.. => Some(Role::Guest),
        _ => None,
    }
}

/// Reads the highest role of a job's user in the job's own project.
pub(super) fn roles_of_job(json: &Value, project_id: i64) -> Result<Standing, Outage> {
    if json["project"]["id"].as_i64() != Some(project_id) {
        return Err(broken("another project than the job's"));
    }
    let roles = json["user"]["roles_in_project"].as_array().map(Vec::as_slice).unwrap_or_default();
    let role = roles.iter().filter_map(|word| word.as_str()?.parse::<Role>().ok()).max();
    Ok(Standing { user_id: json["user"]["id"].as_i64(), role, admin: false })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BASE: &str = "https://gitlab.example.com/base";

    #[test]
    fn a_page_names_a_project_only_below_the_upstream_and_by_a_path_that_can_be_one() {
        let path = |url: &str| project_path(&json!(url), BASE, "/-/jobs/5");
        assert_eq!(path("https://gitlab.example.com/base/g/s/p/-/jobs/5").as_deref(), Some("g/s/p"));
        for url in [
            "https://gitlab.example.com/base/g/p/-/jobs/55",
            "https://gitlab.example.com/g/p/-/jobs/5",
            "https://gitlab.example.com/basement/g/p/-/jobs/5",
            "https://evil.example.com/base/g/p/-/jobs/5",
            "https://gitlab.example.com/base/../p/-/jobs/5",
            "https://gitlab.example.com/base/g%2Fp/-/jobs/5",
            "https://gitlab.example.com/base//-/jobs/5",
            "https://gitlab.example.com/base/-/-/jobs/5",
        ] {
            assert_eq!(path(url), None, "{url}");
        }
    }

    #[test]
    fn only_an_active_members_level_is_a_right() {
        let role = |json: Value| member(&json, 7).role;
        assert_eq!(role(json!({"id": 7, "access_level": 30, "state": "active"})), Some(Role::Developer));
        assert_eq!(role(json!({"id": 7, "access_level": 60})), Some(Role::Owner));
        assert_eq!(role(json!({"id": 7, "access_level": 15})), Some(Role::Planner));
        for json in [
            json!({"id": 7, "access_level": 5}),
            json!({"id": 7, "access_level": "40"}),
            json!({"id": 7, "access_level": 40, "state": "awaiting"}),
            json!({"id": 8, "access_level": 40}),
            json!({"access_level": 40}),
            json!([]),
        ] {
            assert_eq!(role(json.clone()), None, "{json}");
        }
    }

    #[test]
    fn a_scope_that_only_this_server_gives_is_not_taken_from_an_upstream() {
        let facts = personal_token(&json!({"user_id": 1, "scopes": ["api", "registry", "later"]})).unwrap();
        assert_eq!(facts.scopes, Scopes::WRITE);
        assert!(personal_token(&json!({"user_id": 1, "scopes": "api"})).is_err());
        assert!(personal_token(&json!({"user_id": 1, "scopes": [], "expires_at": 5})).is_err());
    }
}
