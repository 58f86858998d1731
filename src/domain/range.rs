//! Byte range (RFC 9110, section 14): a single range is served, several are answered with the whole content.

use std::ops::Range;

/// The part of the content that a `Range` header requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requested {
    /// All of it: no range, several, or an invalid one.
    Whole,
    /// This part, never empty and never past the end.
    Part(Range<u64>),
    /// A part outside of the content.
    Unsatisfiable,
}

/// Parses a `Range` header for content of `size` bytes.
pub fn parse(header: &str, size: u64) -> Requested {
    let Some((unit, spec)) = header.split_once('=') else { return Requested::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
        return Requested::Whole;
    }
    let Some((first, last)) = spec.trim().split_once('-') else { return Requested::Whole };
    let part = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(suffix)) if first.is_empty() => size.saturating_sub(suffix)..size,
        _ => return Requested::Whole,
    };
    if part.is_empty() { Requested::Unsatisfiable } else { Requested::Part(part) }
}

/// Parses digits only; a number that is too large for 64 bits is past any end.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_range_is_honoured_in_its_three_forms() {
        for (header, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=10-19", 10..20),
            ("Bytes=10-19", 10..20),
            ("bytes=90-", 90..100),
            ("bytes=90-1000", 90..100),
            ("bytes=-10", 90..100),
            ("bytes=-1000", 0..100),
            ("bytes=5-99999999999999999999999", 5..100),
        ] {
            assert_eq!(parse(header, 100), Requested::Part(part), "{header}");
        }
    }

    #[test]
    fn what_is_not_there_is_unsatisfiable_and_what_is_no_range_is_ignored() {
        for header in ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(parse(header, 100), Requested::Unsatisfiable, "{header}");
        }
        assert_eq!(parse("bytes=0-", 0), Requested::Unsatisfiable);
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=a-b",
            "items=0-1",
            "bytes=0-1,5-6",
            "bytes=+1-2",
        ] {
            assert_eq!(parse(header, 100), Requested::Whole, "{header}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_inside(header in "bytes=[0-9]{0,3}-[0-9]{0,3}", size in 0_u64..300) {
            if let Requested::Part(part) = parse(&header, size) {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }
    }
}
