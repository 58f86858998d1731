//! The limits of the machine: plain loops that the server is compared with.
//!
//! `benches/compare` builds and runs this program; it is no benchmark of its own.
//!
//! `limits inflate FILE` decompresses a gzip file of one member from memory, again and again, and prints
//! bytes per second. `limits receive FOLDER` answers uploads on a port that it prints: it hashes and writes
//! each body and makes it durable, without reading its contents; a `PUT` with SHA-1 too, as agents declare both.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use flate2::{Decompress, FlushDecompress, Status};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// As long as the gateway's own header of a gzip member; the files are made with the same.
const GZIP_HEADER_BYTES: usize = 10;

const PIECE_BYTES: usize = 64 * 1024;

const PATIENCE: Duration = Duration::from_secs(2);

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["inflate", file] => inflate(Path::new(file)),
        ["receive", folder] => receive(Path::new(folder)),
        _ => Err(io::Error::other("usage: limits inflate FILE | limits receive FOLDER")),
    }
}

fn inflate(file: &Path) -> io::Result<()> {
    let packed = std::fs::read(file)?;
    let (start, mut bytes) = (Instant::now(), 0_u64);
    while start.elapsed() < PATIENCE {
        bytes += inflate_once(&packed[GZIP_HEADER_BYTES..])?;
    }
    println!("{:.0}", bytes as f64 / start.elapsed().as_secs_f64());
    Ok(())
}

fn inflate_once(packed: &[u8]) -> io::Result<u64> {
    let mut decoder = Decompress::new(false);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let rest = &packed[decoder.total_in() as usize..];
        if decoder.decompress(rest, &mut piece, FlushDecompress::None)? == Status::StreamEnd {
            return Ok(decoder.total_out());
        }
    }
}

fn receive(folder: &Path) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    for connection in listener.incoming() {
        let path = folder.join("received");
        take_upload(connection?, &path)?;
        std::fs::remove_file(path)?;
    }
    Ok(())
}

fn take_upload(connection: TcpStream, path: &Path) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(PIECE_BYTES, &connection);
    let (mut left, is_put) = read_head(&mut reader, &connection)?;
    let (mut file, mut hasher) = (File::create(path)?, Sha256::new());
    let mut of_put = is_put.then(Sha1::new);
    while left > 0 {
        let piece = reader.fill_buf()?;
        let taken = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if taken == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        hasher.update(&piece[..taken]);
        if let Some(sha1) = &mut of_put {
            sha1.update(&piece[..taken]);
        }
        file.write_all(&piece[..taken])?;
        reader.consume(taken);
        left -= taken as u64;
    }
    file.sync_all()?;
    let mut digest = hex::encode(hasher.finalize());
    if let Some(sha1) = of_put {
        digest += &hex::encode(sha1.finalize());
    }
    write!(&connection, "HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n{digest}", digest.len())
}

/// The length of the body, and whether it is a `PUT`.
fn read_head(reader: &mut impl BufRead, mut connection: &TcpStream) -> io::Result<(u64, bool)> {
    let (mut length, mut is_put) = (0, false);
    for line in reader.lines() {
        let line = line?.to_ascii_lowercase();
        is_put |= line.starts_with("put ");
        match line.split_once(": ") {
            Some(("content-length", value)) => length = value.parse().map_err(io::Error::other)?,
            Some(("expect", _)) => connection.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?,
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    Ok((length, is_put))
}
