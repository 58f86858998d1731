//! Answers of the REST API: JSON in two-space indentation, with the headers that Buildkite sends.

use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use serde_json::json;

use super::error::ApiError;
use crate::access::Total;
use crate::domain::Error;
use crate::domain::scope::Scope;
use crate::http::context::RequestContext;
use crate::http::pagination::{BadNumbers, Page, PageHeaders, PageRules};
use crate::http::representation;

/// How the lists are paged.
const PAGE_RULES: PageRules = PageRules {
    default_size: 30,
    max_size: 100,
    bad_numbers: BadNumbers::Ignored,
    headers: PageHeaders::Link,
};

/// Methods that browsers may use from pages of other origins.
const METHODS: &str = "GET, POST, PUT, DELETE, OPTIONS";

/// The page that a request asks for.
pub(super) fn page(ctx: &RequestContext) -> Page {
    // The rules ignore bad numbers, so there is no error.
    Page::from_query(&ctx.query, &PAGE_RULES).unwrap_or_else(|_| unreachable!())
}

/// Answers with JSON.
pub(super) fn json(
    ctx: &RequestContext,
    response: HttpResponseBuilder,
    scope: Option<Scope>,
    body: &impl Serialize,
) -> Result<HttpResponse, ApiError> {
    let body = serde_json::to_vec_pretty(body).map_err(Error::internal)?;
    Ok(representation::answer(ctx, response, body, |response| describe(response, scope)))
}

/// Answers with a page of a list.
pub(super) fn list(
    ctx: &RequestContext,
    scope: Scope,
    body: &impl Serialize,
    page: Page,
    total: Total,
) -> Result<HttpResponse, ApiError> {
    let body = serde_json::to_vec_pretty(body).map_err(Error::internal)?;
    Ok(representation::answer(ctx, HttpResponse::Ok(), body, |response| {
        describe(response, Some(scope));
        page.write_headers(response, total, &ctx.url(), ctx.request.query_string());
    }))
}

fn describe(response: &mut HttpResponseBuilder, scope: Option<Scope>) {
    response.insert_header((header::CACHE_CONTROL, "max-age=0, private, must-revalidate"));
    if let Some(scope) = scope {
        response.insert_header(("X-Accepted-OAuth-Scopes", scope.as_str()));
    }
    of_every_origin(response);
}

fn of_every_origin(response: &mut HttpResponseBuilder) {
    response
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
        .insert_header((header::ACCESS_CONTROL_EXPOSE_HEADERS, "Link, Retry-After, X-Accepted-OAuth-Scopes"));
}

/// Answers `OPTIONS`, which browsers send before a request of another origin.
pub(super) fn options() -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    of_every_origin(&mut response);
    response
        .insert_header((header::ALLOW, METHODS))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type"))
        .finish()
}

/// `GET /v2/`
pub(super) fn hello(ctx: &RequestContext) -> Result<HttpResponse, ApiError> {
    let seconds = ctx.now.as_millis() / 1000;
    json(ctx, HttpResponse::Ok(), None, &json!({ "message": "👋", "timestamp": seconds }))
}
