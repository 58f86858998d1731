//! Limits on connections: per client address, and in total below the process's limit on open files.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use artigate::settings::Settings;

use crate::program::{Serving, artigate};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Request, read_answer};
use crate::support::until;

fn connect(address: SocketAddr) -> TcpStream {
    from("127.0.0.1", address)
}

/// A connection from one of the loopback's addresses.
fn from(own: &str, address: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&format!("{own}:0").parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    socket.into()
}

/// A path that only an admitted connection is served.
const ANYTHING: &str = "/api/v4/projects";

/// Whether a request is answered on a connection that then stays open.
fn is_answered(stream: &mut TcpStream, path: &str) -> bool {
    let asked = stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
    let mut answer = Vec::new();
    while asked.is_ok() && !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut piece = [0; 4096];
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return false,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
        }
    }
    answer.starts_with(b"HTTP/1.1 200 ")
}

fn open(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    open_from("127.0.0.1", address, count)
}

fn open_from(own: &str, address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut streams: Vec<TcpStream> = (0..count).map(|_| from(own, address)).collect();
    assert!(streams.iter_mut().all(|stream| is_answered(stream, ANYTHING)));
    streams
}

/// The answer to a request on a connection of its own.
fn ask(own: &str, address: SocketAddr, method: &str, path: &str) -> Answer {
    let mut stream = from(own, address);
    stream.write_all(Request::new(address, method, path).head_text().as_bytes()).unwrap();
    read_answer(stream, method == "HEAD").unwrap()
}

/// Whether a connection from there would be told nothing but whether the server is well.
fn has_no_room(own: &str, address: SocketAddr) -> bool {
    let answer = ask(own, address, "GET", ANYTHING);
    if answer.status == 200 {
        return false;
    }
    assert_eq!(answer.error(), (503, r#"{"message":"503 Service Unavailable"}"#));
    assert_eq!((answer.header("retry-after"), answer.header("connection")), (Some("5"), Some("close")));
    for method in ["GET", "HEAD"] {
        for path in ["/-/liveness", "/-/readiness", "/-/health"] {
            assert_eq!(ask(own, address, method, path).status, 200, "{method} {path}");
        }
    }
    true
}

fn bounded(change: impl FnOnce(&mut Settings)) -> Gateway {
    Gateway::on_sqlite_with(change)
}

#[test]
fn one_more_of_the_same_address_is_told_only_whether_the_server_is_well_and_those_of_others_are_served() {
    let gateway = bounded(|settings| settings.connections_per_address = Some(3));
    let mut held = open(gateway.address, 3);
    for _ in 0..5 {
        assert!(has_no_room("127.0.0.1", gateway.address));
    }
    assert!(is_answered(&mut from("127.0.0.2", gateway.address), ANYTHING));
    assert!(held.iter_mut().all(|stream| is_answered(stream, ANYTHING)), "those that are there stay");
    drop(held.pop());
    until(10_000, "there is room", || !has_no_room("127.0.0.1", gateway.address));
}

#[test]
fn an_address_has_half_of_all_by_default() {
    let gateway = bounded(|settings| settings.max_connections = 8);
    let _held = open(gateway.address, 4);
    assert!(has_no_room("127.0.0.1", gateway.address));
    assert!(is_answered(&mut from("127.0.0.2", gateway.address), ANYTHING));
}

#[test]
fn a_node_says_that_it_lives_while_others_hold_every_connection() {
    let gateway = bounded(|settings| settings.max_connections = 8);
    let mut held = open_from("127.0.0.1", gateway.address, 4);
    held.extend(open_from("127.0.0.2", gateway.address, 4));
    for own in ["127.0.0.1", "127.0.0.2", "127.0.0.3"] {
        assert!(has_no_room(own, gateway.address), "{own}");
    }
    assert!(held.iter_mut().all(|stream| is_answered(stream, ANYTHING)), "those that are there stay");
    let upload = Request::new(gateway.address, "POST", "/api/v4/jobs/20/artifacts").body(vec![0; 5 << 20]);
    assert_eq!(upload.send().status, 503, "who still sends is told so, too");
    drop(held.pop());
    until(10_000, "there is room", || !has_no_room("127.0.0.3", gateway.address));
}

#[test]
fn a_crowd_on_the_spare_connections_keeps_nobody_from_asking_whether_the_server_is_well() {
    let gateway = bounded(|settings| settings.max_connections = 2);
    let _held = [open_from("127.0.0.1", gateway.address, 1), open_from("127.0.0.2", gateway.address, 1)];
    // It asks first and listens later, as a prober far away does.
    let mut probe = from("127.0.0.3", gateway.address);
    let mut crowd: Vec<TcpStream> = (0..500).map(|_| from("127.0.0.1", gateway.address)).collect();
    for stream in &mut crowd {
        let _ = stream.write_all(b"GET /-/liveness HTTP/1.1\r\nX-Slow: ");
    }
    probe.write_all(b"GET /-/liveness HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(read_answer(probe, false).unwrap().status, 200);
    for own in ["127.0.0.2", "127.0.0.3"] {
        assert!(has_no_room(own, gateway.address));
    }
    // From the crowd's own address, and all at once: every request is answered.
    let ask = Request::new(gateway.address, "GET", "/-/liveness");
    let asked: Vec<TcpStream> = (0..200).map(|_| ask.connect()).collect();
    for stream in asked {
        assert_eq!(read_answer(stream, false).unwrap().status, 200);
    }
    // All of them end, by themselves.
    for mut stream in crowd {
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&said));
    }
}

#[test]
fn a_trusted_proxy_has_as_many_as_there_are_and_zero_is_no_bound() {
    let gateway = bounded(|settings| {
        settings.connections_per_address = Some(1);
        settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    });
    open(gateway.address, 20);
    open(bounded(|settings| settings.connections_per_address = Some(0)).address, 20);
}

/// The program where it may open so many files, and no more by its own wish.
fn with_open_files(folder: &std::path::Path, limit: u32) -> Command {
    let program = artigate(folder, &["serve"]);
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit -n {limit}; exec \"$0\" serve")).arg(program.get_program());
    command.current_dir(folder);
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("ARTIGATE_LIMITS__CONNECTIONS_PER_ADDRESS", "0");
    command
}

