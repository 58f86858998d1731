//! Audience: tells a job for whom its ID token has to be, before it has one.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};
use serde_json::{Value, json};

use crate::app::App;

/// The path of the endpoint.
pub const PATH: &str = "/api/oidc/v1/audience";

/// Mounts the endpoint.
pub(super) fn mount(config: &mut ServiceConfig) {
    config.route(PATH, web::get().to(tell)).route(PATH, web::head().to(tell));
}

/// Answers with the audience if it is the same for all issuers, and with that of each issuer.
async fn tell(app: Data<App>) -> HttpResponse {
    let issuers: Vec<_> = app.id_tokens.issuers().collect();
    let Some(first) = issuers.first() else {
        return HttpResponse::NotFound().json(json!({ "message": "404 Not Found" }));
    };
    let is_same = issuers.iter().all(|issuer| issuer.audience == first.audience);
    let each: Vec<Value> = issuers
        .iter()
        .map(|it| json!({ "name": it.upstream, "issuer": it.issuer, "audience": it.audience }))
        .collect();
    HttpResponse::Ok().json(json!({ "audience": is_same.then_some(first.audience), "issuers": each }))
}
