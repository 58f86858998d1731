//! Heads that can be read, and those that cannot.

use actix_http::h1::{Codec, Message, MessageType};
use actix_http::{HttpMessage, ServiceConfig};
use actix_web::http::StatusCode;
use bytes::BytesMut;
use proptest::prelude::*;
use tokio_util::codec::Decoder;

use super::super::{Framing, Progress};
use super::*;

fn read_whole(text: &[u8]) -> Result<Option<Head>, Unreadable> {
    Reader::default().read(text)
}

#[test]
fn a_head_is_read_when_all_of_it_is_there_and_once() {
    let text = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut reader = Reader::default();
    for end in 1..text.len() {
        assert_eq!(reader.read(&text.as_bytes()[..end]), Ok(None), "{end}");
    }
    let head = reader.read(format!("{text}GET /b").as_bytes()).unwrap().unwrap();
    assert_eq!((head.bytes, head.target, head.is_raw), (text.len(), 4..6, false));
    assert_eq!((head.framing, head.takes_interim_answers), (Framing::Length(0), true));
    for text in ["GET / HTTP/1.0\n\n", "GET / HTTP/1.0\r\n\n", "GET / HTTP/1.0\nX: y\n\r\n"] {
        let head = read_whole(text.as_bytes()).unwrap().unwrap();
        assert_eq!((head.bytes, head.takes_interim_answers), (text.len(), false), "{text:?}");
    }
}

#[test]
fn what_a_target_may_not_have_is_encoded_and_nothing_else_of_the_head() {
    for (target, encoded) in [
        ("/ü?j=\"b\"<`>", "/%C3%BC?j=%22b%22%3C%60%3E"),
        ("/%C3%BC?a=b#c", "/%C3%BC?a=b#c"),
        ("http://x/ü", "http://x/%C3%BC"),
    ] {
        let text = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: ü\r\nX: \"ü\"\r\n\r\n");
        let (raw, clean) = (text(target), text(encoded));
        let head = read_whole(raw.as_bytes()).unwrap().unwrap();
        assert_eq!(head.is_raw, target != encoded);
        assert_eq!(String::from_utf8(head.encoded(raw.as_bytes())).unwrap(), clean);
    }
}

