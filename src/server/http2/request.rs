//! Request of HTTP/2, in the form that the routes read.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_http::body::BoxBody;
use actix_http::error::PayloadError;
use actix_http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_http::{BoxedPayloadStream, Method, Payload, Request, Response, Uri, Version};
use bytes::Bytes;
use futures_util::Stream;
use h2::RecvStream;
use http::header::{EXPECT, HOST};

use crate::http::unreadable::Unreadable;
use crate::server::request::{MAX_HEADERS, encoded_target};

/// Whether the client waits for a word before it sends the body.
pub(super) fn expects_continue(request: &http::Request<RecvStream>) -> bool {
    let expected = request.headers().get(EXPECT).map(|value| value.as_bytes());
    expected.is_some_and(|text| text.eq_ignore_ascii_case(b"100-continue"))
}

/// Translates a request; what is read of its body is added to `read`, in bytes.
///
/// # Errors
/// The response to one that the routes cannot read, which is logged.
pub(super) fn translated(
    request: http::Request<RecvStream>,
    peer: Option<SocketAddr>,
    read: Rc<Cell<u64>>,
) -> Result<Request, Response<BoxBody>> {
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    let parse = || {
        let method = Method::from_bytes(head.method.as_str().as_bytes())
            .map_err(|_| Unreadable::wrong("the method is none"))?;
        if target.is_empty() || method == Method::CONNECT {
            return Err(Unreadable::wrong("the request has no path"));
        }
        let uri = Uri::from_maybe_shared(Bytes::from(encoded_target(target.as_bytes())))
            .map_err(|_| Unreadable::wrong("the target is not a valid URL"))?;
        Ok((method, uri, headers(&head)?))
    };
    let (method, uri, headers) = parse().map_err(|unreadable| {
        let line = format!("{} {target}", head.method);
        Response::from(unreadable.response(peer, line.as_bytes()))
    })?;
    let payload = if body.is_end_stream() {
        Payload::None
    } else {
        Payload::Stream { payload: Box::pin(Body { stream: body, read }) as BoxedPayloadStream }
    };
    let mut request = Request::with_payload(payload);
    let to = request.head_mut();
    (to.method, to.uri, to.version, to.headers, to.peer_addr) = (method, uri, Version::HTTP_2, headers, peer);
    Ok(request)
}

/// Copies the headers. The authority stands where HTTP/1.1 has `Host`, which may only say the same.
fn headers(head: &http::request::Parts) -> Result<HeaderMap, Unreadable> {
    if head.headers.len() > MAX_HEADERS {
        return Err(Unreadable::too_large(format!("there are more than {MAX_HEADERS} headers")));
    }
    let mut copy = HeaderMap::with_capacity(head.headers.len() + 1);
    for (name, value) in &head.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).map_err(no_header)?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(no_header)?;
        copy.append(name, value);
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    match (head.uri.authority(), hosts.next(), hosts.next()) {
        (_, _, Some(_)) | (None, None, _) => Err(Unreadable::wrong("Host: expected once")),
        (None, Some(_), None) => Ok(copy),
        (Some(authority), Some(host), None) if host.as_bytes() != authority.as_str().as_bytes() => {
            Err(Unreadable::wrong("Host: differs from the authority"))
        }
        (Some(authority), ..) => {
            let host = HeaderValue::from_str(authority.as_str()).map_err(no_header)?;
            copy.insert(actix_http::header::HOST, host);
            Ok(copy)
        }
    }
}

fn no_header<E>(_: E) -> Unreadable {
    Unreadable::wrong("a header is not a name and a value")
}

/// A request body. The client may send more of it as it is read.
struct Body {
    stream: RecvStream,
    read: Rc<Cell<u64>>,
}

impl Stream for Body {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { stream, read } = self.get_mut();
        let piece = ready!(stream.poll_data(cx)).map(|piece| {
            let piece = piece?;
            read.set(read.get() + piece.len() as u64);
            stream.flow_control().release_capacity(piece.len())?;
            Ok(piece)
        });
        Poll::Ready(piece.map(|piece: Result<_, h2::Error>| {
            piece.map_err(|error| PayloadError::Incomplete(Some(io::Error::other(error))))
        }))
    }
}
