//! Byte size, as people write it: `100 MiB`, `1.5GB`, `4096`.

/// The text is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a size such as 4096, 10 MB or 100 MiB")]
pub struct NotASize;

/// Units, longest first, so that `MiB` is not read as a `B`.
const UNITS: &[(&str, u64)] = &[
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("b", 1),
];

/// Parses a size into bytes: a bare number is bytes, else `B`, `KB MB GB` (1000) or `KiB MiB GiB` (1024), in
/// any case, with or without a space.
///
/// # Errors
/// [`NotASize`] for anything else, and for more than 8 EiB.
pub fn parse(text: &str) -> Result<u64, NotASize> {
    let lower = text.trim().to_ascii_lowercase();
    let (number, unit) = UNITS
        .iter()
        .find_map(|(name, bytes)| lower.strip_suffix(name).map(|number| (number.trim_end(), *bytes)))
        .unwrap_or((&lower, 1));
    let bytes = match number.split_once('.') {
        None => {
            number.parse::<u64>().ok().filter(|_| !number.starts_with('+')).and_then(|n| n.checked_mul(unit))
        }
        Some((whole, fraction)) => fractional(whole, fraction, unit),
    };
    bytes.filter(|bytes| i64::try_from(*bytes).is_ok()).ok_or(NotASize)
}

fn fractional(whole: &str, fraction: &str, unit: u64) -> Option<u64> {
    let digits = |s: &str| (1..=6).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit());
    if unit == 1 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let scale = 10_u64.pow(fraction.len() as u32);
    let parts = whole.parse::<u64>().ok()? * scale + fraction.parse::<u64>().ok()?;
    Some((u128::from(parts) * u128::from(unit) / u128::from(scale)) as u64)
}

/// Formats a size as a person would: in the largest binary unit without a remainder, else in bytes.
pub fn show(bytes: u64) -> String {
    [("GiB", 30), ("MiB", 20), ("KiB", 10)]
        .into_iter()
        .find(|(_, shift)| bytes > 0 && bytes.trailing_zeros() >= *shift)
        .map_or_else(|| format!("{bytes} B"), |(unit, shift)| format!("{} {unit}", bytes >> shift))
}

/// Formats a size to one decimal of the unit that suits it, for sentences.
pub fn show_roughly(bytes: u64) -> String {
    let Some((unit, shift)) =
        [("GiB", 30), ("MiB", 20), ("KiB", 10)].into_iter().find(|(_, s)| bytes >> s > 0)
    else {
        return format!("{bytes} B");
    };
    let tenths = (u128::from(bytes) * 10) >> shift;
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} {unit}"),
        (whole, tenth) => format!("{whole}.{tenth} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_both_systems() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("10 MiB", 10 << 20),
            ("10mb", 10_000_000),
            ("1.5 GiB", 3 << 29),
            ("7 B", 7),
            ("2KB", 2000),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for bad in ["", "MiB", "-1", "+1", "1.5", "ten", "1 TiB", "99999999999 GiB", "1..5 MB", "1 M B"] {
            assert_eq!(parse(bad), Err(NotASize), "{bad}");
        }
    }

    #[test]
    fn a_limit_is_shown_as_it_was_set() {
        assert_eq!(show(10 << 20), "10 MiB");
        assert_eq!(show(1536), "1536 B");
        assert_eq!(show(2 << 30), "2 GiB");
    }

    #[test]
    fn a_size_in_a_sentence_is_short() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1600, "1.5 KiB"), (3 << 29, "1.5 GiB")]
        {
            assert_eq!(show_roughly(bytes), text);
        }
    }
}
