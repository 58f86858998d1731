//! TLS on the listener: protocols, certificates that cannot be used, certificates that are replaced, and clients that
//! are slow.

mod http2;
mod reload;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use artigate::settings::Settings;

use crate::program::{Serving, artigate};
use crate::support::fixtures::{self, RUNNING, UPLOADED};
use crate::support::gateway::Gateway;
use crate::support::tls::{Pair, openssl};
use crate::support::{until, zips};

/// A gateway that speaks TLS, its certificate, and the folder of that.
fn encrypted(change: impl FnOnce(&mut Settings)) -> (Gateway, Pair, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make(folder.path(), "one");
    let gateway = Gateway::on_sqlite_with(|settings| {
        pair.set(settings);
        change(settings);
    });
    (gateway, pair, folder)
}

/// What curl prints.
fn curl(pair: &Pair, arguments: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["-sS", "--cacert"])
        .arg(&pair.certificate)
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_client_is_served_in_the_protocol_that_it_wants_and_absolute_addresses_are_https() {
    let (gateway, pair, _folder) = encrypted(|_| {});
    fixtures::small(&gateway, b"");
    let base = format!("https://{}", gateway.address);
    for (wanted, version) in [("--http2", "2"), ("--http1.1", "1.1"), ("--http1.0", "1")] {
        let projects = format!("{base}/api/v4/projects/1");
        let said = curl(&pair, &[wanted, "-w", "\n%{http_version} %{http_code}", &projects]);
        let (body, protocol) = said.rsplit_once('\n').unwrap();
        assert_eq!(protocol, format!("{version} 200"));
        assert!(body.contains(&format!("\"web_url\":\"{base}/group/project\"")), "{body}");
        let head = curl(&pair, &[wanted, "-I", &projects]);
        for name in ["date: ", "content-length: ", "x-request-id: ", "content-type: application/json"] {
            assert!(head.to_ascii_lowercase().contains(name), "{wanted} {name}: {head}");
        }
        assert_eq!(
            curl(&pair, &[wanted, "-o", "/dev/null", "-w", "%{http_code}", &format!("{base}/ü\"x")]),
            "404"
        );
    }
}

#[test]
fn uploads_and_downloads_as_a_runner_makes_them_go_through_both_protocols() {
    let archive = zips::deflated(&[("a/b.bin", &zips::noise(5 << 20))]);
    for protocol in ["--http2", "--http1.1"] {
        let (gateway, pair, folder) = encrypted(|_| {});
        fixtures::small(&gateway, b"");
        let base = format!("https://{}", gateway.address);
        std::fs::write(folder.path().join("up.zip"), &archive).unwrap();
        let form = format!("file=@{}", folder.path().join("up.zip").display());
        let token = format!("JOB-TOKEN: {RUNNING}");
        let target = format!("{base}/api/v4/jobs/20/artifacts?artifact_type=archive&artifact_format=zip");
        // curl asks with Expect: 100-continue, and then sends without a known length.
        for more in ["Expect: 100-continue", "Transfer-Encoding: chunked"] {
            assert_eq!(curl(&pair, &[protocol, "-H", more, "-H", &token, "-F", &form, &target]), "201");
        }
        let down = folder.path().join("down.zip");
        let whole = format!("{base}{UPLOADED}");
        curl(&pair, &[protocol, "--fail", "-o", down.to_str().unwrap(), &whole]);
        assert!(std::fs::read(&down).unwrap() == archive);
        curl(&pair, &[protocol, "--fail", "-r", "1000-1999", "-o", down.to_str().unwrap(), &whole]);
        assert!(std::fs::read(&down).unwrap() == archive[1000..2000]);
        curl(&pair, &[protocol, "--fail", "-o", down.to_str().unwrap(), &format!("{whole}/a/b.bin")]);
        assert!(std::fs::read(&down).unwrap() == zips::noise(5 << 20));
        let refused =
            curl(&pair, &[protocol, "-H", "JOB-TOKEN: wrong", "-F", &form, "-w", " %{http_code}", &target]);
        assert!(refused.ends_with(" 403"), "{refused}");
    }
}

