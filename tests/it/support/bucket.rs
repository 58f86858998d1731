//! Test buckets on the SeaweedFS that `tests/run` started, each test with a prefix of its own.
//!
//! A proxy in front of a bucket counts its requests and fails on demand.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use artigate::settings::{BucketUrl, StorageUrl};

/// The identity that `tests/run` gives the server.
pub const ACCESS_KEY: &str = "artigate-tests";
pub const SECRET_KEY: &str = "artigate-tests-secret";

const BUCKET: &str = "artigate-tests";

/// Where the server listens.
pub fn server() -> SocketAddr {
    let address = std::env::var("ARTIGATE_TEST_S3")
        .expect("ARTIGATE_TEST_S3 names no S3 server: use tests/run, which starts one");
    address.parse().unwrap()
}

/// An empty place in a bucket, reached through `endpoint`.
pub fn fresh(endpoint: SocketAddr) -> StorageUrl {
    let prefix = format!("test/{}", uuid::Uuid::now_v7().simple());
    StorageUrl::Bucket(BucketUrl { bucket: BUCKET.into(), prefix, options: options(endpoint) })
}

/// The variables that name a server and an identity.
pub fn variables(endpoint: SocketAddr) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", format!("http://{endpoint}")),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.into()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.into()),
        ("AWS_REGION", "us-east-1".into()),
    ]
}

fn options(endpoint: SocketAddr) -> Vec<(String, secrecy::SecretString)> {
    variables(endpoint).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// The text of a bucket's URL, for the program's settings.
pub fn text(url: &StorageUrl) -> String {
    match url {
        StorageUrl::Bucket(url) => format!("s3://{}/{}", url.bucket, url.prefix),
        StorageUrl::Directory(path) => format!("file://{}", path.display()),
    }
}

/// The fault that the proxy makes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Hands it on.
    None,
    /// Answers it with this status and nothing else.
    Status(u16),
    /// Closes the connection without an answer.
    Close,
    /// Never answers.
    Hang,
    /// Hands on this many bytes of the answer's body, then closes.
    Truncate(u64),
    /// Hands on the answer after so many milliseconds.
    Delay(u64),
    /// Answers 503 to every request whose target holds this, and hands on all others.
    Refuse(&'static str),
    /// Hands on the answer as by a clock that is so many seconds ahead.
    Clock(i64),
}

/// A request that the proxy saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub range: Option<String>,
}

/// A proxy in front of the server.
pub struct Proxy {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    fault: Fault,
    seen: Vec<Seen>,
}

impl Proxy {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { fault: Fault::None, seen: Vec::new() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                // A broken connection is what some tests are about.
                std::thread::spawn(move || drop(serve(client, &state)));
            }
        });
        Self { address, state }
    }

    /// From now on.
    pub fn fail(&self, fault: Fault) {
        self.state.lock().unwrap().fault = fault;
    }

    /// Returns the requests since the last call.
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }
}

