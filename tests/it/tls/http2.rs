//! HTTP/2: what a client may do, and how long.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use http::{Method, Request, Response};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use super::encrypted;
use crate::support::fixtures::{self, ARCHIVE, RUNNING, UPLOAD};
use crate::support::gateway::Gateway;
use crate::support::tls::Pair;
use crate::support::{until, zips};

/// A connection: requests go to the first, and the second ends with it.
type Client = (SendRequest<Bytes>, tokio::task::JoinHandle<Result<(), h2::Error>>);

async fn connect(pair: &Pair, address: SocketAddr) -> Client {
    connect_with(pair, address, &h2::client::Builder::new()).await
}

async fn connect_with(pair: &Pair, address: SocketAddr, builder: &h2::client::Builder) -> Client {
    let connector = tokio_rustls::TlsConnector::from(pair.client(&["h2"]));
    let socket = TcpStream::connect(address).await.unwrap();
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), socket).await.unwrap();
    let (client, connection) = builder.handshake(stream).await.unwrap();
    (client, tokio::spawn(connection))
}

fn request(method: Method, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(format!("https://localhost{path}"))
}

async fn get(client: &mut SendRequest<Bytes>, path: &str) -> Result<Response<RecvStream>, h2::Error> {
    send(client, request(Method::GET, path)).await
}

async fn send(
    client: &mut SendRequest<Bytes>,
    request: http::request::Builder,
) -> Result<Response<RecvStream>, h2::Error> {
    let mut ready = client.clone().ready().await?;
    ready.send_request(request.body(()).unwrap(), true)?.0.await
}

async fn body(answer: Response<RecvStream>) -> Result<Vec<u8>, h2::Error> {
    let (mut body, mut whole) = (answer.into_body(), Vec::new());
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

/// An upload of which nothing is sent yet but its head.
async fn begin_upload(
    client: &mut SendRequest<Bytes>,
) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
    let upload = request(Method::POST, UPLOAD)
        .header("job-token", RUNNING)
        .header("content-type", "multipart/form-data; boundary=x");
    let mut ready = client.clone().ready().await.unwrap();
    ready.send_request(upload.body(()).unwrap(), false).unwrap()
}

fn gateway(change: impl FnOnce(&mut artigate::settings::Settings)) -> (Gateway, Pair, tempfile::TempDir) {
    let (gateway, pair, folder) = encrypted(change);
    fixtures::small(&gateway, &zips::deflated(&[("a", &zips::noise(1 << 20))]));
    (gateway, pair, folder)
}

#[test]
fn many_requests_at_once_on_one_connection_are_all_answered() {
    let (gateway, pair, _folder) = gateway(|_| {});
    let archive = std::fs::read(gateway.path().join("archive.zip")).unwrap();
    gateway.block_on(async {
        let (client, _connection) = connect(&pair, gateway.address).await;
        let all = (0..200).map(|number| {
            let mut client = client.clone();
            let path = if number % 10 == 0 { ARCHIVE } else { "/api/v4/projects/1" };
            async move { (path, body(get(&mut client, path).await.unwrap()).await.unwrap()) }
        });
        for (path, body) in futures_util::future::join_all(all).await {
            assert!(if path == ARCHIVE { body == archive } else { body.starts_with(b"{\"id\":1,") });
        }
    });
}

