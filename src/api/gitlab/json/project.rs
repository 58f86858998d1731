//! Project JSON. There are no repositories, issues or groups here, and the JSON says so.

use serde::Serialize;

use crate::catalog::projects::ProjectDetails;
use crate::domain::Timestamp;
use crate::domain::role::Role;

/// A project, alone or in a list.
#[derive(Debug, Serialize)]
pub(in super::super) struct ProjectJson {
    id: i64,
    description: Option<String>,
    name: String,
    name_with_namespace: String,
    path: String,
    path_with_namespace: String,
    created_at: Timestamp,
    default_branch: Option<String>,
    tag_list: Vec<String>,
    topics: Vec<String>,
    ssh_url_to_repo: String,
    http_url_to_repo: String,
    web_url: String,
    readme_url: Option<String>,
    forks_count: i64,
    avatar_url: Option<String>,
    star_count: i64,
    last_activity_at: Timestamp,
    visibility: &'static str,
    namespace: Namespace,
    /// Absent from anonymous requests and from the simple form.
    #[serde(flatten)]
    inside: Option<MemberOnlyFields>,
}

#[derive(Debug, Serialize)]
struct MemberOnlyFields {
    #[serde(rename = "_links")]
    links: Links,
    archived: bool,
    empty_repo: bool,
    issues_enabled: bool,
    merge_requests_enabled: bool,
    wiki_enabled: bool,
    jobs_enabled: bool,
    snippets_enabled: bool,
    packages_enabled: bool,
    container_registry_enabled: bool,
    shared_runners_enabled: bool,
    lfs_enabled: bool,
    public_jobs: bool,
    keep_latest_artifact: bool,
    ci_job_token_scope_enabled: bool,
    builds_access_level: &'static str,
    permissions: Permissions,
}

#[derive(Debug, Serialize)]
struct Namespace {
    /// Groups have no IDs here.
    id: i64,
    name: String,
    path: String,
    kind: &'static str,
    full_path: String,
    parent_id: Option<i64>,
    avatar_url: Option<String>,
    web_url: String,
}

#[derive(Debug, Serialize)]
struct Links {
    #[serde(rename = "self")]
    this: String,
}

/// Permissions of the caller.
#[derive(Debug, Serialize)]
pub(in super::super) struct Permissions {
    project_access: Option<ProjectAccess>,
    group_access: Option<ProjectAccess>,
}

#[derive(Debug, Serialize)]
struct ProjectAccess {
    access_level: i64,
    notification_level: i64,
}

impl ProjectJson {
    /// Converts a project; `permissions` for a signed-in user who did not request the simple form.
    pub(in super::super) fn new(
        details: ProjectDetails,
        permissions: Option<Permissions>,
        base_url: &str,
    ) -> Self {
        let ProjectDetails { project, name, default_branch, created_at, uuid: _, max_storage_bytes: _ } =
            details;
        let (group, last) = project.path.rsplit_once('/').unwrap_or(("", &project.path));
        let web_url = format!("{base_url}/{}", project.path);
        Self {
            id: project.id,
            description: None,
            name_with_namespace: match group {
                "" => name.clone(),
                group => format!("{} / {name}", group.replace('/', " / ")),
            },
            name,
            path: last.to_owned(),
            created_at,
            default_branch,
            tag_list: Vec::new(),
            topics: Vec::new(),
            ssh_url_to_repo: format!("git@{}:{}.git", host(base_url), project.path),
            http_url_to_repo: format!("{web_url}.git"),
            readme_url: None,
            forks_count: 0,
            avatar_url: None,
            star_count: 0,
            last_activity_at: created_at,
            visibility: project.visibility.as_str(),
            namespace: Namespace::new(group, base_url),
            inside: permissions.map(|permissions| MemberOnlyFields {
                links: Links { this: format!("{base_url}/api/v4/projects/{}", project.id) },
                archived: false,
                empty_repo: true,
                issues_enabled: false,
                merge_requests_enabled: false,
                wiki_enabled: false,
                jobs_enabled: true,
                snippets_enabled: false,
                packages_enabled: false,
                container_registry_enabled: false,
                shared_runners_enabled: false,
                lfs_enabled: false,
                public_jobs: project.public_jobs,
                keep_latest_artifact: project.keep_latest_artifact,
                ci_job_token_scope_enabled: false,
                builds_access_level: "enabled",
                permissions,
            }),
            web_url,
            path_with_namespace: project.path,
        }
    }
}

/// Returns the host of a base URL, without its port: SSH would have another.
fn host(base_url: &str) -> &str {
    let behind = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    let authority = behind.split('/').next().unwrap_or_default();
    let end = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    &authority[..end]
}

impl Namespace {
    fn new(full_path: &str, base_url: &str) -> Self {
        let last = full_path.rsplit('/').next().unwrap_or(full_path);
        Self {
            id: 0,
            name: last.to_owned(),
            path: last.to_owned(),
            kind: "group",
            full_path: full_path.to_owned(),
            parent_id: None,
            avatar_url: None,
            web_url: format!("{base_url}/groups/{full_path}"),
        }
    }
}

impl Permissions {
    /// Returns the permissions of a member with this role, or of a non-member.
    pub(in super::super) fn of(role: Option<Role>) -> Self {
        let access_level = role.map(|role| match role {
            Role::Guest => 10,
            Role::Planner => 15,
            Role::Reporter => 20,
            Role::Developer => 30,
            Role::Maintainer => 40,
            Role::Owner => 50,
        });
        // The global notification level: this server notifies nobody.
        let access = |access_level| ProjectAccess { access_level, notification_level: 3 };
        Self { project_access: access_level.map(access), group_access: None }
    }
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn a_host_has_neither_scheme_nor_port_nor_path() {
        for (url, expected) in [
            ("http://127.0.0.1:8929", "127.0.0.1"),
            ("https://artifacts.example.com/ci", "artifacts.example.com"),
            ("https://[2001:db8::1]:8443/ci", "[2001:db8::1]"),
            ("https://[::1]", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(host(url), expected);
        }
    }
}
