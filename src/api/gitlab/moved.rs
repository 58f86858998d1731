//! Moved projects: a request by a path where a project was is answered with where it is, as GitLab does.

use actix_web::HttpResponse;
use actix_web::http::{Method, header};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::{PREFIX, below_prefix};
use crate::http::context::RequestContext;

/// A project that is not where a request looks for it.
#[derive(Debug)]
pub(super) struct MovedProject {
    id: i64,
    from: String,
    pub(super) to: String,
    /// Where the client finds what it asks for; `None` for a change, which is not repeated elsewhere.
    location: Option<String>,
}

impl MovedProject {
    pub(super) fn new(id: i64, from: String, to: String) -> Self {
        Self { id, from, to, location: None }
    }

    /// Adds where the client finds what it asks for.
    pub(super) fn of_request(self, ctx: &RequestContext) -> Self {
        let reads = matches!(*ctx.request.method(), Method::GET | Method::HEAD);
        let path = self.path(ctx.request.uri().path()).filter(|_| reads);
        let query = ctx.request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        Self { location: path.map(|path| format!("{}{path}{query}", ctx.base_url())), ..self }
    }

    /// Returns the path that a path of a request is now: in the API by the project's number, in a browser by its new path.
    fn path(&self, path: &str) -> Option<String> {
        match below_prefix(path) {
            Some(below) => {
                let rest = behind(below.strip_prefix("/projects/")?, &self.from)?;
                Some(format!("{PREFIX}/projects/{}{rest}", self.id))
            }
            None => Some(format!("/{}{}", self.to, behind(path.strip_prefix('/')?, &self.from)?)),
        }
    }

    pub(super) fn render(self) -> HttpResponse {
        match self.location {
            Some(location) => HttpResponse::MovedPermanently()
                .insert_header((header::LOCATION, location))
                .json(json!({ "message": "301 Moved Permanently" })),
            None => HttpResponse::MethodNotAllowed()
                .json(json!({ "message": "Non GET methods are not allowed for moved projects" })),
        }
    }
}

/// Returns what of a raw path is behind a project's path, whose slashes may be encoded.
fn behind<'a>(raw: &'a str, project: &str) -> Option<&'a str> {
    let ends = raw.match_indices('/').map(|(at, _)| at).chain([raw.len()]);
    ends.map(|end| raw.split_at(end)).find_map(|(head, rest)| {
        let is_it =
            percent_decode_str(head).decode_utf8().is_ok_and(|head| head.eq_ignore_ascii_case(project));
        is_it.then_some(rest)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_is_rewritten_whether_its_slashes_are_encoded_or_not() {
        let moved = MovedProject::new(7, "Group/Old".into(), "other/new".into());
        for (path, expected) in [
            ("/api/v4/projects/group%2Fold/jobs/1/artifacts", Some("/api/v4/projects/7/jobs/1/artifacts")),
            ("/api/v4/projects/group/old/jobs/1", Some("/api/v4/projects/7/jobs/1")),
            ("/api/v4/projects/group%2fold", Some("/api/v4/projects/7")),
            (
                "/group/old/-/jobs/1/artifacts/raw/group/old",
                Some("/other/new/-/jobs/1/artifacts/raw/group/old"),
            ),
            ("/api/v4/projects/group%2Folder/jobs", None),
            ("/api/v4/jobs/1", None),
        ] {
            assert_eq!(moved.path(path).as_deref(), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_path_is_rewritten_or_not(path in "/?(api/v4/)?[a-z0-9%/.-]{0,30}") {
            let _ = MovedProject::new(7, "a/b".into(), "c".into()).path(&path);
        }
    }
}
