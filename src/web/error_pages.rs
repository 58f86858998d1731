//! Errors of dialects as pages: what a browser opens and cannot have is told to a person, not to a program.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION, TRANSFER_ENCODING, VARY};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpResponse};

use super::layout::HTML;
use super::visit::root_of;
use super::{error, headers, navigation, return_address};
use crate::app::App;
use crate::http::request_log::RequestId;
use crate::http::{base_url, session};

/// Prefixes of addresses whose errors are for programs, whoever opens them.
const FOR_PROGRAMS: &[&str] = &["/api/", "/v2", "/v3", "/twirp/", "/_apis/", "/repos/", "/repositories/"];

/// Puts a page in the place of an error's JSON, if a browser navigates to an address that is no API's.
///
/// # Errors
/// Those of the inner handlers.
pub async fn error_pages(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let is_wanted = wants_pages(&request);
    let response = next.call(request).await?.map_into_boxed_body();
    let status = response.status();
    let is_json =
        response.headers().get(CONTENT_TYPE).is_some_and(|it| it.as_bytes().starts_with(b"application/json"));
    if !is_wanted || !is_json || !(status.is_client_error() || status.is_server_error()) {
        return Ok(response);
    }
    let request = response.request();
    if session::asks_to_sign_in(request) {
        return Ok(to_sign_in(response));
    }
    let root = request.app_data::<Data<App>>().map(|app| base_url::of(request, &app.settings));
    let root = root.as_deref().map_or("", root_of).to_owned();
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    Ok(response.map_body(|head, _| {
        for (name, value) in headers::of_page(true).into_iter().filter(|(name, _)| *name != VARY) {
            head.headers.insert(name, HeaderValue::from_static(value));
        }
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
        BoxBody::new(error::html_of_status(root, status, id))
    }))
}

/// Sends a person to the sign-in page, which leads back.
fn to_sign_in(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let request = response.request();
    let base_url = request.app_data::<Data<App>>().map(|app| base_url::of(request, &app.settings));
    let root = base_url.as_deref().map_or("", root_of);
    let uri = request.uri();
    let own = uri.path_and_query().map_or(uri.path(), |both| both.as_str());
    let mut answer = HttpResponse::Found();
    headers::describe(&mut answer, true);
    answer.insert_header((LOCATION, return_address::of_sign_in(root, &format!("{root}{own}"))));
    response.into_response(answer.finish())
}

/// Whether a browser opens an address that is no API's. A body of a request is read behind the answer that it gets, so
/// such an answer stays as it is.
fn wants_pages(request: &ServiceRequest) -> bool {
    let (headers, path) = (request.headers(), request.path());
    matches!(*request.method(), Method::GET | Method::HEAD)
        && navigation::is_navigation(headers)
        && !headers.contains_key(TRANSFER_ENCODING)
        && headers.get(CONTENT_LENGTH).is_none_or(|length| length.as_bytes() == b"0")
        && !FOR_PROGRAMS.iter().any(|prefix| path.starts_with(prefix))
}
