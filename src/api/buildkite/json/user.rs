//! JSON of a user.

use serde::Serialize;

use super::graphql_id;
use crate::catalog::users::UserDetails;
use crate::domain::Timestamp;

/// A user.
#[derive(Debug, Serialize)]
pub(in crate::api::buildkite) struct UserJson {
    id: String,
    graphql_id: String,
    name: String,
    email: Option<String>,
    avatar_url: Option<String>,
    created_at: Timestamp,
}

impl UserJson {
    pub(in crate::api::buildkite) fn new(user: &UserDetails) -> Self {
        Self {
            id: user.uuid.to_string(),
            graphql_id: graphql_id("User", user.uuid),
            name: user.name.clone(),
            email: user.email.clone(),
            avatar_url: None,
            created_at: user.created_at,
        }
    }
}
