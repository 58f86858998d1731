//! Dotenv report: a gzip stream of `NAME=value` lines, the variables that later jobs get.
//!
//! It is checked as in GitLab: no empty lines, no comments, names of letters, digits and `_`.
//!
//! Each gzip member is a text of its own, in whatever encoding the job's shell writes.

use std::io::Read;

use flate2::bufread::GzDecoder;

use crate::ingest::Validator;

/// Largest report, compressed or not, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The check that an upload of a dotenv report must pass.
pub(super) const VALIDATOR: Validator =
    Validator { max_bytes: MAX_BYTES, too_large: TOO_LARGE, validate: check };

const TOO_LARGE: Refusal = "Dotenv Artifact Too Big";

/// Why a report is refused, in GitLab's words.
type Refusal = &'static str;

/// The refusal of anything that is no list of variables.
const NO_VARIABLES: Refusal = "Invalid Format";

/// Checks the whole file, member by member: no line continues in the next one.
fn check(compressed: &[u8]) -> Result<(), Refusal> {
    let (mut rest, mut left) = (compressed, MAX_BYTES);
    loop {
        let mut member = Vec::new();
        let uncompressed = GzDecoder::new(&mut rest).take(left + 1).read_to_end(&mut member);
        uncompressed.map_err(|_| NO_VARIABLES)?;
        left = left.checked_sub(member.len() as u64).ok_or(TOO_LARGE)?;
        check_lines(&text(&member))?;
        if rest.is_empty() {
            return Ok(());
        }
    }
}

/// Decodes a member: Windows PowerShell writes UTF-16, or UTF-8 with a byte order mark. Anything else is read
/// as UTF-8, with replacement characters for invalid bytes.
fn text(member: &[u8]) -> String {
    match member {
        [0xff, 0xfe, wide @ ..] => utf16(wide, u16::from_le_bytes),
        [0xfe, 0xff, wide @ ..] => utf16(wide, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => String::from_utf8_lossy(rest).into_owned(),
    }
}

/// Decodes UTF-16. An odd byte at the end is half a character, and becomes a replacement character like any
/// other half.
fn utf16(wide: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let (units, odd) = wide.as_chunks::<2>();
    let mut text = String::from_utf16_lossy(&units.iter().map(|pair| unit(*pair)).collect::<Vec<_>>());
    if !odd.is_empty() {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    text
}

fn check_lines(text: &str) -> Result<(), Refusal> {
    text.lines().try_for_each(|line| {
        let (name, _) = line.split_once('=').ok_or(NO_VARIABLES)?;
        let name = name.trim();
        if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            Ok(())
        } else {
            Err("Validation failed: Key can contain only letters, digits and '_'.")
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn compressed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn all_members_are_read_and_every_line_must_be_a_variable() {
        assert_eq!(check(&compressed(b"A=1\nB_2 = x=y\nC=\n")), Ok(()));
        assert_eq!(check(&[compressed(b"A=1\n"), compressed(b"B=2\n")].concat()), Ok(()));
        assert_eq!(check(&compressed(b"")), Ok(()));
        for bad in [&b"A=1\n\nB=2"[..], b"# comment", b"no variable", b"\xff"] {
            assert_eq!(check(&compressed(bad)), Err("Invalid Format"), "{bad:?}");
        }
        assert_eq!(check(&[compressed(b"A=1\n"), compressed(b"broken")].concat()), Err("Invalid Format"));
        assert!(check(&compressed(b"A-B=1")).unwrap_err().starts_with("Validation failed"));
        assert!(check(&compressed(b"\xff=1")).unwrap_err().starts_with("Validation failed"));
        assert_eq!(check(b"no gzip"), Err("Invalid Format"));
        assert_eq!(check(b""), Err("Invalid Format"));
        assert_eq!(check(&[compressed(b"A=1\n"), b"no gzip".to_vec()].concat()), Err("Invalid Format"));
        assert_eq!(check(&compressed(&vec![b'x'; 2 << 20])), Err("Dotenv Artifact Too Big"));
        let half = compressed(format!("A={}", "x".repeat(600 << 10)).as_bytes());
        assert_eq!(check(&half), Ok(()));
        assert_eq!(check(&[&half[..], &half].concat()), Err("Dotenv Artifact Too Big"));
    }

    #[test]
    fn each_member_is_a_text_of_its_own() {
        assert_eq!(check(&[compressed(b"A=1"), compressed(b"bad")].concat()), Err("Invalid Format"));
        assert_eq!(check(&[compressed(b"A"), compressed(b"=1")].concat()), Err("Invalid Format"));
        assert_eq!(check(&[compressed(b"A=1"), compressed(b""), compressed(b"B=2")].concat()), Ok(()));
    }

    #[test]
    fn windows_writes_utf_16_and_byte_order_marks() {
        let wide = |text: &str, bytes: fn(u16) -> [u8; 2]| {
            compressed(&format!("\u{feff}{text}").encode_utf16().flat_map(bytes).collect::<Vec<_>>())
        };
        for bytes in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
            assert_eq!(check(&wide("A=1\r\nB=grüße\r\n", bytes)), Ok(()));
            assert_eq!(check(&wide("A=1\r\n\r\n", bytes)), Err("Invalid Format"));
            assert!(check(&wide("Ä=1\r\n", bytes)).unwrap_err().starts_with("Validation failed"));
            assert_eq!(check(&[wide("A=1", bytes), compressed(b"B=2")].concat()), Ok(()));
        }
        assert_eq!(check(&compressed(b"\xef\xbb\xbfA=1\n")), Ok(()));
        assert_eq!(
            check(&compressed(b"A=gr\xfc\xdfe\n")),
            Ok(()),
            "Latin-1 is text with a few replaced bytes"
        );
        assert_eq!(check(&compressed(b"\xff\xfeA\0=\0\x31")), Ok(()), "half a character at the end");
        assert_eq!(check(&compressed(b"\xff\xfe")), Ok(()));
        assert_eq!(check(&compressed(b"\xff\xfe\x41")), Err("Invalid Format"));
    }
}