#[test]
fn with_few_files_fewer_connections_are_accepted_and_all_of_those_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let mut load = artigate(folder.path(), &["load", "registry.yml"]);
    let document = "projects: [{id: 1, path: g/p, visibility: public, pipelines: [{id: 1, ref: main, sha: a, status: success, jobs: [
        {id: 1, name: a, status: success, artifacts: [{file: a.bin}]}]}]}]";
    std::fs::write(folder.path().join("registry.yml"), document).unwrap();
    std::fs::write(folder.path().join("a.bin"), vec![0; 1 << 20]).unwrap();
    assert!(load.output().unwrap().status.success());
    let serving = Serving::run(with_open_files(folder.path(), 496));
    let warnings: Vec<&String> =
        serving.logged_first.iter().filter(|line| line.contains("server.max_connections")).collect();
    let [warning] = warnings[..] else { panic!("{:?}", serving.logged_first) };
    assert!(warning.contains("20000") && warning.contains("496") && warning.contains("132"), "{warning}");
    // The first are served; of the others some are listened to for a moment.
    let mut held = open(serving.address(), 120);
    let _waiting: Vec<TcpStream> = (0..400).map(|_| connect(serving.address())).collect();
    for stream in &mut held {
        assert!(is_answered(stream, "/api/v4/projects/1"));
    }
    let mut reading: Vec<TcpStream> = held.drain(..100).collect();
    for stream in &mut reading {
        assert!(is_answered(stream, "/api/v4/projects/1/jobs/1/artifacts"), "each holds an open file");
    }
    assert!(held.iter_mut().all(|stream| is_answered(stream, ANYTHING)));
    assert_eq!(ask("127.0.0.1", serving.address(), "GET", "/-/liveness").status, 200);
    assert_eq!(serving.log.lock().unwrap().iter().filter(|line| line.contains(" 500")).count(), 0);
}
