//! Delivery: the body of an event, and the secrets that it was made with.
//!
//! A secret in a header is compared before a byte of the body is read. A signature needs the body, so bodies are
//! bounded, in their size and in time, and so is how many large ones are held at once, in all and of one address.

use std::net::{IpAddr, Ipv4Addr};

use tokio::time::{Instant, timeout};

use actix_web::http::header::HeaderMap;

use super::error::Refusal;
use crate::access::ProvenDelivery;
use crate::app::HookBounds;
use crate::auth::CredentialError;
use crate::auth::hook_signature::{Proof, only_signs};
use crate::domain::network::counted_as;
use crate::domain::{Error, ErrorKind};
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::settings::{HookMode, HookSettings, UpstreamKind, UpstreamSettings};
use crate::shares::Share;

/// Longest body, in bytes: no sender's is longer.
const MAX_BODY_BYTES: u64 = 25 << 20;

/// The part of a body that takes no turn, in bytes: whoever sends slowly holds none until so much has come.
const SMALL_BODY_BYTES: u64 = 16 << 10;

/// A delivery that proved a secret.
pub(super) struct Received {
    /// The event, by the header that names it.
    pub(super) event: Option<String>,
    pub(super) body: Vec<u8>,
    /// How far it is believed, by the secrets that it was made with.
    pub(super) secrets: Vec<(String, HookMode)>,
    /// The turn of a body that is not small, as long as it is held.
    _turn: Option<Share<IpAddr>>,
}

/// Receives a delivery.
pub(super) async fn receive(
    ctx: &RequestContext,
    upstream: &UpstreamSettings,
    mut body: RequestBody,
) -> Result<Received, Refusal> {
    let headers = ctx.request.headers();
    let proof = proof(upstream.kind, headers, &upstream.hooks).ok_or(CredentialError::Missing)?;
    let unknown = || Refusal::from(CredentialError::Unknown);
    if matches!(proof, Proof::Token(_)) && proof.secrets(&upstream.hooks, &[], ctx.now).is_empty() {
        return Err(unknown());
    }
    if ctx.announces_more_than(MAX_BODY_BYTES) {
        return Err(Error::new(ErrorKind::TooLarge, "the body is larger than 25 MiB").into());
    }
    let (bytes, turn) = read(ctx, &mut body).await?;
    let secrets = ProvenDelivery::secrets_of(&proof.secrets(&upstream.hooks, &bytes, ctx.now));
    if secrets.is_empty() {
        return Err(unknown());
    }
    let event = text(headers, event_header(upstream.kind)).map(str::to_owned);
    Ok(Received { event, body: bytes, secrets, _turn: turn })
}

/// Reads a body within its time, with a turn for what is not small.
async fn read(
    ctx: &RequestContext,
    body: &mut RequestBody,
) -> Result<(Vec<u8>, Option<Share<IpAddr>>), Refusal> {
    let HookBounds { turns, patience, body_time } = &ctx.app.hooks;
    let slow = || Error::new(ErrorKind::Invalid, "the body takes too long");
    let (mut bytes, began) = (Vec::new(), Instant::now());
    let small = body.read_more(&mut bytes, SMALL_BODY_BYTES, MAX_BODY_BYTES);
    if timeout(*body_time, small).await.map_err(|_| slow())?? {
        return Ok((bytes, None));
    }
    let left = body_time.saturating_sub(began.elapsed());
    let address = ctx.client_ip().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), counted_as);
    let turn = timeout(*patience, turns.take(address)).await;
    let turn = turn.map_err(|_| Error::unavailable("too many large hooks at once"))?;
    body.wait_from_now();
    let rest = body.read_more(&mut bytes, MAX_BODY_BYTES, MAX_BODY_BYTES);
    timeout(left, rest).await.map_err(|_| slow())??;
    Ok((bytes, Some(turn)))
}

const fn event_header(kind: UpstreamKind) -> &'static str {
    match kind {
        UpstreamKind::GitLab => "x-gitlab-event",
        UpstreamKind::GitHub => "x-github-event",
        UpstreamKind::Buildkite => "x-buildkite-event",
    }
}

/// Finds how a delivery proves its secret. A signature is never passed over for a secret in the clear.
fn proof<'h>(kind: UpstreamKind, headers: &'h HeaderMap, secrets: &[HookSettings]) -> Option<Proof<'h>> {
    let header = |name| text(headers, name);
    match kind {
        UpstreamKind::GitLab => match header("webhook-signature") {
            Some(signatures) if secrets.iter().any(only_signs) => {
                let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?);
                Some(Proof::Standard { id, timestamp, signatures })
            }
            _ => header("x-gitlab-token").map(Proof::Token),
        },
        UpstreamKind::GitHub => header("x-hub-signature-256").map(Proof::Hex),
        UpstreamKind::Buildkite => {
            let signed = header("x-buildkite-signature").map(Proof::Timestamped);
            signed.or_else(|| header("x-buildkite-token").map(Proof::Token))
        }
    }
}

/// Returns the one value of a header, if it is ASCII.
fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name);
    let first = values.next()?.to_str().ok().map(str::trim)?;
    (!first.is_empty() && values.next().is_none()).then_some(first)
}
