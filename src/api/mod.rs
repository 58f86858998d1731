//! Dialects: the artifact APIs of CI vendors. Each only translates into the modules below; none uses another.

pub mod audience;
pub mod buildkite;
pub mod github;
pub mod gitlab;
mod health;
pub mod hooks;
pub mod links;
pub mod registry;

use actix_web::web::{self, ServiceConfig};

/// Mounts every dialect, and GitLab's response to unknown routes.
pub fn routes(config: &mut ServiceConfig) {
    health::mount(config);
    audience::mount(config);
    hooks::mount(config);
    links::mount(config);
    registry::mount(config);
    buildkite::mount(config);
    github::mount(config);
    gitlab::mount(config);
}

/// Mounts the health endpoints, and a 503 for everything else, for spare connections.
pub fn routes_without_room(config: &mut ServiceConfig) {
    health::mount(config);
    config.default_service(web::to(health::no_room));
}