#[test]
fn the_headers_say_what_belongs_to_a_request() {
    let framing = |begin: &str, headers: &str| {
        let text = format!("{begin} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        read_whole(text.as_bytes()).unwrap().unwrap().framing
    };
    assert_eq!(framing("POST /", ""), Framing::Length(0));
    assert_eq!(framing("GET /", "content-LENGTH:\t 007 \r\n"), Framing::Length(7));
    assert_eq!(framing("PUT /", "Transfer-Encoding: Chunked\r\n"), Framing::chunked());
    assert_eq!(framing("PUT /", "Transfer-Encoding: chunked\r\nUpgrade: websocket\r\n"), Framing::chunked());
    assert_eq!(framing("GET /", "Upgrade: WebSocket\r\nContent-Length: 3\r\n"), Framing::ToEnd);
    assert_eq!(framing("GET /", "Upgrade: h2c\r\n"), Framing::Length(0));
    assert_eq!(framing("CONNECT x:1", ""), Framing::ToEnd);
}

#[test]
fn what_speaks_something_else_is_refused_at_once() {
    for begin in ["\u{16}\u{3}\u{1}", " ", "GET /\r\n", "GET / HTTP/1.1 \r\n", "SSH-2.0-x y\r\n", "G{", "\0"]
    {
        assert_eq!(read_whole(begin.as_bytes()), Err(no_request_line()), "{begin:?}");
    }
    assert_eq!(read_whole(&[b'A'; 33]), Err(no_request_line()));
    assert_eq!(read_whole(&[b'A'; 32]), Ok(None));
    let status = |text: &[u8]| read_whole(text).map_err(|unreadable| unreadable.status);
    let large = |bytes: usize| [b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; bytes - 19]].concat();
    assert_eq!(status(&large(MAX_HEAD_BYTES)), Ok(None));
    assert_eq!(status(&large(MAX_HEAD_BYTES + 1)), Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
}

/// Reads with the HTTP library: `None` if it cannot, else the size of the head and what follows.
fn as_the_library_reads_it(text: &[u8]) -> Option<(usize, Framing)> {
    let mut codec = Codec::new(ServiceConfig::default());
    let mut bytes = BytesMut::from(text);
    let Ok(Some(Message::Item(request))) = codec.decode(&mut bytes) else { return None };
    let size = text.len() - bytes.len();
    let length = request.headers().get("content-length").map(|length| length.to_str().unwrap());
    let framing = match codec.message_type() {
        MessageType::None => Framing::Length(0),
        MessageType::Stream => Framing::ToEnd,
        MessageType::Payload if request.headers().contains_key("transfer-encoding") => Framing::chunked(),
        MessageType::Payload => Framing::Length(length.unwrap().trim().parse().unwrap()),
    };
    Some((size, framing))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_both_can_read_both_read_alike(
        text in "(GET|POST|CONNECT|a) (/|/ü|x:1|\\*|http://x/) HTTP/1\\.[01](\r\n|\n)((Host|host|Content-Length|\
                 Transfer-Encoding|transfer-encoding|Upgrade|X|Expect|Connection)( |):( |)(x|3|0|\\+3|-1|chunked|\
                 identity|websocket|3, 3|ü|100-continue|close| |)(\r\n|\n|\r|\0|\r\n ){1}){0,5}(\r\n|\n)(GET /|3\r\nabc){0,1}",
    ) {
        actix_web::rt::System::new().block_on(async {
            let head = match read_whole(text.as_bytes()) {
                Ok(Some(head)) => head,
                _ => return Ok(()),
            };
            let encoded = [&head.encoded(text.as_bytes()), &text.as_bytes()[head.bytes..]].concat();
            let grown = encoded.len() - text.len();
            if let Some((size, framing)) = as_the_library_reads_it(&encoded) {
                prop_assert_eq!((head.bytes + grown, head.framing), (size, framing));
            }
            Ok(())
        })?;
    }

    #[test]
    fn it_does_not_matter_how_a_head_is_cut(
        text in "(GET|POST) (/|/ü) HTTP/1\\.[01](\r\n|\n)((Host|X)( |):(x|\0|)(\r\n|\n|\r)){0,5}(\r\n|\n){0,1}(GET /){0,1}",
        piece in 1_usize..9,
    ) {
        let mut reader = Reader::default();
        let mut read = Ok(None);
        for end in (piece..text.len()).step_by(piece).chain([text.len()]) {
            read = reader.read(&text.as_bytes()[..end]);
            if read != Ok(None) {
                break;
            }
        }
        prop_assert_eq!(read, read_whole(text.as_bytes()));
    }

    #[test]
    fn chunks_end_for_both_at_the_same_byte(
        body in "([0-3]|a|;x=y| |\r\n|\r|\n|\0|3\r\nabc\r\n|0\r\n\r\n|0\r\nX: y\r\n\r\n){0,12}",
    ) {
        actix_web::rt::System::new().block_on(async {
            let head = b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
            let mut framing = read_whole(head).unwrap().unwrap().framing;
            let belongs = framing.follow(body.as_bytes());
            let given = [head, &body.as_bytes()[..belongs]].concat();
            let (mut codec, mut bytes) = (Codec::new(ServiceConfig::default()), BytesMut::from(&given[..]));
            let mut has_ended = false;
            while let Some(message) = codec.decode(&mut bytes).expect("what is handed on is never broken") {
                has_ended |= matches!(message, Message::Chunk(None));
            }
            prop_assert!(bytes.is_empty(), "all that belongs to it is taken");
            prop_assert_eq!(framing.progress() == Progress::Ended, has_ended);
            Ok(())
        })?;
    }
}
