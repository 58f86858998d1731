//! Visit: a person's request for a page, with what every page needs of it.

use actix_web::HttpResponse;
use actix_web::http::header;

use super::address::{Project, encoded};
use super::error::PageError;
use super::layout::{Crumb, Layout};
use super::{assets, credentials, headers, return_address};
use crate::access::{Access, Principal};
use crate::catalog::slice::Slice;
use crate::domain::Timestamp;
use crate::http::context::RequestContext;
use crate::http::pagination::address;

/// The largest page number: later ones would only make the database count.
const MOST_PAGES: usize = 10_000;

/// A person's request for a page.
pub(super) struct Visit<'a> {
    pub(super) ctx: &'a RequestContext,
    /// The path under which the pages are mounted, without a slash at its end.
    pub(super) root: String,
    /// Who reads.
    pub(super) reader: Principal,
}

impl<'a> Visit<'a> {
    pub(super) fn of(ctx: &'a RequestContext) -> Self {
        Self { ctx, root: root_of(&ctx.base_url()).to_owned(), reader: credentials::reader(ctx) }
    }

    pub(super) fn access(&self) -> &Access {
        self.ctx.access()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.ctx.now
    }

    /// Who changes something.
    pub(super) fn writer(&self) -> Principal {
        credentials::writer(self.ctx)
    }

    /// Whether the request brings any credential, so that the page is for its owner alone.
    pub(super) fn is_signed_in(&self) -> bool {
        !self.reader.credentials.list.is_empty()
    }

    /// The address of a group or project.
    pub(super) fn address(&self, path: &str) -> String {
        format!("{}/{}", self.root, encoded(path))
    }

    /// The addresses of a project's pages.
    pub(super) fn project(&self, path: &str) -> Project {
        Project::new(&self.root, path)
    }

    /// The frame of a page with this title, below the pages of `crumbs`.
    pub(super) fn layout(&self, title: impl Into<String>, crumbs: Vec<Crumb>) -> Layout {
        let mut layout = Layout::new(self.root.clone(), title.into(), crumbs);
        let session = self.ctx.session.get();
        layout.person = session.map(|session| session.username().to_owned());
        let is_admin = session.is_some_and(|session| session.is_of_administrator());
        layout.operate = is_admin.then(|| format!("{}/-/operate", self.root));
        // A client with a token is somebody, too.
        layout.sign_in = (!self.is_signed_in()).then(|| self.sign_in());
        layout
    }

    /// The address of the sign-in page, which leads back to this page.
    pub(super) fn sign_in(&self) -> String {
        return_address::of_sign_in(&self.root, &self.own())
    }

    /// This address; after a change, which cannot be opened, that of a page of the same thing.
    fn own(&self) -> String {
        let uri = self.ctx.request.uri();
        let to = uri.path_and_query().map_or(uri.path(), |both| both.as_str());
        let to = if self.ctx.request.method().is_safe() {
            to
        } else {
            let path = uri.path();
            path.strip_suffix("/artifacts/keep").or_else(|| path.strip_suffix("/sweep")).unwrap_or(to)
        };
        format!("{}{to}", self.root)
    }

    /// Makes a whole URL of an address of this server, which a person can hand on.
    pub(super) fn url(&self, address: &str) -> String {
        let base = self.ctx.base_url();
        let origin = base.strip_suffix(self.root.as_str()).unwrap_or(&base);
        format!("{}{address}", origin.trim_end_matches('/'))
    }

    /// The whole URL of this page, with its query, in which no credential is left.
    pub(super) fn own_url(&self) -> String {
        let path = format!("{}{}", self.root, self.ctx.request.uri().path());
        self.url(&address(&path, self.ctx.request.query_string(), &["done"], ""))
    }

    /// A parameter of the query; `None` if it is empty.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.ctx.query.get_filled(name)
    }

    /// The number of the page in the query, from 1 on; a bad one counts as 1.
    pub(super) fn page_number(&self) -> usize {
        self.query("page").and_then(|text| text.parse().ok()).unwrap_or(1).clamp(1, MOST_PAGES)
    }

    /// The part of a list that is shown, of so many items a page.
    pub(super) fn slice(&self, size: usize) -> Slice {
        let offset = (self.page_number() - 1) * size;
        Slice {
            offset: i64::try_from(offset).unwrap_or(i64::MAX),
            limit: i64::try_from(size).unwrap_or(i64::MAX),
        }
    }

    /// This address with `name` set to `value` and all other filters as they are; on the first page unless `name` is
    /// `page`.
    pub(super) fn with(&self, name: &str, value: &str) -> String {
        let pair = if value.is_empty() {
            String::new()
        } else {
            form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
        };
        let path = format!("{}{}", self.root, self.ctx.request.uri().path());
        address(&path, self.ctx.request.query_string(), &[name, "page", "done"], &pair)
    }

    /// Another address with the query of this one.
    pub(super) fn with_path(&self, other: &str) -> String {
        let path = other.split('?').next().unwrap_or(other);
        address(path, self.ctx.request.query_string(), &[], "")
    }

    /// Sends a person on to another page.
    pub(super) fn redirect(&self, to: &str) -> Result<HttpResponse, PageError> {
        let mut answer = HttpResponse::Found();
        headers::describe(&mut answer, self.is_signed_in());
        Ok(answer.insert_header((header::LOCATION, to)).finish())
    }

    /// Sends a person on after a change.
    pub(super) fn see_other(&self, to: &str) -> Result<HttpResponse, PageError> {
        let mut answer = HttpResponse::SeeOther();
        headers::describe(&mut answer, true);
        Ok(answer.insert_header((header::LOCATION, to)).finish())
    }
}

/// Returns the path of a base URL, without a slash at its end.
pub(super) fn root_of(base_url: &str) -> &str {
    let behind = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    behind.find('/').map_or("", |at| behind[at..].trim_end_matches('/'))
}

/// The addresses of style sheet and icon below a root.
pub(super) fn asset_addresses(root: &str) -> (String, String) {
    (format!("{root}{}", assets::style_path()), format!("{root}{}", assets::icon_path()))
}

#[cfg(test)]
mod tests {
    use super::root_of;

    #[test]
    fn a_root_is_the_path_below_which_pages_are_mounted() {
        for (url, root) in [
            ("http://127.0.0.1:8929", ""),
            ("https://ci.example.com/", ""),
            ("https://ci.example.com/artifacts", "/artifacts"),
            ("https://ci.example.com/a/b/", "/a/b"),
        ] {
            assert_eq!(root_of(url), root);
        }
    }
}
