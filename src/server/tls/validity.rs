//! Validity: the last moment of a certificate, read from its DER form.
//!
//! The TLS library does not look at the dates of its own certificate; clients do, and refuse it.

use crate::domain::Timestamp;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Returns when the certificate ends to be valid; `None` if the bytes are no certificate.
pub(super) fn ends_at(certificate: &[u8]) -> Option<Timestamp> {
    let mut certificate = Elements(Elements(certificate).expect(SEQUENCE)?);
    let mut signed = Elements(certificate.expect(SEQUENCE)?);
    // Certificates of the first version, which is the default, do not name it.
    if signed.0.first() == Some(&VERSION) {
        signed.expect(VERSION)?;
    }
    signed.expect(INTEGER)?;
    // The signature's algorithm and the issuer stand before the dates.
    signed.expect(SEQUENCE)?;
    signed.expect(SEQUENCE)?;
    let mut dates = Elements(signed.expect(SEQUENCE)?);
    dates.next()?;
    match dates.next()? {
        (UTC_TIME, text) => time(century(text)?, text),
        (GENERALIZED_TIME, text) => time(text.get(..2)?, text.get(2..)?),
        _ => None,
    }
}

/// Returns the century of a two-digit year (RFC 5280, section 4.1.2.5.1).
fn century(text: &[u8]) -> Option<&'static [u8]> {
    Some(if *text.first()? >= b'5' { b"19" } else { b"20" })
}

/// Reads `YYMMDDHHMMSSZ` of a century.
fn time(century: &[u8], text: &[u8]) -> Option<Timestamp> {
    let digits = text.strip_suffix(b"Z").filter(|digits| digits.len() == 12)?;
    let century = std::str::from_utf8(century).ok()?;
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    let [year, month, day, hour, minute, second] = [0, 2, 4, 6, 8, 10].map(|at| &text[at..at + 2]);
    Timestamp::parse(&format!("{century}{year}-{month}-{day}T{hour}:{minute}:{second}Z")).ok()
}

/// Elements of DER that follow one another.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// Returns the tag and the content of the next element.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // Of up to four bytes; a length of an unknown end is no DER.
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let head =
            if length < 0x80 { vec![length as u8] } else { vec![0x82, (length >> 8) as u8, length as u8] };
        [&[tag][..], &head, content].concat()
    }

    /// A certificate as far as its dates.
    fn certificate(version: bool, tag: u8, end: &str) -> Vec<u8> {
        let dates = [element(UTC_TIME, b"200101000000Z"), element(tag, end.as_bytes())].concat();
        let version = if version { element(VERSION, &element(INTEGER, &[2])) } else { Vec::new() };
        let signed = [
            version,
            element(INTEGER, &[7; 20]),
            element(SEQUENCE, &[5, 0]),
            element(SEQUENCE, &[b'x'; 300]),
            element(SEQUENCE, &dates),
            element(SEQUENCE, &[]),
        ];
        element(SEQUENCE, &element(SEQUENCE, &signed.concat()))
    }

    #[test]
    fn the_end_is_read_in_both_forms() {
        for (tag, end, expected) in [
            (UTC_TIME, "270203040506Z", Some("2027-02-03T04:05:06Z")),
            (UTC_TIME, "500101000000Z", Some("1950-01-01T00:00:00Z")),
            (UTC_TIME, "491231235959Z", Some("2049-12-31T23:59:59Z")),
            (GENERALIZED_TIME, "20991231235959Z", Some("2099-12-31T23:59:59Z")),
            (GENERALIZED_TIME, "270203040506Z", None),
            (UTC_TIME, "270203040506", None),
            (UTC_TIME, "271303040506Z", None),
            (UTC_TIME, "+70203040506Z", None),
            (UTC_TIME, "", None),
            (INTEGER, "270203040506Z", None),
        ] {
            let expected = expected.map(|text| Timestamp::parse(text).unwrap());
            for version in [true, false] {
                assert_eq!(ends_at(&certificate(version, tag, end)), expected, "{end}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(cut in 0_usize..450, at in 0_usize..450, byte: u8) {
            let mut bytes = certificate(true, UTC_TIME, "270203040506Z");
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            ends_at(&bytes[..cut.min(bytes.len())]);
        }
    }
}
