//! Assets: the style sheet, the icon and the shim of reports, in the program itself. Their addresses hold a digest, so browsers keep them for
//! ever and a new release has new ones.

use std::sync::LazyLock;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::web::{self, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde_json::json;

use super::headers::CROSS_ORIGIN_RESOURCE_POLICY;
use crate::domain::Sha256Digest;
use crate::http::measured::Measured;

const STYLE: &str = include_str!("assets/style.css");
const ICON: &str = include_str!("assets/icon.svg");
const SHIM: &str = include_str!("assets/shim.js");

/// How much of a digest stands in an address.
const DIGITS: usize = 16;

static STYLE_PATH: LazyLock<String> = LazyLock::new(|| path("style", STYLE, "css"));
static ICON_PATH: LazyLock<String> = LazyLock::new(|| path("icon", ICON, "svg"));
static SHIM_PATH: LazyLock<String> = LazyLock::new(|| path("shim", SHIM, "js"));

fn path(name: &str, text: &str, ending: &str) -> String {
    let digest = Sha256Digest::of(text.as_bytes()).to_string();
    format!("/-/assets/{name}-{}.{ending}", &digest[..DIGITS])
}

/// The path of the style sheet.
pub(super) fn style_path() -> &'static str {
    &STYLE_PATH
}

/// The path of the icon.
pub(super) fn icon_path() -> &'static str {
    &ICON_PATH
}

/// The path of the script that stands in sandboxed reports before all others.
pub(super) fn shim_path() -> &'static str {
    &SHIM_PATH
}

/// Mounts all assets.
pub(super) fn mount(config: &mut ServiceConfig) {
    config.service(web::resource("/-/assets/{name}").route(web::get().to(send)).route(web::head().to(send)));
}

async fn send(request: HttpRequest, name: Path<String>) -> HttpResponse {
    if let Some(measured) = Measured::of(&request) {
        measured.is_page("/-/assets/:name");
    }
    let path = format!("/-/assets/{name}");
    let (media_type, text) = match path {
        path if path == *STYLE_PATH => ("text/css; charset=utf-8", STYLE),
        path if path == *ICON_PATH => ("image/svg+xml", ICON),
        path if path == *SHIM_PATH => ("text/javascript; charset=utf-8", SHIM),
        _ => return HttpResponse::NotFound().json(json!({ "message": "404 Not Found" })),
    };
    let mut answer: HttpResponseBuilder = HttpResponse::Ok();
    answer
        .insert_header((CONTENT_TYPE, media_type))
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'"))
        .insert_header((CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"));
    answer.body(text)
}
