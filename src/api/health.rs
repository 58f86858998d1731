//! Health endpoints: `/-/health`, `/-/liveness` and `/-/readiness`, as GitLab has them, for load balancers
//! and orchestrators.
//!
//! They need no credentials and reveal no more than yes or no.

use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use serde_json::{Value, json};

use crate::app::App;
use crate::domain::{Error, Result};
use crate::http::body::RequestBody;
use crate::http::error::RETRY_AFTER_SECONDS;

/// Mounts the health endpoints.
pub(super) fn mount(config: &mut ServiceConfig) {
    config
        .service(web::resource("/-/health").to(health))
        .service(web::resource("/-/liveness").to(liveness))
        .service(web::resource("/-/readiness").to(readiness));
}

/// Shows that the server responds.
async fn health() -> impl Responder {
    HttpResponse::Ok().content_type("text/plain").body("artigate OK")
}

async fn liveness() -> impl Responder {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// Reports whether requests can be served: database and store respond and belong together.
async fn readiness(app: Data<App>) -> impl Responder {
    let found = app.readiness.check(&app.catalog, &app.store, &app.belonging).await;
    let ok = found.catalog.is_ok() && found.store.is_ok();
    let body = json!({
        "status": if ok { "ok" } else { "failed" },
        "db_check": [check(&found.catalog)],
        "store_check": [check(&found.store)],
    });
    if ok {
        return HttpResponse::Ok().json(body);
    }
    HttpResponse::ServiceUnavailable().insert_header(("Retry-After", RETRY_AFTER_SECONDS)).json(body)
}

/// Answers 503 on a spare connection.
pub(super) async fn no_room(app: Data<App>, body: Payload) -> HttpResponse {
    let message = json!({ "message": "503 Service Unavailable" });
    let answer =
        HttpResponse::ServiceUnavailable().insert_header(("Retry-After", RETRY_AFTER_SECONDS)).json(message);
    RequestBody::new(body.into_inner(), app.settings.stall_timeout).drain_behind(answer)
}

fn check(outcome: &Result<(), std::sync::Arc<Error>>) -> Value {
    match outcome {
        Ok(()) => json!({ "status": "ok" }),
        Err(_) => json!({ "status": "failed" }),
    }
}
