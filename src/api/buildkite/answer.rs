//! Answers of the REST API: JSON in two-space indentation, with the headers that Buildkite sends.

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use serde_json::json;

use super::error::ApiError;
use crate::access::Total;
use crate::domain::Error;
use crate::domain::scope::Scope;
use crate::http::context::RequestContext;
use crate::http::pagination::{BadNumbers, Page, PageHeaders, PageRules};
use crate::http::representation::{self, Representation};
use crate::yielding;

/// How the lists are paged.
const PAGE_RULES: PageRules = PageRules {
    default_size: 30,
    max_size: 100,
    bad_numbers: BadNumbers::Ignored,
    headers: PageHeaders::Link,
};

/// Methods that browsers may use from pages of other origins.
const METHODS: &str = "GET, POST, PUT, DELETE, OPTIONS";

/// Headers that such pages may read.
const EXPOSED: &str = "Link, Retry-After, X-Accepted-OAuth-Scopes, X-OAuth-Scopes, X-Request-Id";

/// The scopes of the token.
const X_OAUTH_SCOPES: HeaderName = HeaderName::from_static("x-oauth-scopes");

/// The page that a request asks for.
pub(super) fn page(ctx: &RequestContext) -> Page {
    // The rules ignore bad numbers, so there is no error.
    Page::from_query(&ctx.query, &PAGE_RULES).unwrap_or_else(|_| unreachable!())
}

/// Answers with a short JSON text.
pub(super) fn json(
    ctx: &RequestContext,
    response: HttpResponseBuilder,
    scope: Option<Scope>,
    body: &impl Serialize,
) -> Result<HttpResponse, ApiError> {
    let body = Representation::of(serde_json::to_vec_pretty(body).map_err(Error::internal)?);
    Ok(representation::answer(ctx, response, body, |response| describe(response, scope)))
}

/// Answers with a JSON text of about so many `bytes`; of a long one, value and text are made beside the other requests.
pub(super) async fn long<T: Serialize>(
    ctx: &RequestContext,
    response: HttpResponseBuilder,
    scope: Scope,
    bytes: usize,
    make: impl FnOnce() -> T + Send + 'static,
) -> Result<HttpResponse, ApiError> {
    let body = represent(ctx, bytes, make).await?;
    Ok(representation::answer(ctx, response, body, |response| describe(response, Some(scope))))
}

/// Answers with a page of a list, as [`long`] does.
pub(super) async fn list<T: Serialize>(
    ctx: &RequestContext,
    scope: Scope,
    (page, total): (Page, Total),
    bytes: usize,
    make: impl FnOnce() -> T + Send + 'static,
) -> Result<HttpResponse, ApiError> {
    let body = represent(ctx, bytes, make).await?;
    Ok(representation::answer(ctx, HttpResponse::Ok(), body, |response| {
        describe(response, Some(scope));
        page.write_headers(response, total, &ctx.url(), ctx.request.query_string());
    }))
}

async fn represent<T: Serialize>(
    ctx: &RequestContext,
    bytes: usize,
    make: impl FnOnce() -> T + Send + 'static,
) -> Result<Representation, ApiError> {
    let text = move || yielding::json(&make(), true).map_err(Error::internal);
    Ok(Representation::make(ctx, bytes, text).await?)
}

fn describe(response: &mut HttpResponseBuilder, scope: Option<Scope>) {
    response.insert_header((header::CACHE_CONTROL, "max-age=0, private, must-revalidate"));
    if let Some(scope) = scope {
        response.insert_header(("X-Accepted-OAuth-Scopes", scope.as_str()));
    }
}

/// Adds the headers of every answer, a refusal too.
pub(super) fn describe_every(ctx: &RequestContext, mut answer: HttpResponse) -> HttpResponse {
    let scopes = ctx.audit.inspect(|event| event.scopes);
    let scopes = scopes.and_then(|scopes| HeaderValue::try_from(scopes.join(",")).ok());
    let headers = answer.headers_mut();
    if let Some(scopes) = scopes {
        headers.insert(X_OAUTH_SCOPES, scopes);
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    answer
}

/// Answers `OPTIONS`, which browsers send before a request of another origin.
pub(super) fn options() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ALLOW, METHODS))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type"))
        .finish()
}

/// `GET /v2/`
pub(super) fn hello(ctx: &RequestContext) -> Result<HttpResponse, ApiError> {
    let seconds = ctx.now.as_millis() / 1000;
    json(ctx, HttpResponse::Ok(), None, &json!({ "message": "👋", "timestamp": seconds }))
}
