//! `PUT /api/registry/v1/documents`: what `artigate load` takes from files, taken from the body.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_LENGTH;

use crate::api::registry::call::{Call, authorize};
use crate::api::registry::failure::Failure;
use crate::api::registry::json::Counts;
use crate::catalog::Db;
use crate::domain::{Error, Kind, byte_size};
use crate::http::body::RequestBody;
use crate::http::credentials::text;
use crate::registry::{self, Format};

pub(super) async fn load(call: &Call, mut body: RequestBody) -> Result<HttpResponse, Failure> {
    call.trail.begin("registry.load");
    let credentials = call.admit().await?;
    let (now, app) = (call.now, &call.app);
    let format = format(call)?;
    refuse_early(call)?;
    let document = body.read_whole(app.settings.max_document_bytes).await?;
    let allow = move |db: &mut Db| authorize(db, &credentials, now);
    let loaded = registry::load_sent(document, format, &app.catalog, &app.store, now, allow).await?;
    call.trail.tell(|facts| facts.subject = Some(loaded.to_string()));
    Ok(HttpResponse::Ok().json(Counts::from(loaded)))
}

/// `curl -T FILE` names no type; what it sends may be either, and JSON is YAML.
fn format(call: &Call) -> Result<Format, Failure> {
    match call.media_type()?.as_deref() {
        Some("application/json") => Ok(Format::Json),
        None | Some("application/yaml" | "application/x-yaml" | "text/yaml") => Ok(Format::Yaml),
        Some(_) => Err(Error::new(
            Kind::UnsupportedMedia,
            "Content-Type: expected application/json or application/yaml",
        )
        .into()),
    }
}

/// Refuses a body that is said to be too large before a byte of it is read.
fn refuse_early(call: &Call) -> Result<(), Failure> {
    let limit = call.app.settings.max_document_bytes;
    let announced = text(call.request.headers(), CONTENT_LENGTH.as_str()).and_then(|n| n.parse::<u64>().ok());
    match announced {
        Some(length) if length > limit => {
            let text = format!("the body is larger than {}", byte_size::show(limit));
            Err(Error::new(Kind::TooLarge, text).into())
        }
        _ => Ok(()),
    }
}
