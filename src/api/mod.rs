//! Dialects: the artifact APIs of CI vendors, each a translation into the rooms below and nothing
//! else. They never use one another.

pub mod gitlab;
mod health;
pub mod registry;

use actix_web::web::{self, ServiceConfig};

/// Mounts every dialect, and GitLab's answer for whatever is none of theirs.
pub fn routes(config: &mut ServiceConfig) {
    health::mount(config);
    registry::mount(config);
    gitlab::mount(config);
}

/// Mounts what tells whether the server is well, and a 503 for everything else: for connections beyond those that
/// there is room for.
pub fn routes_without_room(config: &mut ServiceConfig) {
    health::mount(config);
    config.default_service(web::to(health::no_room));
}
