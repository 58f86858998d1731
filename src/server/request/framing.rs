//! Framing: how a request's body says where it ends (RFC 9112, section 6).

/// Most bytes of a body's chunk extensions in total, and of its trailers.
const MAX_SPARE_BYTES: usize = 16 * 1024;

/// Extent of a request's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framing {
    /// This many bytes; 0 without a body.
    Length(u64),
    /// Chunks, to the last one and its trailers.
    Chunked(Chunks),
    /// Everything that follows: after an upgrade its meaning is unknown.
    ToEnd,
}

/// How far a body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More bytes belong to it.
    More,
    /// The body is complete.
    Ended,
    /// Its framing is invalid: what follows has no meaning.
    Broken,
}

/// State of a chunked body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunks {
    place: Place,
    /// Bytes left of the chunk, or its size as far as it was read.
    size: u64,
    /// Bytes of extensions so far; after the last chunk, of trailers.
    spare: usize,
}

/// Position of the next byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    SizeStart,
    Size,
    /// Blanks after the size.
    Blank,
    Extension,
    /// After the carriage return of the size.
    SizeEnd,
    Data,
    DataReturn,
    DataEnd,
    /// Before a trailer, or the empty line.
    LineStart,
    Trailer,
    TrailerEnd,
    LastEnd,
    Ended,
    Broken,
}

impl Framing {
    /// Returns the framing of a chunked body before its first byte.
    pub fn chunked() -> Self {
        Self::Chunked(Chunks { place: Place::SizeStart, size: 0, spare: 0 })
    }

    /// Follows the next bytes; returns how many of them belong to the body, fewer than all if it ends or
    /// breaks.
    pub fn follow(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::ToEnd => bytes.len(),
            Self::Length(left) => {
                let count = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= count as u64;
                count
            }
            Self::Chunked(chunks) => chunks.follow(bytes),
        }
    }

    /// Returns how far the body has come.
    pub fn progress(&self) -> Progress {
        match self {
            Self::Length(0) => Progress::Ended,
            Self::Chunked(Chunks { place: Place::Ended, .. }) => Progress::Ended,
            Self::Chunked(Chunks { place: Place::Broken, .. }) => Progress::Broken,
            _ => Progress::More,
        }
    }
}

impl Chunks {
    fn follow(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.place == Place::Data {
                let left = usize::try_from(self.size).unwrap_or(usize::MAX);
                let count = left.min(bytes.len() - at);
                self.size -= count as u64;
                at += count;
                if self.size == 0 {
                    self.place = Place::DataReturn;
                }
                continue;
            }
            if matches!(self.place, Place::Ended | Place::Broken) {
                break;
            }
            self.place = self.next(byte);
            // The byte that breaks it is not handed on.
            at += usize::from(self.place != Place::Broken);
        }
        at
    }

    fn next(&mut self, byte: u8) -> Place {
        match (self.place, byte) {
            (Place::SizeStart, byte) if byte.is_ascii_hexdigit() => {
                self.size = digit(byte);
                Place::Size
            }
            (Place::Size, byte) if byte.is_ascii_hexdigit() => match self.size.checked_mul(16) {
                Some(size) => {
                    self.size = size + digit(byte);
                    Place::Size
                }
                None => Place::Broken,
            },
            (Place::Size | Place::Blank, b' ' | b'\t') => self.spare(Place::Blank),
            (Place::Size | Place::Blank, b';') => self.spare(Place::Extension),
            (Place::Size | Place::Blank | Place::Extension, b'\r') => Place::SizeEnd,
            (Place::Extension, byte) if is_text(byte) => self.spare(Place::Extension),
            (Place::SizeEnd, b'\n') if self.size > 0 => Place::Data,
            (Place::SizeEnd, b'\n') => {
                self.spare = 0;
                Place::LineStart
            }
            (Place::DataReturn, b'\r') => Place::DataEnd,
            (Place::DataEnd, b'\n') => Place::SizeStart,
            (Place::LineStart, b'\r') => Place::LastEnd,
            (Place::LineStart | Place::Trailer, byte) if is_text(byte) => self.spare(Place::Trailer),
            (Place::Trailer, b'\r') => Place::TrailerEnd,
            (Place::TrailerEnd, b'\n') => Place::LineStart,
            (Place::LastEnd, b'\n') => Place::Ended,
            _ => Place::Broken,
        }
    }

    fn spare(&mut self, place: Place) -> Place {
        self.spare += 1;
        if self.spare > MAX_SPARE_BYTES { Place::Broken } else { place }
    }
}

