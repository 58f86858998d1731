//! Streams of requests, cut as the network likes.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Poll, Waker};

use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite};

use super::*;

/// Bytes that arrive in pieces of these sizes, over and over, and those that were written.
struct Wire {
    pieces: VecDeque<Vec<u8>>,
    ends: bool,
    written: Vec<u8>,
    /// Whether the client has left; only a write reveals it.
    is_left: bool,
}

impl Wire {
    fn new(bytes: &[u8], sizes: &[usize]) -> Self {
        let (mut pieces, mut rest) = (VecDeque::new(), bytes);
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at((*size).min(rest.len()));
            pieces.push_back(piece.to_vec());
            rest = behind;
        }
        Self { pieces, ends: true, written: Vec::new(), is_left: false }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(mut piece) = self.pieces.pop_front() else {
            return if self.ends { Poll::Ready(Ok(())) } else { Poll::Pending };
        };
        let rest = piece.split_off(piece.len().min(buffer.remaining()));
        if !rest.is_empty() {
            self.pieces.push_front(rest);
        }
        buffer.put_slice(&piece);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_left {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn on_a_runtime<T>(work: impl FnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { work() })
}

fn stream(wire: Wire) -> RequestStream<Wire> {
    let hour = Duration::from_secs(3600);
    RequestStream::new(wire, None, Patience { head: hour, idle: hour })
}

/// Returns everything that is handed on until the response is due or the stream ends, and whether it goes on.
fn request(stream: &mut RequestStream<Wire>, room: usize) -> (Vec<u8>, bool) {
    let mut context = Context::from_waker(Waker::noop());
    let mut all = Vec::new();
    loop {
        let mut space = vec![0; room];
        let mut buffer = ReadBuf::new(&mut space);
        match Pin::new(&mut *stream).poll_read(&mut context, &mut buffer) {
            Poll::Pending => return (all, true),
            Poll::Ready(read) => read.unwrap(),
        }
        match buffer.filled() {
            [] => return (all, false),
            piece => all.extend_from_slice(piece),
        }
    }
}

/// Answers the current request.
fn answer(stream: &mut RequestStream<Wire>) {
    let mut context = Context::from_waker(Waker::noop());
    stream.exchange.enter(Phase::Answering);
    assert!(Pin::new(&mut *stream).poll_write(&mut context, b"answer ").is_ready());
    stream.exchange.enter(Phase::Answered);
    assert!(Pin::new(&mut *stream).poll_flush(&mut context).is_ready());
}

/// Returns the requests, each handed on when the one before it was answered, and what was written.
fn requests(bytes: &[u8], sizes: &[usize], room: usize) -> (Vec<Vec<u8>>, String) {
    on_a_runtime(|| {
        let mut stream = stream(Wire::new(bytes, sizes));
        let mut all = Vec::new();
        loop {
            let (request, goes_on) = request(&mut stream, room);
            if !request.is_empty() {
                all.push(request);
            }
            if !goes_on {
                break;
            }
            answer(&mut stream);
        }
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut stream).poll_shutdown(&mut context).is_ready());
        (all, String::from_utf8(stream.stream.written).unwrap())
    })
}

fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let target = prop_oneof![Just("/"), Just("/a?b=c"), Just("/%C3%BC")];
    let line = (prop_oneof![Just("GET"), Just("HEAD"), Just("PUT"), Just("POST")], target);
    let headers = "(X-[A-Z]{1,9}: [a-z\"ü ]{0,60}\r\n){0,4}";
    let body = proptest::collection::vec(any::<u8>(), 0..300);
    (line, headers, 0..3, body, 1..50_usize).prop_map(|((method, target), headers, kind, body, chunk)| {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: x\r\n{headers}");
        match kind {
            0 => format!("{head}\r\n").into_bytes(),
            1 => [format!("{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes(), body].concat(),
            _ => {
                let mut all = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
                for piece in body.chunks(chunk) {
                    all.extend_from_slice(format!("{:x};y\r\n", piece.len()).as_bytes());
                    all.extend_from_slice(piece);
                    all.extend_from_slice(b"\r\n");
                }
                all.extend_from_slice(b"0\r\nT: z\r\n\r\n");
                all
            }
        }
    })
}

proptest! {
    #[test]
    fn requests_are_cut_where_they_end_however_they_come(
        all in proptest::collection::vec(any_request(), 1..8),
        sizes in proptest::collection::vec(1..700_usize, 1..6),
        room in 1..900_usize,
    ) {
        let (handed_on, written) = requests(&all.concat(), &sizes, room);
        prop_assert_eq!(written, "answer ".repeat(all.len()));
        prop_assert_eq!(handed_on, all);
    }

    #[test]
    fn any_bytes_end_in_a_request_a_refusal_or_nothing(bytes: Vec<u8>, size in 1..9_usize, room in 1..20_usize) {
        requests(&bytes, &[size], room);
    }

    #[test]
    fn odd_bytes_are_read_alike_in_pieces_of_any_size(
        text in "((GET|POST) |/|ü|\"| HTTP/1\\.1|\r\n|\n|\r| |:|Host: x\r\n|Content-Length: 3\r\n|a|\r\n\r\n){0,40}",
        size in 1..9_usize,
        room in 1..20_usize,
    ) {
        let (whole, _) = requests(text.as_bytes(), &[usize::MAX], 8192);
        let (cut, _) = requests(text.as_bytes(), &[size], room);
        prop_assert_eq!(cut, whole);
    }
}

#[test]
fn a_head_goes_on_when_it_is_complete_and_with_it_what_is_there_of_the_body() {
    let text = "\r\n\nPUT /\u{fc} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: x\r\n\r\n";
    for sizes in [&[1][..], &[7], &[usize::MAX]] {
        let (handed_on, _) = requests(text.as_bytes(), sizes, 8192);
        let [put, get] = &handed_on[..] else { panic!("{handed_on:?}") };
        assert!(put.starts_with(b"PUT /%C3%BC HTTP/1.1\r\n") && put.ends_with(b"\r\n\r\nabc"));
        assert!(get.starts_with(b"GET /"));
    }
}

#[test]
fn an_answer_before_the_end_of_its_request_is_the_last() {
    on_a_runtime(|| {
        let mut wire = Wire::new(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n", &[usize::MAX]);
        wire.ends = false;
        let mut stream = stream(wire);
        assert!(request(&mut stream, 8192).1);
        answer(&mut stream);
        stream.stream.pieces.push_back(b"abcGET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec());
        assert_eq!(request(&mut stream, 8192), (b"abc".to_vec(), false));
    });
}

#[test]
fn what_the_library_refuses_is_refused_in_words() {
    on_a_runtime(|| {
        let text = b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut stream = stream(Wire::new(text, &[usize::MAX]));
        assert!(request(&mut stream, 8192).1);
        let mut context = Context::from_waker(Waker::noop());
        let refusal = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        let written = Pin::new(&mut stream).poll_write(&mut context, refusal);
        assert!(matches!(written, Poll::Ready(Ok(count)) if count == refusal.len()));
        let said = String::from_utf8(stream.stream.written).unwrap();
        assert!(
            said.contains("x-request-id: ") && said.ends_with("the target is not a valid URL\"}"),
            "{said}"
        );
    });
}

#[test]
fn bytes_behind_a_body_that_breaks_are_no_request() {
    let text = "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcGET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let (handed_on, written) = requests(text.as_bytes(), &[usize::MAX], 8192);
    assert_eq!((handed_on.len(), written.as_str()), (1, ""));
    assert!(handed_on[0].ends_with(b"3\r\nabc"));
}

#[test]
fn a_client_that_has_left_is_noticed_however_far_its_request_had_come() {
    let next = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let chunked = "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for text in [
        next.to_owned(),
        next.repeat(2),
        "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na".to_owned(),
        format!("{chunked}3\r\na"),
        format!("{chunked}3\r\nabcd"),
    ] {
        runtime.block_on(async {
            let mut stream = stream(Wire::new(text.as_bytes(), &[usize::MAX]));
            request(&mut stream, 8192);
            stream.exchange.enter(Phase::Called);
            let sent = std::future::poll_fn(|cx| {
                assert!(Pin::new(&mut stream).poll_flush(cx).is_ready());
                if stream.stream.written.is_empty() { Poll::Pending } else { Poll::Ready(()) }
            });
            sent.await;
            assert_eq!(stream.stream.written, b"HTTP/1.1 100 Continue\r\n\r\n");
            stream.stream.is_left = true;
            let gone = std::future::poll_fn(|cx| match Pin::new(&mut stream).poll_flush(cx) {
                Poll::Ready(Err(error)) => Poll::Ready(error),
                _ => Poll::Pending,
            });
            assert_eq!(gone.await.kind(), io::ErrorKind::BrokenPipe, "{text:?}");
        });
    }
}
