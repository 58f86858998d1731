//! Reverse proxies, started with the shipped configuration; only addresses and paths are replaced.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{adapted, shipped};
use crate::program::Serving;
use crate::support::ended::Ended;

/// Two nodes over one database and one directory, and a proxy in front of them.
pub(super) struct Front {
    pub(super) base_url: String,
    pub(super) nodes: Vec<Serving>,
    pub(super) folder: tempfile::TempDir,
    _proxy: Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Nginx,
    NginxWithTls,
    NginxBeforeGitlab,
    NginxBeforeProjects,
    Haproxy,
    HaproxyWithTls,
    HaproxyBeforeGitlab,
    HaproxyBeforeProjects,
}

impl Kind {
    fn is_nginx(self) -> bool {
        use Kind::*;
        matches!(self, Nginx | NginxWithTls | NginxBeforeGitlab | NginxBeforeProjects)
    }

    fn is_before_gitlab(self) -> bool {
        use Kind::*;
        matches!(self, NginxBeforeGitlab | NginxBeforeProjects | HaproxyBeforeGitlab | HaproxyBeforeProjects)
    }

    fn file(self) -> &'static str {
        match self {
            Self::Nginx | Self::NginxWithTls => "nginx.conf",
            Self::NginxBeforeGitlab => "nginx-gitlab.conf",
            Self::NginxBeforeProjects => "gitlab/nginx-projects.conf",
            Self::Haproxy | Self::HaproxyWithTls => "haproxy.cfg",
            Self::HaproxyBeforeGitlab => "haproxy-gitlab.cfg",
            Self::HaproxyBeforeProjects => "gitlab/haproxy-projects.cfg",
        }
    }

    fn scheme(self) -> &'static str {
        if matches!(self, Self::NginxWithTls | Self::HaproxyWithTls) { "https" } else { "http" }
    }
}

impl Front {
    pub(super) fn start(kind: Kind) -> Self {
        let gitlab = if kind.is_before_gitlab() { stand_in_for_gitlab() } else { String::new() };
        Self::start_before(kind, &gitlab, |_| String::new())
    }

    /// Before a GitLab at this address and port; the nodes have these settings besides, which may name the front.
    pub(super) fn start_before(kind: Kind, gitlab: &str, settings: impl Fn(&str) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = || Serving::demo(folder.path(), appending(&folder.path().join("nodes.log")).into());
        if kind.scheme() == "https" {
            make_certificate(folder.path());
        }
        // Another program may take a port between our giving it up and the proxy's taking it.
        for _ in 0..5 {
            let port = free_port();
            let base_url = format!("{}://127.0.0.1:{port}", kind.scheme());
            let own = format!("[server]\ntrusted_proxies = \"127.0.0.1\"\n{}", settings(&base_url));
            fs::write(folder.path().join("artigate.toml"), own).unwrap();
            let nodes = vec![node(), node()];
            let configuration = configuration(kind, folder.path(), port, &nodes, gitlab);
            let mut proxy = spawn(kind, folder.path(), &configuration);
            if listens(&mut proxy, port) {
                return Self { base_url, nodes, folder, _proxy: proxy };
            }
        }
        panic!("{kind:?} does not start: {}", log(folder.path()));
    }

    /// Everything that the nodes wrote.
    pub(super) fn log_of_nodes(&self) -> String {
        fs::read_to_string(self.folder.path().join("nodes.log")).unwrap()
    }

    /// Everything that the proxy wrote about requests.
    pub(super) fn log(&self) -> String {
        log(self.folder.path())
    }
}

fn appending(path: &Path) -> File {
    File::options().create(true).append(true).open(path).unwrap()
}

fn log(folder: &Path) -> String {
    ["access.log", "proxy.log"].map(|name| fs::read_to_string(folder.join(name)).unwrap_or_default()).concat()
}

fn configuration(kind: Kind, folder: &Path, port: u16, nodes: &[Serving], gitlab: &str) -> String {
    let at = folder.display();
    let (nginx_port, haproxy_port) =
        (format!("listen 127.0.0.1:{port};"), format!("bind 127.0.0.1:{port}\n"));
    let addresses = nodes.iter().map(|node| node.base_url.replace("http://", ""));
    let mut replacements: Vec<(&str, String)> =
        ["node1:8929", "node2:8929"].into_iter().zip(addresses).collect();
    match kind {
        Kind::Nginx | Kind::NginxBeforeGitlab | Kind::NginxBeforeProjects => {
            replacements.push(("listen 80;", nginx_port))
        }
        Kind::NginxWithTls => replacements.extend([
            ("listen 80;", String::new()),
            ("#listen 443 ", format!("listen 127.0.0.1:{port} ")),
            ("#ssl_certificate", "ssl_certificate".into()),
            ("/etc/nginx/tls", at.to_string()),
        ]),
        Kind::Haproxy | Kind::HaproxyBeforeGitlab | Kind::HaproxyBeforeProjects => {
            replacements.push(("bind :80\n", haproxy_port));
        }
        Kind::HaproxyWithTls => replacements.extend([
            ("bind :80\n", "\n".into()),
            ("#bind :443 ", format!("bind 127.0.0.1:{port} ")),
            ("/etc/haproxy", at.to_string()),
        ]),
    }
    if matches!(kind, Kind::Nginx | Kind::NginxWithTls) {
        replacements.push(("/var/log/nginx", at.to_string()));
    }
    if kind.is_before_gitlab() {
        replacements.push(("gitlab:8080", gitlab.to_owned()));
    }
    let replacements: Vec<(&str, &str)> =
        replacements.iter().map(|(from, to)| (*from, to.as_str())).collect();
    adapted(shipped(kind.file()), &replacements)
}

/// Starts the proxy as one process in the foreground, so that ending that one ends all of it.
fn spawn(kind: Kind, folder: &Path, configuration: &str) -> Ended {
    let file = folder.join("proxy.conf");
    let log = File::create(folder.join("proxy.log")).unwrap();
    let mut command = if kind.is_nginx() {
        let at = folder.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|part| format!("{part}_temp_path {at}/{part};"))
            .concat();
        let whole = format!(
            "daemon off; master_process off; pid {at}/nginx.pid; error_log stderr; events {{}}
            http {{ access_log off; {temporary}\n{configuration} }}"
        );
        fs::write(&file, whole).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-e").arg("stderr").arg("-c").arg(&file);
        command
    } else {
        fs::write(&file, configuration).unwrap();
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&file);
        command
    };
    // Debian keeps servers in /usr/sbin, which is not on everybody's path.
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
    command.env("PATH", path).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    Ended(command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}")))
}

/// Whether it takes connections before it ends.
fn listens(proxy: &mut Ended, port: u16) -> bool {
    for _ in 0..3_000 {
        if proxy.0.try_wait().unwrap().is_some() {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    false
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn make_certificate(folder: &Path) {
    let made = Command::new("openssl")
        .current_dir(folder)
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-keyout", "artifacts.key", "-out", "certificate.pem"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let [certificate, key] =
        ["certificate.pem", "artifacts.key"].map(|name| fs::read_to_string(folder.join(name)).unwrap());
    // HAProxy wants both in one file; nginx takes the first certificate of it.
    fs::write(folder.join("artifacts.pem"), certificate + &key).unwrap();
}

/// Answers every request with its own first line; tells its address.
fn stand_in_for_gitlab() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|count| count == 1) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let target = head.split(" HTTP/").next().unwrap();
                let body = format!("gitlab: {target}");
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
                drop(client.write_all(answer.as_bytes()));
            });
        }
    });
    address
}