/// Returns the value of a hexadecimal digit.
fn digit(byte: u8) -> u64 {
    char::from(byte).to_digit(16).map_or(0, u64::from)
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns how many bytes belong to the body, followed in pieces of this size, and how far it came.
    fn followed(mut framing: Framing, bytes: &[u8], piece: usize) -> (usize, Progress) {
        let mut count = 0;
        for piece in bytes.chunks(piece) {
            let belongs = framing.follow(piece);
            count += belongs;
            if belongs < piece.len() {
                break;
            }
        }
        (count, framing.progress())
    }

    #[test]
    fn a_length_is_followed_to_its_end() {
        assert_eq!(followed(Framing::Length(3), b"abcd", 9), (3, Progress::Ended));
        assert_eq!(followed(Framing::Length(5), b"abcd", 1), (4, Progress::More));
        assert_eq!(followed(Framing::Length(0), b"abcd", 1), (0, Progress::Ended));
        assert_eq!(followed(Framing::Length(u64::MAX), b"abcd", 1), (4, Progress::More));
        assert_eq!(followed(Framing::ToEnd, b"abcd", 1), (4, Progress::More));
    }

    #[test]
    fn chunks_are_followed_to_the_last_line_and_no_further() {
        for whole in [
            "0\r\n\r\n",
            "3\r\nabc\r\n0\r\n\r\n",
            "00A \t;x=\"y\";\u{fc}\r\n0123456789\r\n0\r\n\r\n",
            "1\r\na\r\n000\r\nX: y\r\nZ: z\r\n\r\n",
        ] {
            let text = format!("{whole}GET ");
            for piece in 1..text.len() {
                let (count, progress) = followed(Framing::chunked(), text.as_bytes(), piece);
                assert_eq!((count, progress), (whole.len(), Progress::Ended), "{whole:?}");
                let cut = &text.as_bytes()[..whole.len() - 1];
                assert_eq!(followed(Framing::chunked(), cut, piece), (cut.len(), Progress::More));
            }
        }
    }

    #[test]
    fn what_is_no_chunk_breaks_where_it_stops_being_one() {
        for (bytes, good) in [
            ("+3\r\n", ""),
            ("\r\n", ""),
            ("3\nabc", "3"),
            ("3 3\r\n", "3 "),
            ("3;a\nb", "3;a"),
            ("3;\0", "3;"),
            ("3\r\nabcd", "3\r\nabc"),
            ("3\r\nabc\r0", "3\r\nabc\r"),
            ("0\r\n\r0", "0\r\n\r"),
            ("0\r\n\nX", "0\r\n"),
            ("0\r\nX: y\n\r\n", "0\r\nX: y"),
            ("0\r\nX: y\r\r\n", "0\r\nX: y\r"),
            ("11111111111111111\r\n", "1111111111111111"),
        ] {
            let expected = (good.len(), Progress::Broken);
            assert_eq!(followed(Framing::chunked(), bytes.as_bytes(), usize::MAX), expected, "{bytes:?}");
            assert_eq!(followed(Framing::chunked(), bytes.as_bytes(), 1), expected, "{bytes:?}");
        }
        let long = format!("3;{}", "x".repeat(MAX_SPARE_BYTES));
        assert_eq!(followed(Framing::chunked(), long.as_bytes(), 100).1, Progress::Broken);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_a_body_is_cut(
            bytes in "([0-3]|a|\r\n|\r|\n|;|X: y| |0\r\n\r\n|3\r\nabc\r\n){0,20}",
            piece in 1_usize..9,
        ) {
            let whole = followed(Framing::chunked(), bytes.as_bytes(), usize::MAX);
            prop_assert_eq!(followed(Framing::chunked(), bytes.as_bytes(), piece), whole);
        }
    }
}
