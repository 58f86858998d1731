//! JSON of the REST API, with Buildkite's fields and their types.

pub(super) mod artifact;
pub(super) mod build;
pub(super) mod job;
pub(super) mod pipeline;
pub(super) mod user;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::domain::Uuid;

/// The ID of a thing in Buildkite's GraphQL API, which some clients pass on.
fn graphql_id(kind: &str, uuid: Uuid) -> String {
    BASE64_STANDARD.encode(format!("{kind}---{uuid}"))
}
