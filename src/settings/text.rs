//! Text files that a user names by path: configuration files and registry documents.
//!
//! A path may lead to a pipe, such as a shell makes of a command's output, or to a device without end.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};

/// Time to wait for a pipe's writer.
const WRITER_PATIENCE: Duration = Duration::from_secs(5);

/// Time between two checks for a writer.
const WRITER_PAUSE: Duration = Duration::from_millis(20);

/// The most that is read from a device, in bytes. A terminal is a device, and some devices have no end.
const MAX_DEVICE_BYTES: u64 = 1 << 20;

/// Opens a file for reading without waiting for the other end of a pipe. Reads from a pipe do not block
/// either.
///
/// # Errors
/// If the file cannot be opened.
pub fn open_without_waiting(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)
}

/// Reads a whole file as text.
///
/// # Errors
/// If the file cannot be opened or read or is not UTF-8; if it is a pipe without a writer for five seconds,
/// or a device that yields more than 1 MiB.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut file = open_without_waiting(path)?;
    let kind = file.metadata()?.file_type();
    let mut bytes = Vec::new();
    if kind.is_fifo() {
        bytes.extend(first_byte(&mut file)?);
    }
    fcntl_setfl(&file, OFlags::empty())?;
    if kind.is_char_device() || kind.is_block_device() {
        let read = file.take(MAX_DEVICE_BYTES + 1).read_to_end(&mut bytes)?;
        if read as u64 > MAX_DEVICE_BYTES {
            return Err(io::Error::other("it is a device without end"));
        }
    } else {
        file.read_to_end(&mut bytes)?;
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not valid UTF-8"))
}

/// Reads the first byte of a pipe; `None` if there is a writer that has not written yet. Waits for a writer,
/// because a pipe without one reads like a pipe that has ended.
fn first_byte(file: &mut File) -> io::Result<Option<u8>> {
    let began = Instant::now();
    loop {
        let mut byte = [0];
        match file.read(&mut byte) {
            Ok(0) if began.elapsed() > WRITER_PATIENCE => {
                return Err(io::Error::other("it is a pipe without a writer"));
            }
            Ok(0) => std::thread::sleep(WRITER_PAUSE),
            Ok(_) => return Ok(Some(byte[0])),
            // There is a writer that has not written yet.
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}
