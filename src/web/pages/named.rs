//! Pages of names at the top of addresses: a project's, a group's, an organization's or a user's.

use actix_web::HttpResponse;
use askama::Template;

use super::{home, project};
use crate::access::Named;
use crate::web::error::PageError;
use crate::web::layout::{Layout, page};
use crate::web::visit::Visit;

#[derive(Template)]
#[template(path = "user.html")]
struct UserPage {
    layout: Layout,
    username: String,
}

/// `GET /GROUP/PROJECT`, `GET /GROUP`, `GET /USERNAME`
pub(in crate::web) async fn show(visit: &Visit<'_>, path: String) -> Result<HttpResponse, PageError> {
    match visit.access().named(&visit.reader, path.clone()).await? {
        Named::Project(own) => project::show(visit, &own).await,
        Named::Group(group) if group.eq_ignore_ascii_case(&path) => home::list(visit, Some(group)).await,
        Named::Group(group) => visit.redirect(&visit.address(&group)),
        Named::User(user) => {
            page(visit, &UserPage { layout: visit.layout(user.name, Vec::new()), username: user.username })
        }
    }
}
