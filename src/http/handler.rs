//! The frame of a handler: what every dialect does before and after it decides what a request means.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::app::App;
use crate::http::audit;
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::http::measured::Measured;

/// Answers a request: by `dispatch`, or as `refuse` renders its error. Writes the audit log, and reads what
/// is left of the body after the answer.
pub async fn answer<E>(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
    dispatch: impl AsyncFnOnce(&RequestContext, RequestBody) -> Result<HttpResponse, E>,
    refuse: impl FnOnce(&RequestContext, E) -> HttpResponse,
) -> HttpResponse {
    let body = RequestBody::new(payload.into_inner(), app.settings.stall_timeout);
    if let Some(measured) = Measured::of(&request) {
        body.is_measured_by(measured);
    }
    let ctx = RequestContext::new(app, &request);
    let answer = dispatch(&ctx, body.clone()).await.unwrap_or_else(|error| refuse(&ctx, error));
    audit::log(&request, &ctx.audit, answer.status());
    body.drain_behind(answer)
}
