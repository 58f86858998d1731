//! Expiry: how long artifacts are kept, in GitLab's `expire_in` phrases, and whether an expired one is
//! readable.
//!
//! The phrases are those of the Ruby library that GitLab parses them with: units in many spellings, number
//! words, clock forms, bare numbers as seconds. A year has 365.25 days and a month 30. Settings use the same
//! phrases for durations.

use crate::domain::Timestamp;

/// How long an artifact is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// For ever.
    Never,
    /// This many seconds, more than 0, from its creation.
    Seconds(u64),
}

/// The text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a duration such as 30 days, 2 hrs 20 min or 3600 (seconds)")]
pub struct NotADuration;

/// The text is neither a duration nor `never`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a duration such as 30 days, 2 hrs 20 min, 3600 (seconds) or never")]
pub struct NotALifetime;

impl From<NotADuration> for NotALifetime {
    fn from(NotADuration: NotADuration) -> Self {
        Self
    }
}

/// Longest phrase that is parsed.
const MAX_PHRASE_BYTES: usize = 256;

const UNITS: &[(&[&str], u64)] = &[
    (&["seconds", "second", "secs", "sec", "s"], 1),
    (&["minutes", "minute", "mins", "min", "m"], 60),
    (&["hours", "hour", "hrs", "hr", "h"], 3_600),
    (&["days", "day", "dy", "d"], 86_400),
    (&["weeks", "week", "wks", "wk", "w"], 604_800),
    (&["months", "month", "mos", "mo"], 2_592_000),
    (&["years", "year", "yrs", "yr", "y"], 31_557_600),
];

const SMALL_NUMBERS: &[&str] = &[
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];

