//! Logs that agents send: read while they become artifacts, and what their pieces count.

use std::io::{Read, Write};
use std::net::TcpStream;

use artigate::archive::gzip::gzip;
use artigate::catalog::logs::{self, AddOutcome, LogChunk};
use serde_json::json;

use super::worker::{AGENTS, Agent, BUILD, create, with_steps};
use crate::support::fixtures::DEVELOPER;
use crate::support::gateway::Gateway;

on_both_databases!(
    a_log_whose_job_ends_while_it_is_read_is_sent_whole,
    a_piece_of_a_log_counts_as_a_kibibyte_at_least
);

fn a_log_whose_job_ends_while_it_is_read_is_sent_whole(gateway: Gateway) {
    with_steps(&gateway, &json!([{"command": "make"}]));
    create(&gateway);
    let job = Agent::start(gateway.address, AGENTS, &[]).run();
    // More than is read at a time, and than sockets hold.
    let pieces: Vec<Vec<u8>> = (0..40).map(|n| vec![b'0' + n; 1 << 20]).collect();
    for (n, piece) in pieces.iter().enumerate() {
        assert_eq!(job.chunk(n as u64 + 1, n << 20, piece).status, 200);
    }
    let mut reader = TcpStream::connect(gateway.address).unwrap();
    let path = format!("{BUILD}/jobs/{}/log.txt", job.id);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {DEVELOPER}\r\nConnection: close\r\n\r\n"
    );
    reader.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
    assert_eq!(job.finish("0").status, 200);
    assert_eq!(gateway.catalog(|db| logs::size(db, 1 << 50)), None, "it is an artifact");
    let mut body = Vec::new();
    reader.read_to_end(&mut body).unwrap();
    assert!(body == pieces.concat(), "{} bytes", body.len());
}

fn a_piece_of_a_log_counts_as_a_kibibyte_at_least(gateway: Gateway) {
    with_steps(&gateway, &json!([{"command": "make"}]));
    create(&gateway);
    Agent::start(gateway.address, AGENTS, &[]).run();
    let outcomes = gateway.write_catalog(|db| {
        (0..3)
            .map(|starts_at| {
                let piece = LogChunk { starts_at, size_bytes: 1, data: gzip(b"x").unwrap() };
                logs::add(db, 1 << 50, &piece, 2 << 10)
            })
            .collect::<Result<Vec<_>, _>>()
    });
    assert_eq!(outcomes, [AddOutcome::Added, AddOutcome::Added, AddOutcome::TooLong]);
    assert_eq!(gateway.catalog(|db| logs::size(db, 1 << 50)), Some(2));
}
