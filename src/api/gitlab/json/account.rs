//! Account JSON: users, as others and as they themselves see them; their tokens; the server.

use serde::Serialize;

use crate::catalog::tokens::TokenDetails;
use crate::catalog::users::UserDetails;
use crate::catalog::users::UserView;
use crate::domain::Timestamp;

/// GitLab release of these responses; clients decide by it which features to use.
const GITLAB_VERSION: &str = "18.10.0";

/// Replaces the commit that GitLab was built from.
const REVISION: &str = concat!("artigate-", env!("CARGO_PKG_VERSION"));

/// A user, as jobs show theirs.
#[derive(Debug, Serialize)]
pub(super) struct UserJson {
    id: i64,
    username: String,
    name: String,
    state: &'static str,
    locked: bool,
    avatar_url: Option<String>,
    web_url: String,
    created_at: Timestamp,
    bio: &'static str,
    location: &'static str,
    public_email: Option<String>,
}

/// A user, as pipelines show theirs.
#[derive(Debug, Serialize)]
pub(super) struct UserBasic {
    id: i64,
    username: String,
    public_email: Option<String>,
    name: String,
    state: &'static str,
    locked: bool,
    avatar_url: Option<String>,
    web_url: String,
}

/// The current user.
#[derive(Debug, Serialize)]
pub(in super::super) struct CurrentUser {
    #[serde(flatten)]
    user: UserJson,
    /// Empty if unknown: GitLab always has a text here.
    email: String,
    commit_email: String,
    two_factor_enabled: bool,
    external: bool,
    private_profile: bool,
    can_create_group: bool,
    can_create_project: bool,
    projects_limit: i64,
    identities: Vec<String>,
    /// GitLab has the key only for administrators.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_admin: Option<bool>,
}

/// The token of the request.
#[derive(Debug, Serialize)]
pub(in super::super) struct PersonalAccessToken {
    id: i64,
    name: String,
    revoked: bool,
    created_at: Timestamp,
    description: Option<String>,
    scopes: Vec<String>,
    user_id: i64,
    last_used_at: Option<Timestamp>,
    active: bool,
    /// A date (00:00 UTC), from which on the token is not valid.
    expires_at: Option<String>,
}

/// `GET /version`
#[derive(Debug, Serialize)]
pub(in super::super) struct Version {
    version: &'static str,
    revision: &'static str,
}

/// `GET /metadata`
#[derive(Debug, Serialize)]
pub(in super::super) struct Metadata {
    #[serde(flatten)]
    version: Version,
    kas: AgentServer,
    enterprise: bool,
}

/// GitLab's server for cluster agents: there is none.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct AgentServer {
    enabled: bool,
    external_url: Option<String>,
    external_k8s_proxy_url: Option<String>,
    version: Option<String>,
}

impl UserJson {
    pub(super) fn new(user: UserView, base_url: &str) -> Self {
        Self {
            id: user.id,
            web_url: format!("{base_url}/{}", user.username),
            username: user.username,
            name: user.name,
            state: "active",
            locked: false,
            avatar_url: None,
            created_at: user.created_at,
            bio: "",
            location: "",
            public_email: None,
        }
    }
}

impl UserBasic {
    pub(super) fn new(user: UserView, base_url: &str) -> Self {
        let UserJson { id, username, name, state, locked, avatar_url, web_url, public_email, .. } =
            UserJson::new(user, base_url);
        Self { id, username, public_email, name, state, locked, avatar_url, web_url }
    }
}

impl CurrentUser {
    pub(in super::super) fn new(user: UserDetails, base_url: &str) -> Self {
        let UserDetails { id, uuid, username, name, email, admin, created_at } = user;
        let email = email.unwrap_or_default();
        Self {
            user: UserJson::new(UserView { id, uuid, username, name, created_at }, base_url),
            commit_email: email.clone(),
            email,
            two_factor_enabled: false,
            external: false,
            private_profile: false,
            can_create_group: false,
            can_create_project: false,
            projects_limit: 0,
            identities: Vec::new(),
            is_admin: admin.then_some(true),
        }
    }
}

impl PersonalAccessToken {
    /// Converts a token that was just accepted.
    pub(in super::super) fn new(token: TokenDetails, user_id: i64) -> Self {
        Self {
            id: token.id,
            name: token.name,
            revoked: token.revoked,
            created_at: token.created_at,
            description: None,
            scopes: token.scopes.split_whitespace().map(str::to_owned).collect(),
            user_id,
            last_used_at: None,
            active: true,
            expires_at: token.expires_at.map(|time| time.to_string().chars().take(10).collect()),
        }
    }
}

impl Version {
    pub(in super::super) fn ours() -> Self {
        Self { version: GITLAB_VERSION, revision: REVISION }
    }
}

impl Metadata {
    pub(in super::super) fn ours() -> Self {
        Self { version: Version::ours(), kas: AgentServer::default(), enterprise: false }
    }
}
