//! The frame of a handler: what every dialect does before and after it decides what a request means.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::app::App;
use crate::http::audit;
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::http::error::RequestError;
use crate::http::id_token;
use crate::http::measured::Measured;

/// Answers a request in which no ID token is of use: by `dispatch`, or as `refuse` renders its error. Writes the audit
/// log, and reads what is left of the body after the answer.
pub async fn answer<E: From<RequestError>>(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
    dispatch: impl AsyncFnOnce(&RequestContext, RequestBody) -> Result<HttpResponse, E>,
    refuse: impl FnOnce(&RequestContext, E) -> HttpResponse,
) -> HttpResponse {
    let dispatch = async |ctx: &RequestContext, body| match ctx.vouched {
        None => dispatch(ctx, body).await,
        Some(_) => Err(id_token::of_no_use().into()),
    };
    answer_with_id_token(app, request, payload, dispatch, refuse).await
}

/// Like [`answer`], for a dialect that admits ID tokens to some of its routes.
pub async fn answer_with_id_token<E: From<RequestError>>(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
    dispatch: impl AsyncFnOnce(&RequestContext, RequestBody) -> Result<HttpResponse, E>,
    refuse: impl FnOnce(&RequestContext, E) -> HttpResponse,
) -> HttpResponse {
    let mut ctx = RequestContext::new(app, &request);
    let refused = match id_token::find(&ctx).await {
        Ok(job) => {
            ctx.vouched = job;
            None
        }
        Err(error) => Some(error),
    };
    let dispatch = async |ctx: &RequestContext, body| match refused {
        None => dispatch(ctx, body).await,
        Some(error) => Err(error.into()),
    };
    finish(ctx, request, payload, dispatch, refuse).await
}

/// Like [`answer`], where credentials count for nothing.
pub async fn answer_without_credential<E>(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
    dispatch: impl AsyncFnOnce(&RequestContext, RequestBody) -> Result<HttpResponse, E>,
    refuse: impl FnOnce(&RequestContext, E) -> HttpResponse,
) -> HttpResponse {
    finish(RequestContext::new(app, &request), request, payload, dispatch, refuse).await
}

async fn finish<E>(
    ctx: RequestContext,
    request: HttpRequest,
    payload: Payload,
    dispatch: impl AsyncFnOnce(&RequestContext, RequestBody) -> Result<HttpResponse, E>,
    refuse: impl FnOnce(&RequestContext, E) -> HttpResponse,
) -> HttpResponse {
    let body = RequestBody::new(payload.into_inner(), ctx.app.settings.stall_timeout);
    if let Some(measured) = Measured::of(&request) {
        body.is_measured_by(measured);
    }
    let answer = dispatch(&ctx, body.clone()).await.unwrap_or_else(|error| refuse(&ctx, error));
    audit::log(&request, &ctx.audit, answer.status());
    body.drain_behind(answer)
}