#[test]
fn only_versions_of_tls_that_are_safe_are_spoken_and_the_protocol_is_agreed_on_in_the_handshake() {
    let (gateway, pair, _folder) = encrypted(|_| {});
    let dial = |arguments: &[&str]| {
        let address = gateway.address.to_string();
        let mut client = Command::new("openssl");
        client.args(["s_client", "-connect", &address, "-verify_return_error", "-CAfile"]);
        let output =
            client.arg(&pair.certificate).args(arguments).stdin(std::process::Stdio::null()).output();
        let output = output.unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for version in ["-tls1_2", "-tls1_3"] {
        for (offered, expected) in
            [("h2,http/1.1", "ALPN protocol: h2"), ("http/1.1", "ALPN protocol: http/1.1")]
        {
            let (is_good, said) = dial(&[version, "-alpn", offered]);
            assert!(is_good && said.contains(expected), "{version} {offered}: {said}");
        }
        assert!(dial(&[version]).1.contains("No ALPN negotiated"));
        assert!(!dial(&[version, "-alpn", "spdy/1"]).0);
    }
    assert!(!dial(&["-tls1_1"]).0 && !dial(&["-tls1"]).0);
}

/// Runs `serve` with these settings to its end; its exit code and its words.
fn start(settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = artigate(folder.path(), &["serve"]);
    command.env("ARTIGATE_SERVER__LISTEN", "127.0.0.1:0").envs(settings.iter().copied());
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

const CERTIFICATE: &str = "ARTIGATE_SERVER__TLS_CERTIFICATE";
const KEY: &str = "ARTIGATE_SERVER__TLS_KEY";

#[test]
fn a_pair_that_cannot_be_used_stops_the_start_with_file_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (one, _other) = (Pair::make(folder.path(), "one"), Pair::make(folder.path(), "other"));
    let pem = std::fs::read(&one.certificate).unwrap();
    std::fs::write(path("half.pem"), &pem[..pem.len() / 2]).unwrap();
    std::fs::write(path("empty.pem"), "").unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n";
    std::fs::write(path("broken.pem"), broken).unwrap();
    std::fs::write(path("text.pem"), broken.replace("c2VjcmV0", "?secret?")).unwrap();
    std::fs::write(path("large.pem"), vec![b'x'; 2 << 20]).unwrap();
    let word = ["-aes256", "-passout", "pass:x"];
    let locked = ["pkey", "-in", "one.key", "-out", "locked.key"];
    openssl(folder.path(), &[&locked[..], &word[..]].concat());
    for (certificate, key, key_of_setting, reason) in [
        ("none.pem", "one.key", "server.tls_certificate", "No such file"),
        ("half.pem", "one.key", "server.tls_certificate", "the file ends inside a section of PEM"),
        ("empty.pem", "one.key", "server.tls_certificate", "the file has no certificate in PEM form"),
        ("one.key", "one.key", "server.tls_certificate", "the file has no certificate in PEM form"),
        ("broken.pem", "one.key", "server.tls_certificate", "the first certificate is invalid"),
        ("text.pem", "one.key", "server.tls_certificate", "a section of PEM is no base64"),
        ("large.pem", "one.key", "server.tls_certificate", "the file is larger than 1 MiB"),
        (".", "one.key", "server.tls_certificate", "the file cannot be read"),
        ("one.pem", "none.key", "server.tls_key", "No such file"),
        ("one.pem", "one.pem", "server.tls_key", "the file has no private key in PEM form"),
        ("one.pem", "other.key", "server.tls_key", "the key does not belong to the certificate in"),
        ("one.pem", "locked.key", "server.tls_key", "the key is encrypted"),
    ] {
        let (code, said) = start(&[(CERTIFICATE, &path(certificate)), (KEY, &path(key))]);
        let file = if key_of_setting.ends_with("key") { path(key) } else { path(certificate) };
        assert_eq!(code, Some(2), "{certificate} {key}: {said}");
        assert!(said.contains(&format!("{key_of_setting}: {file}: ")) && said.contains(reason), "{said}");
        assert!(!said.contains("secret"), "{said}");
        let mut check = artigate(folder.path(), &["config", "check"]);
        let checked = check.env(CERTIFICATE, path(certificate)).env(KEY, path(key)).output().unwrap();
        assert_eq!(checked.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&checked.stdout).contains(reason), "{checked:?}");
    }
    for (set, missing) in [(CERTIFICATE, "server.tls_key: not set"), (KEY, "server.tls_certificate: not set")]
    {
        let (code, said) = start(&[(set, &path("one.pem"))]);
        assert!(code == Some(2) && said.contains(missing), "{said}");
    }
}

