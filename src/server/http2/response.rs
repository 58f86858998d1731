//! Response over HTTP/2.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use actix_http::body::{BodySize, MessageBody};
use actix_http::{Response, StatusCode};
use actix_web::http::header::HttpDate;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::header::{CONTENT_LENGTH, DATE, HeaderName, HeaderValue};

use crate::server::alarm::Alarm;

/// How a request has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// All of the response was handed to the connection.
    Complete,
    /// The client did not want it any longer.
    TakenBack,
    /// The server broke it off.
    Broken,
}

/// Tells a client that it may send the body of its request.
pub(super) fn go_on(respond: &mut SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut answer = http::Response::new(());
    *answer.status_mut() = http::StatusCode::CONTINUE;
    respond.send_informational(answer)
}

/// Sends a response; for a `HEAD` request without its body. Breaks it off when the client accepts nothing of
/// it for `stall_timeout`, or when its body fails.
pub(super) async fn send<B: MessageBody>(
    answer: Response<B>,
    mut respond: SendResponse<Bytes>,
    is_head: bool,
    stall_timeout: Duration,
    peer: Option<SocketAddr>,
) -> End
where
    B::Error: std::fmt::Display,
{
    let (answer, body) = answer.into_parts();
    let size = match answer.status() {
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => BodySize::None,
        _ => body.size(),
    };
    let head = head(&answer, size);
    let is_empty = is_head || matches!(size, BodySize::None | BodySize::Sized(0));
    let Ok(stream) = respond.send_response(head, is_empty) else { return End::TakenBack };
    let left = match size {
        _ if is_empty => Some(0),
        BodySize::Sized(size) => Some(size),
        _ => None,
    };
    let mut sending = Sending { stream, left, has_ended: is_empty, alarm: Alarm::after(stall_timeout) };
    let mut body = pin!(body);
    loop {
        // Also a body without bytes is read to its end: the rest of the request may be read meanwhile.
        let piece = std::future::poll_fn(|cx| sending.poll_unless_taken_back(cx, body.as_mut())).await;
        let sent = match piece {
            None => return End::TakenBack,
            Some(None) => return sending.finish(),
            Some(Some(Ok(piece))) => sending.send(piece, stall_timeout).await,
            Some(Some(Err(error))) => {
                let client = peer.map(|peer| tracing::field::display(peer.ip().to_canonical()));
                tracing::error!(client.address = client, %error, "a response was cut off");
                sending.stream.send_reset(Reason::INTERNAL_ERROR);
                Some(End::Broken)
            }
        };
        if let Some(end) = sent {
            return end;
        }
    }
}

/// The next bytes of a body; `None` at its end.
type Piece<B> = Option<Result<Bytes, <B as MessageBody>::Error>>;

/// A response whose head was sent.
struct Sending {
    stream: SendStream<Bytes>,
    /// Bytes that its head announced and that were not sent yet, if it did.
    left: Option<u64>,
    /// Whether the client was told that nothing follows.
    has_ended: bool,
    alarm: Alarm,
}

impl Sending {
    /// Returns the next piece of the body; `None` if the client takes its request back.
    fn poll_unless_taken_back<B: MessageBody>(
        &mut self,
        cx: &mut Context<'_>,
        body: Pin<&mut B>,
    ) -> Poll<Option<Piece<B>>> {
        if !self.has_ended && self.stream.poll_reset(cx).is_ready() {
            return Poll::Ready(None);
        }
        body.poll_next(cx).map(Some)
    }

    /// Sends a piece as the client accepts it; the end of the request if it does not.
    async fn send(&mut self, mut piece: Bytes, stall_timeout: Duration) -> Option<End> {
        while !piece.is_empty() && !self.has_ended {
            self.stream.reserve_capacity(piece.len());
            self.alarm.set(stall_timeout);
            let room = match std::future::poll_fn(|cx| self.poll_room(cx)).await {
                Room::Bytes(room) => room,
                Room::Gone => return Some(End::TakenBack),
                Room::Never => {
                    self.stream.send_reset(Reason::CANCEL);
                    return Some(End::Broken);
                }
            };
            let part = piece.split_to(room.min(piece.len()));
            self.left = self.left.map(|left| left.saturating_sub(part.len() as u64));
            self.has_ended = self.left == Some(0);
            if self.stream.send_data(part, self.has_ended).is_err() {
                return Some(End::TakenBack);
            }
        }
        None
    }

    /// Ready when the client accepts more, or will not.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Room> {
        loop {
            // Only an increase is reported.
            if let room @ 1.. = self.stream.capacity() {
                return Poll::Ready(Room::Bytes(room));
            }
            match self.stream.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Room::Gone),
                Poll::Pending => return self.alarm.poll(cx).map(|()| Room::Never),
            }
        }
    }

    /// Tells the client that the response is complete.
    fn finish(mut self) -> End {
        if self.has_ended {
            return End::Complete;
        }
        match self.left {
            // Less than was announced: the client must not take it for all.
            Some(_) => {
                self.stream.send_reset(Reason::INTERNAL_ERROR);
                End::Broken
            }
            None if self.stream.send_data(Bytes::new(), true).is_ok() => End::Complete,
            None => End::TakenBack,
        }
    }
}

/// Whether a client accepts more of a response.
enum Room {
    /// This many bytes.
    Bytes(usize),
    /// It takes the request back.
    Gone,
    /// It did not for too long.
    Never,
}

/// Headers that only HTTP/1.1 has, and the one that is written here.
const LEFT_OUT: &[&str] =
    &["connection", "content-length", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// Translates the head of a response.
fn head(answer: &Response<()>, size: BodySize) -> http::Response<()> {
    let mut head = http::Response::new(());
    let status = http::StatusCode::from_u16(answer.status().as_u16());
    *head.status_mut() = status.unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = head.headers_mut();
    for (name, value) in answer.headers() {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) else { continue };
        if !LEFT_OUT.contains(&name.as_str()) {
            headers.append(name, value);
        }
    }
    if let BodySize::Sized(bytes) = size {
        headers.insert(CONTENT_LENGTH, bytes.into());
    }
    if let Ok(date) = HttpDate::from(SystemTime::now()).to_string().parse() {
        headers.insert(DATE, date);
    }
    head
}
