//! Text files that somebody names by path: those of settings, and documents. A name may be that of a pipe, as
//! shells make them of another command's output, or of something that never ends or never begins.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};

/// How long a pipe may be without anybody who writes into it.
const WRITER_PATIENCE: Duration = Duration::from_secs(5);

/// How often that is looked at.
const WRITER_PAUSE: Duration = Duration::from_millis(20);

/// What is read of a device at most, in bytes; a terminal is one, and some have no end.
const MAX_DEVICE_BYTES: u64 = 1 << 20;

/// Opens a file to read it, without waiting for the other end of a pipe. A pipe that is read then does not wait
/// either.
///
/// # Errors
/// When it cannot be opened.
pub fn open_without_waiting(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)
}

/// Reads all of it.
///
/// # Errors
/// When it cannot be opened or read or is not UTF-8; when it is a pipe that nobody writes into for five
/// seconds, or a device that gives more than 1 MiB.
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
            return Err(io::Error::other("it is a device that does not end"));
        }
    } else {
        file.read_to_end(&mut bytes)?;
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not valid UTF-8"))
}

/// The first byte of a pipe, if somebody has written it already. A pipe without anybody at its other end looks
/// like one that has ended.
fn first_byte(file: &mut File) -> io::Result<Option<u8>> {
    let began = Instant::now();
    loop {
        let mut byte = [0];
        match file.read(&mut byte) {
            Ok(0) if began.elapsed() > WRITER_PATIENCE => {
                return Err(io::Error::other("it is a pipe that nobody writes into"));
            }
            Ok(0) => std::thread::sleep(WRITER_PAUSE),
            Ok(_) => return Ok(Some(byte[0])),
            // Somebody is there who has not written yet.
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}
