//! Checks a dotenv report, whose variables later jobs get: a gzip stream of `NAME=value` lines, as
//! GitLab takes them — no empty lines, no comments, names of letters, digits and `_`.

use std::io::Read;

use flate2::read::MultiGzDecoder;

/// The largest report looked at, packed or not, in bytes.
pub(super) const MAX_BYTES: u64 = 1 << 20;

/// Why a report is refused, in GitLab's words.
pub(super) type Refusal = &'static str;

/// Checks the whole file, all members of it.
pub(super) fn check(packed: &[u8]) -> Result<(), Refusal> {
    let mut text = Vec::new();
    let unpacked = MultiGzDecoder::new(packed).take(MAX_BYTES + 1).read_to_end(&mut text);
    unpacked.map_err(|_| "Invalid Format")?;
    if text.len() as u64 > MAX_BYTES {
        return Err("Dotenv Artifact Too Big");
    }
    let text = str::from_utf8(&text).map_err(|_| "Invalid Format")?;
    text.lines().try_for_each(|line| {
        let (name, _) = line.split_once('=').ok_or("Invalid Format")?;
        let name = name.trim();
        match !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            true => Ok(()),
            false => Err("Validation failed: Key can contain only letters, digits and '_'."),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn all_members_are_read_and_every_line_must_be_a_variable() {
        assert_eq!(check(&packed(b"A=1\nB_2 = x=y\nC=\n")), Ok(()));
        assert_eq!(check(&[packed(b"A=1\n"), packed(b"B=2\n")].concat()), Ok(()));
        assert_eq!(check(&packed(b"")), Ok(()));
        for bad in [&b"A=1\n\nB=2"[..], b"# comment", b"no variable", b"\xff=1"] {
            assert_eq!(check(&packed(bad)), Err("Invalid Format"), "{bad:?}");
        }
        assert_eq!(check(&[packed(b"A=1\n"), packed(b"broken")].concat()), Err("Invalid Format"));
        assert!(check(&packed(b"A-B=1")).unwrap_err().starts_with("Validation failed"));
        assert_eq!(check(b"no gzip"), Err("Invalid Format"));
        assert_eq!(check(&packed(&vec![b'x'; 2 << 20])), Err("Dotenv Artifact Too Big"));
    }
}