const TENS: &[&str] = &["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

const JOINERS: &[&str] = &["and", "with", "plus"];

impl Lifetime {
    /// Parses an `expire_in` phrase; `0` and `never` both mean [`Lifetime::Never`].
    ///
    /// # Errors
    /// [`NotALifetime`] for anything else that is no phrase, an empty text included.
    pub fn parse(phrase: &str) -> Result<Self, NotALifetime> {
        let phrase = phrase.trim();
        if phrase.eq_ignore_ascii_case("never") {
            return Ok(Self::Never);
        }
        Ok(match parse_seconds(phrase)? {
            0 => Self::Never,
            seconds => Self::Seconds(seconds),
        })
    }

    /// Returns when an artifact created at `from` expires; `None` for never.
    ///
    /// # Errors
    /// [`NotALifetime`] if that is past the end of the calendar.
    pub fn expires_at(self, from: Timestamp) -> Result<Option<Timestamp>, NotALifetime> {
        match self {
            Self::Never => Ok(None),
            Self::Seconds(seconds) => from.plus_seconds(seconds).map(Some).ok_or(NotALifetime),
        }
    }
}

/// Parses a duration phrase into whole seconds, rounded up.
///
/// # Errors
/// [`NotADuration`] if any part of it is not understood.
pub fn parse_seconds(phrase: &str) -> Result<u64, NotADuration> {
    if phrase.len() > MAX_PHRASE_BYTES {
        return Err(NotADuration);
    }
    let phrase = phrase.trim().to_ascii_lowercase();
    let seconds = if phrase.contains(':') { clock_seconds(&phrase) } else { worded_seconds(&phrase) };
    // Half a second would round to an expiry of 0, which means never.
    seconds.map(|s| s.ceil()).filter(|s| *s < 1e15).map(|s| s as u64).ok_or(NotADuration)
}

/// Parses `mm:ss`, `hh:mm:ss` or `dd:hh:mm:ss`, counted from the right.
fn clock_seconds(phrase: &str) -> Option<f64> {
    let fields: Vec<&str> = phrase.split(':').collect();
    if fields.len() > 4 {
        return None;
    }
    fields
        .iter()
        .rev()
        .zip([1.0, 60.0, 3_600.0, 86_400.0])
        .map(|(field, unit)| Some(number(field)? * unit))
        .sum()
}

/// Parses numbers followed by units: a unit without a number counts once, a number without a unit is seconds.
fn worded_seconds(phrase: &str) -> Option<f64> {
    let words = words(phrase)?;
    let mut total = None;
    let mut count: Option<Count> = None;
    for word in words.into_iter().filter(|word| !JOINERS.contains(word)) {
        if let Some(unit) = unit_seconds(word) {
            let times = count.take().map_or(1.0, |count| count.0);
            *total.get_or_insert(0.0) += times * unit as f64;
        } else {
            count = Some(Count::read(word, count)?);
        }
    }
    match count {
        Some(seconds) => Some(total.unwrap_or(0.0) + seconds.0),
        None => total,
    }
}

/// A number that may continue: `twenty` and `one`, `two` and `hundred`.
struct Count(f64, Expects);

#[derive(PartialEq)]
enum Expects {
    Unit,
    Digit,
    Hundred,
}

impl Count {
    fn read(word: &str, before: Option<Self>) -> Option<Self> {
        let small = SMALL_NUMBERS.iter().position(|name| *name == word).map(|n| n as f64);
        let tens = TENS.iter().position(|name| *name == word).map(|n| (n as f64 + 2.0) * 10.0);
        match (before, small, tens) {
            (None, Some(small), _) => Some(Self(small, Expects::Hundred)),
            (None, _, Some(tens)) => Some(Self(tens, Expects::Digit)),
            (None, None, None) if word == "hundred" => Some(Self(100.0, Expects::Unit)),
            (None, None, None) => number(word).map(|number| Self(number, Expects::Unit)),
            (Some(Self(tens, Expects::Digit)), Some(digit), _) if (1.0..10.0).contains(&digit) => {
                Some(Self(tens + digit, Expects::Unit))
            }
            (Some(Self(digit, Expects::Hundred)), ..) if word == "hundred" => {
                Some(Self(digit * 100.0, Expects::Unit))
            }
            (Some(_), ..) => None,
        }
    }
}

/// Splits into runs of digits (with a point) and runs of letters; `None` on any other character.
fn words(phrase: &str) -> Option<Vec<&str>> {
    let class = |c: char| match c {
        '0'..='9' | '.' => Some('0'),
        'a'..='z' => Some('a'),
        ' ' | '\t' | ',' => Some(' '),
        _ => None,
    };
    let mut words = Vec::new();
    let mut rest = phrase;
    while let Some(first) = rest.chars().next() {
        let kind = class(first)?;
        let end = rest.find(|c| class(c) != Some(kind)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if kind != ' ' {
            words.push(word);
        }
        rest = after;
    }
    Some(words)
}

fn number(word: &str) -> Option<f64> {
    let plain = word.starts_with(|c: char| c.is_ascii_digit())
        && word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    word.parse().ok().filter(|_| plain)
}

fn unit_seconds(word: &str) -> Option<u64> {
    UNITS.iter().find(|(names, _)| names.contains(&word)).map(|(_, seconds)| *seconds)
}

/// Whether an artifact is readable: not expired, or locked. The one predicate for every read (contract, row
/// 2).
pub fn is_available(expire_at: Option<Timestamp>, locked: bool, now: Timestamp) -> bool {
    locked || expire_at.is_none_or(|expiry| now < expiry)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn phrases_are_read_as_the_ci_server_reads_them() {
        let day = 86_400;
        for (phrase, seconds) in [
            ("42", 42),
            ("1:20", 80),
            ("4:01:01", 4 * 3600 + 61),
            ("3 mins 4 sec", 184),
            ("three mins four sec", 184),
            ("2 hrs 20 min", 8400),
            ("2h20min", 8400),
            ("6 mos 1 day", 181 * day),
            ("1 y", 31_557_600),
            ("47 yrs 6 mos and 4.5d", 1_499_148_000),
            ("1:2:3:4", 93_784),
            ("day", day),
            ("days 5", day + 5),
            ("twenty one days", 21 * day),
            ("forty days", 40 * day),
            ("two hundred days", 200 * day),
            ("3 weeks, plus 2 days", 23 * day),
            ("3 hours and ", 3 * 3600),
            ("12.4 secs", 13),
            ("3 weeks and 2 days", 23 * day),
            ("  1 Week ", 7 * day),
            ("2 days, 3 hours", 2 * day + 3 * 3600),
            ("30 days", 30 * day),
            ("0.2 sec", 1),
        ] {
            assert_eq!(parse_seconds(phrase), Ok(seconds), "{phrase}");
        }
    }

    #[test]
    fn zero_and_never_mean_never() {
        for phrase in ["never", "Never", "0", "0 days"] {
            assert_eq!(Lifetime::parse(phrase), Ok(Lifetime::Never), "{phrase}");
        }
    }

    #[test]
    fn what_is_not_understood_in_full_is_refused() {
        let long = "1 day ".repeat(100);
        for phrase in [
            "",
            " ",
            "soon",
            "1 fortnight",
            "a day",
            "2 days ago",
            "5 5 days",
            "twenty twelve",
            "-1 day",
            "1 day!",
            "1..5 days",
            "1:",
            ":1",
            "1:2:3:4:5",
            "1:20 hours",
            "and",
            "99999999999999999999 years",
            "ⅷ days",
            &long,
        ] {
            assert_eq!(parse_seconds(phrase), Err(NotADuration), "{phrase}");
        }
    }

    #[test]
    fn a_lifetime_past_the_calendar_is_refused() {
        let now = Timestamp::from_millis(0);
        assert_eq!(Lifetime::parse("900000 years").unwrap().expires_at(now), Err(NotALifetime));
        assert_eq!(Lifetime::Never.expires_at(now), Ok(None));
    }

    #[test]
    fn expired_artifacts_stay_readable_only_while_locked() {
        let (early, late) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
        assert!(is_available(Some(late), false, early));
        assert!(!is_available(Some(late), false, late));
        assert!(is_available(Some(early), true, late));
        assert!(is_available(None, false, late));
    }

    proptest! {
        #[test]
        fn no_phrase_panics(phrase in ".{0,80}") {
            let _ = Lifetime::parse(&phrase);
        }

        #[test]
        fn whole_units_add_up(hours in 0_u64..10_000, minutes in 0_u64..10_000) {
            let expected = hours * 3_600 + minutes * 60;
            prop_assert_eq!(parse_seconds(&format!("{hours}h {minutes} mins")), Ok(expected));
        }
    }
}