/// Serves one request a connection: its answer says that the connection closes.
fn serve(mut client: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let (head, mut rest) = read_head(&mut client)?;
    let fault = {
        let mut state = state.lock().unwrap();
        let seen = seen(&head);
        let fault = match state.fault {
            Fault::Refuse(part) if seen.target.contains(part) => Fault::Status(503),
            Fault::Refuse(_) => Fault::None,
            fault => fault,
        };
        state.seen.push(seen);
        fault
    };
    match fault {
        Fault::None | Fault::Truncate(_) | Fault::Delay(_) | Fault::Clock(_) | Fault::Refuse(_) => {}
        Fault::Close => return client.shutdown(Shutdown::Both),
        Fault::Hang => {
            // Until the client gives up.
            let _ = client.read_to_end(&mut rest);
            return Ok(());
        }
        Fault::Status(status) => {
            let answer = format!("HTTP/1.1 {status} Fault\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            client.write_all(answer.as_bytes())?;
            client.shutdown(Shutdown::Write)?;
            let _ = client.read_to_end(&mut rest);
            return Ok(());
        }
    }
    let length: u64 = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut server = TcpStream::connect(server())?;
    server.write_all(&closing(&head))?;
    server.write_all(&rest)?;
    io::copy(&mut (&mut client).take(length - rest.len() as u64), &mut server)?;
    let (head, rest) = read_head(&mut server)?;
    if let Fault::Delay(millis) = fault {
        std::thread::sleep(Duration::from_millis(millis));
    }
    if let Fault::Clock(seconds) = fault {
        let mut answer = closing(&head);
        io::Cursor::new(rest).chain(server).read_to_end(&mut answer)?;
        client.write_all(&at_another_time(answer, seconds))?;
        return client.shutdown(Shutdown::Both);
    }
    client.write_all(&closing(&head))?;
    let mut body = io::Cursor::new(rest).chain(server);
    match fault {
        Fault::Truncate(bytes) => io::copy(&mut body.take(bytes), &mut client)?,
        _ => io::copy(&mut body, &mut client)?,
    };
    client.shutdown(Shutdown::Both)
}

/// A service that answers as AWS does, which SeaweedFS does not where a bucket or a key is wrong.
#[derive(Debug, Clone, Copy)]
pub enum Stub {
    /// No such bucket.
    NoBucket,
    /// Everything is refused, with this code.
    Refuses(&'static str),
    /// Objects can be listed, and nothing written.
    ReadsOnly,
}

impl Stub {
    /// Starts it on a free port.
    pub fn start(self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let _ = self.answer(client);
            }
        });
        address
    }

    fn answer(self, mut client: TcpStream) -> io::Result<()> {
        let (head, rest) = read_head(&mut client)?;
        let length: u64 = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        io::copy(&mut (&mut client).take(length - rest.len() as u64), &mut io::sink())?;
        let error = |code: &str| format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
        let is_list = head.starts_with("GET ") && head.contains("list-type=2");
        let (status, body) = match self {
            Self::NoBucket => ("404 Not Found", error("NoSuchBucket")),
            Self::Refuses(code) => ("403 Forbidden", error(code)),
            Self::ReadsOnly if is_list => ("200 OK", "<ListBucketResult></ListBucketResult>".to_owned()),
            Self::ReadsOnly => ("403 Forbidden", error("AccessDenied")),
        };
        let length = body.len();
        let head_only = head.starts_with("HEAD ");
        let body = if head_only { String::new() } else { body };
        let answer =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        client.write_all(answer.as_bytes())?;
        client.shutdown(Shutdown::Both)
    }
}

/// An address at which nobody listens.
pub fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn seen(head: &str) -> Seen {
    let mut words = head.split(' ');
    let mut next = || words.next().unwrap_or_default().to_owned();
    Seen { method: next(), target: next(), range: header(head, "range").map(str::to_owned) }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A head, and what came behind it.
fn read_head(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut received = Vec::new();
    loop {
        if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = received.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&received).into_owned(), rest));
        }
        let mut piece = [0; 8192];
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => received.extend_from_slice(&piece[..length]),
        }
    }
}

/// The head, saying that the connection closes behind the message.
fn closing(head: &str) -> Vec<u8> {
    let kept = head.trim_end().lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let lines: Vec<&str> = kept.chain(["Connection: close", "", ""]).collect();
    lines.join("\r\n").into_bytes()
}

/// An answer with all its times moved, each as long as it was.
fn at_another_time(mut answer: Vec<u8>, seconds: i64) -> Vec<u8> {
    let moved = chrono::TimeDelta::seconds(seconds);
    for (mark, length, format) in [
        ("Last-Modified: ", 29, "%a, %d %b %Y %H:%M:%S GMT"),
        ("<LastModified>", 19, ISO),
        ("<Initiated>", 19, ISO),
    ] {
        let mut from = 0;
        while let Some(found) = find(&answer[from..], mark.as_bytes()) {
            let place = from + found + mark.len();
            let time = str::from_utf8(&answer[place..place + length]).unwrap();
            let time = chrono::NaiveDateTime::parse_from_str(time, format).expect(time) + moved;
            answer[place..place + length].copy_from_slice(time.format(format).to_string().as_bytes());
            from = place;
        }
    }
    answer
}

const ISO: &str = "%Y-%m-%dT%H:%M:%S";

fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    text.windows(mark.len()).position(|window| window.eq_ignore_ascii_case(mark))
}
