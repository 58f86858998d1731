//! Cuts arbitrary bytes into requests as the gateway does, and lets the HTTP library read each: it must take
//! all of what is given to it as one request, or refuse it. The first byte chooses in what pieces they come.
#![no_main]

use actix_http::ServiceConfig;
use actix_http::h1::{Codec, Message};
use actix_rt::System;
use artigate::server::request::{Framing, Head, Progress, Reader};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use tokio_util::codec::Decoder;

thread_local! {
    static SYSTEM: actix_rt::SystemRunner = System::new();
}

fuzz_target!(|input: &[u8]| {
    let Some((piece, mut rest)) = input.split_first() else {
        return;
    };
    let piece = usize::from(*piece) + 1;
    while let Some(mut head) = read_head(rest, piece) {
        let mut given = head.encoded(rest);
        rest = &rest[head.bytes..];
        loop {
            let next = &rest[..piece.min(rest.len())];
            let belongs = head.framing.follow(next);
            given.extend_from_slice(&next[..belongs]);
            rest = &rest[belongs..];
            if belongs < next.len() || next.is_empty() || head.framing.progress() != Progress::More {
                break;
            }
        }
        let goes_on = SYSTEM.with(|system| system.block_on(async { is_one_request(&given, &head.framing) }));
        if !goes_on || head.framing.progress() != Progress::Ended {
            return;
        }
    }
});

fn read_head(bytes: &[u8], piece: usize) -> Option<Head> {
    let mut reader = Reader::default();
    let ends = (piece..bytes.len()).step_by(piece).chain([bytes.len()]);
    let mut read = Ok(None);
    for end in ends {
        read = reader.read(&bytes[..end]);
        if read != Ok(None) {
            break;
        }
    }
    assert_eq!(read, Reader::default().read(bytes), "it does not matter how a head is cut");
    read.ok().flatten()
}

/// Whether the library takes it; then it takes all.
fn is_one_request(given: &[u8], framing: &Framing) -> bool {
    let (mut codec, mut bytes) = (Codec::new(ServiceConfig::default()), BytesMut::from(given));
    let Ok(first) = codec.decode(&mut bytes) else { return false };
    assert!(matches!(first, Some(Message::Item(_))), "a whole head");
    let mut has_ended = bytes.is_empty() && *framing == Framing::Length(0);
    while !bytes.is_empty() || !has_ended {
        match codec.decode(&mut bytes).expect("what is handed on of a body is never broken") {
            Some(Message::Chunk(Some(_))) => assert!(!has_ended),
            Some(Message::Chunk(None)) => has_ended = true,
            Some(Message::Item(_)) => panic!("a second request"),
            None => break,
        }
    }
    assert!(bytes.is_empty(), "all of it belongs to the request");
    assert_eq!(has_ended, framing.progress() == Progress::Ended);
    true
}