#[test]
fn an_expired_certificate_is_used_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::expired(folder.path(), "old");
    let serving = serving(folder.path(), &pair);
    let warned = serving.logged_first.iter().any(|line| line.contains("server.tls_certificate has expired"));
    assert!(warned, "{:?}", serving.logged_first);
    assert!(serving.base_url.starts_with("https://"));
    assert_eq!(serving.stop(), Some(0));
}

/// The program with a pair.
fn serving(folder: &std::path::Path, pair: &Pair) -> Serving {
    let mut command = artigate(folder, &["serve"]);
    command.env(CERTIFICATE, &pair.certificate).env(KEY, &pair.key);
    Serving::run(command)
}

#[test]
fn a_listener_that_others_reach_without_tls_and_without_a_proxy_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make(folder.path(), "one");
    let warns = |settings: &[(&str, &str)]| {
        let mut command = artigate(folder.path(), &["serve"]);
        command.envs(settings.iter().copied());
        let serving = Serving::run_on(command, "0.0.0.0:0");
        let warned = serving.logged_first.iter().any(|line| line.contains("server.listen can be reached"));
        assert_eq!(serving.stop(), Some(0));
        warned
    };
    assert!(warns(&[]));
    assert!(!warns(&[("ARTIGATE_SERVER__TRUSTED_PROXIES", "127.0.0.1")]));
    let files = [&pair.certificate, &pair.key].map(|path| path.to_str().unwrap());
    assert!(!warns(&[(CERTIFICATE, files[0]), (KEY, files[1])]));
}

/// What a connection gets until the server ends it.
fn until_its_end(mut stream: TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    said
}

fn open(own: &str, address: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&format!("{own}:0").parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    socket.into()
}

/// The beginning of a handshake.
const BEGUN: &[u8] = &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01];

#[test]
fn handshakes_that_do_not_come_to_an_end_are_cut_off_and_keep_nobody_else_out() {
    let (gateway, pair, _folder) = encrypted(|settings| settings.head_timeout = Duration::from_secs(2));
    let silent = open("127.0.0.1", gateway.address);
    // Twice as many as an address may have in progress.
    let mut begun: Vec<TcpStream> = (0..128).map(|_| open("127.0.0.1", gateway.address)).collect();
    begun.iter_mut().for_each(|stream| stream.write_all(BEGUN).unwrap());
    let mut other = pair.begin(open("127.0.0.2", gateway.address), &["http/1.1"]).unwrap();
    write!(other, "GET /-/liveness HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for stream in begun.into_iter().chain([silent]) {
        assert!(until_its_end(stream).len() < 100, "an alert at most");
    }
    until(10_000, "its own address is served again", || pair.is_used_by(gateway.address));
}

#[test]
fn a_first_request_that_does_not_come_after_the_handshake_is_cut_off_as_without_tls() {
    let (gateway, pair, _folder) = encrypted(|settings| settings.head_timeout = Duration::from_secs(1));
    let mut silent = pair.connect(gateway.address).unwrap();
    let mut slow = pair.connect(gateway.address).unwrap();
    slow.write_all(b"GET /api/v4/projects HT").unwrap();
    for stream in [&mut silent, &mut slow] {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
}

#[test]
fn a_client_without_tls_is_told_so_in_words_that_it_can_read() {
    let (gateway, _pair, _folder) = encrypted(|_| {});
    let mut stream = open("127.0.0.1", gateway.address);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let answer = String::from_utf8(until_its_end(stream)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("this port speaks TLS"), "{answer}");
}

#[test]
fn connections_beyond_the_bounds_get_health_checks_and_503_over_tls_too() {
    let (gateway, pair, _folder) = encrypted(|settings| settings.connections_per_address = Some(1));
    let mut held = pair.connect(gateway.address).unwrap();
    held.write_all(b"GET /-/liveness HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    held.read_exact(&mut [0; 12]).unwrap();
    let liveness = pair.get(gateway.address, "/-/liveness").unwrap();
    assert!(liveness.starts_with("HTTP/1.1 200 "), "{liveness}");
    let refused = pair.get(gateway.address, "/api/v4/projects").unwrap();
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
}