#[test]
fn a_request_that_the_routes_cannot_read_is_refused_with_the_reason() {
    let (gateway, pair, _folder) = gateway(|_| {});
    gateway.block_on(async {
        let (mut client, _connection) = connect(&pair, gateway.address).await;
        let other_host = request(Method::GET, "/api/v4/projects").header("host", "elsewhere");
        let mut crowded = request(Method::GET, "/api/v4/projects");
        for number in 0..97 {
            crowded = crowded.header(format!("x-{number}"), "x");
        }
        for (request, status, reason) in [
            (other_host, 400, "400 Bad Request - Host: differs from the authority"),
            (crowded, 431, "431 Request Header Fields Too Large - there are more than 96 headers"),
        ] {
            let answer = send(&mut client, request).await.unwrap();
            assert_eq!(answer.status().as_u16(), status);
            assert!(answer.headers().contains_key("x-request-id"));
            let body = String::from_utf8(body(answer).await.unwrap()).unwrap();
            assert_eq!(body, format!("{{\"message\":\"{reason}\"}}"));
        }
        let large = request(Method::GET, "/").header("x", "x".repeat(200_000));
        let refused = send(&mut client, large).await;
        assert!(refused.is_err() || refused.is_ok_and(|answer| answer.status().as_u16() == 431));
        let mut client = connect(&pair, gateway.address).await.0;
        assert_eq!(get(&mut client, "/api/v4/projects").await.unwrap().status().as_u16(), 200);
    });
}

#[test]
fn a_client_that_takes_its_requests_back_again_and_again_is_disconnected() {
    let (gateway, pair, _folder) = gateway(|_| {});
    gateway.block_on(async {
        let (client, connection) = connect(&pair, gateway.address).await;
        let mut taken_back = 0;
        while let (true, Ok(mut ready)) = (taken_back < 10_000, client.clone().ready().await) {
            let upload = request(Method::POST, UPLOAD).header("job-token", RUNNING).body(()).unwrap();
            let Ok((_answer, mut stream)) = ready.send_request(upload, false) else { break };
            stream.send_reset(Reason::CANCEL);
            taken_back += 1;
            tokio::task::yield_now().await;
        }
        assert!(taken_back < 10_000, "it goes on and on");
        let error = connection.await.unwrap().unwrap_err();
        // Its last words may be lost to a client that still sends.
        assert!(error.reason().is_none_or(|reason| reason == Reason::ENHANCE_YOUR_CALM), "{error}");
    });
    assert!(pair.is_used_by(gateway.address), "others are served");
}

#[test]
fn each_request_beside_the_first_counts_as_a_connection_of_its_address() {
    let (gateway, pair, _folder) = gateway(|settings| settings.connections_per_address = Some(3));
    gateway.block_on(async {
        let (mut client, _connection) = connect(&pair, gateway.address).await;
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(begin_upload(&mut client).await);
        }
        // They are begun in their order.
        let refused = get(&mut client, "/api/v4/projects").await.unwrap_err();
        assert_eq!(refused.reason(), Some(Reason::REFUSED_STREAM));
        held.pop().unwrap().1.send_reset(Reason::CANCEL);
        while get(&mut client, "/api/v4/projects").await.is_err() {
            tokio::task::yield_now().await;
        }
        drop(held);
    });
}

#[test]
fn a_connection_without_a_request_ends_as_one_of_the_older_protocol_does() {
    let short = Duration::from_secs(1);
    let (gateway, pair, _folder) = gateway(|settings| {
        (settings.head_timeout, settings.keep_alive) = (short, short);
    });
    gateway.block_on(async {
        let (_client, connection) = connect(&pair, gateway.address).await;
        has_ended(connection.await.unwrap());
        let (mut client, connection) = connect(&pair, gateway.address).await;
        assert_eq!(get(&mut client, "/api/v4/projects").await.unwrap().status().as_u16(), 200);
        has_ended(connection.await.unwrap());
        // One that says nothing of HTTP/2 at all.
        let connector = tokio_rustls::TlsConnector::from(pair.client(&["h2"]));
        let socket = TcpStream::connect(gateway.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector.connect(name, socket).await.unwrap();
        let mut said = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut said).await;
    });
}

#[test]
fn a_client_that_accepts_nothing_of_a_response_is_given_up_and_the_others_of_its_connection_go_on() {
    let (gateway, pair, _folder) = gateway(|settings| settings.stall_timeout = Duration::from_secs(1));
    gateway.block_on(async {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1000);
        let (mut client, _connection) = connect_with(&pair, gateway.address, &builder).await;
        let mut stalled = get(&mut client, ARCHIVE).await.unwrap().into_body();
        let mut received = 0;
        let error = loop {
            match stalled.data().await.unwrap() {
                Ok(piece) => received += piece.len(),
                Err(error) => break error,
            }
        };
        assert_eq!((received, error.reason()), (1000, Some(Reason::CANCEL)));
        assert_eq!(get(&mut client, "/api/v4/projects/1").await.unwrap().status().as_u16(), 200);
    });
}

#[test]
fn work_stops_for_a_client_that_takes_its_request_back() {
    let (gateway, pair, _folder) = gateway(|_| {});
    gateway.block_on(async {
        let (mut client, _connection) = connect(&pair, gateway.address).await;
        let (_answer, mut upload) = begin_upload(&mut client).await;
        let part = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.zip\"\r\n\r\nabc";
        upload.send_data(Bytes::from_static(part.as_bytes()), false).unwrap();
        gateway_has(&gateway, 2).await;
        upload.send_reset(Reason::CANCEL);
        gateway_has(&gateway, 1).await;
    });
}

/// A client that still writes when the server has closed the connection only learns that.
fn has_ended(connection: Result<(), h2::Error>) {
    if let Err(error) = connection {
        assert!(error.is_io(), "{error}");
    }
}

/// Waits until the store has this many files.
async fn gateway_has(gateway: &Gateway, count: usize) {
    for _ in 0..20_000 {
        if gateway.blobs().len() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("expected {count} files in the store, there are {:?}", gateway.blobs());
}

#[test]
fn a_server_that_stops_ends_idle_connections_and_lets_a_download_end() {
    let (gateway, pair, _folder) = gateway(|_| {});
    let archive = std::fs::read(gateway.path().join("archive.zip")).unwrap();
    let address = gateway.address;
    let (idle, download) = gateway.block_on(async {
        let (mut client, idle) = connect(&pair, address).await;
        assert_eq!(get(&mut client, "/api/v4/projects").await.unwrap().status().as_u16(), 200);
        let (mut client, _connection) = connect(&pair, address).await;
        let answer = get(&mut client, ARCHIVE).await.unwrap();
        (idle, answer)
    });
    let stopping = gateway.stop_gracefully();
    gateway.block_on(async {
        has_ended(idle.await.unwrap());
        assert!(body(download).await.unwrap() == archive);
    });
    gateway.block_on(stopping);
    until(10_000, "nobody listens", || std::net::TcpStream::connect(address).is_err());
}

#[test]
fn an_upload_that_is_read_may_send_further_ahead() {
    let (gateway, pair, _folder) = gateway(|_| {});
    gateway.block_on(async {
        let mut builder = h2::client::Builder::new();
        builder.max_send_buffer_size(8 << 20);
        let (mut client, _connection) = connect_with(&pair, gateway.address, &builder).await;
        let (answer, mut upload) = begin_upload(&mut client).await;
        let part = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.zip\"\r\n\r\n";
        upload.send_data(Bytes::from_static(part.as_bytes()), false).unwrap();
        let (piece, mut sent, mut most) = (Bytes::from(zips::noise(64 << 10)), 0, 0);
        while sent < 8 << 20 {
            upload.reserve_capacity(4 << 20);
            // Only an increase is reported.
            let room = match upload.capacity() {
                0 => std::future::poll_fn(|cx| upload.poll_capacity(cx)).await.unwrap().unwrap(),
                room => room,
            };
            most = most.max(room);
            let part = piece.slice(..room.min(piece.len()));
            sent += part.len();
            upload.send_data(part, false).unwrap();
        }
        assert!(most > 512 << 10, "{most}");
        upload.send_data(Bytes::from_static(b"\r\n--x--\r\n"), true).unwrap();
        assert_eq!(answer.await.unwrap().status().as_u16(), 201);
    });
}
