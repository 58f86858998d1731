//! Time: timestamps, and the clock that they are read from.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Utc};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z. Displayed in RFC 3339 with milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The text is no point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a time such as 2026-01-11T10:13:33.506Z or a date such as 2026-01-11")]
pub struct NotATime;

impl Timestamp {
    /// Creates a timestamp from milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Returns the time `seconds` later; `None` past the end of the calendar.
    pub fn plus_seconds(self, seconds: u64) -> Option<Self> {
        let millis = i64::try_from(seconds).ok()?.checked_mul(1000)?;
        let later = Self(self.0.checked_add(millis)?);
        DateTime::from_timestamp_millis(later.0).map(|_| later)
    }

    /// Parses RFC 3339, or a bare date as its first instant in UTC.
    ///
    /// # Errors
    /// [`NotATime`] for anything else.
    pub fn parse(text: &str) -> Result<Self, NotATime> {
        let parsed = match DateTime::parse_from_rfc3339(text) {
            Ok(time) => Some(time.with_timezone(&Utc)),
            Err(_) => {
                text.parse::<NaiveDate>().ok().and_then(|d| d.and_hms_opt(0, 0, 0)).map(|t| t.and_utc())
            }
        };
        parsed.map(|time| Self(time.timestamp_millis())).ok_or(NotATime)
    }
}

/// The forms of times with a zone, and of those without one, that clients write besides RFC 3339.
const WITH_ZONE: [&str; 4] =
    ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z", "%Y-%m-%dT%H:%M%#z"];
const WITHOUT_ZONE: [&str; 4] =
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];

impl Timestamp {
    /// Parses a time as clients write it in queries: as [`Timestamp::parse`] does, and also without a zone (then in UTC),
    /// without seconds, with a space for the `T`, with a zone without its colon, or with `UTC` behind it. A space before the
    /// zone is a plus that was not encoded.
    ///
    /// # Errors
    /// [`NotATime`] for anything else.
    pub fn parse_loosely(text: &str) -> Result<Self, NotATime> {
        if let Ok(time) = Self::parse(text) {
            return Ok(time);
        }
        let bare = text.strip_suffix(" UTC").or_else(|| text.strip_suffix('Z')).unwrap_or(text);
        let naive = |form: &&str| NaiveDateTime::parse_from_str(bare, form).ok();
        if let Some(time) = WITHOUT_ZONE.iter().find_map(naive) {
            return Ok(Self(time.and_utc().timestamp_millis()));
        }
        let lost = text.rsplit_once(' ').map(|(time, zone)| format!("{time}+{zone}"));
        let zoned = |text: &str| WITH_ZONE.iter().find_map(|form| DateTime::parse_from_str(text, form).ok());
        let time = zoned(text).or_else(|| lost.as_deref().and_then(zoned));
        time.map(|time| Self(time.timestamp_millis())).ok_or(NotATime)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp_millis(self.0) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{} ms", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The source of the current time; tests move a manual one instead of sleeping.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The system clock.
    #[default]
    System,
    /// Milliseconds since the epoch, set by a test.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
                Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
            }
            Self::Manual(millis) => Timestamp(millis.load(Ordering::SeqCst)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown_with_milliseconds() {
        let time = Timestamp::parse("2026-01-11T11:13:33.506+01:00").unwrap();
        assert_eq!(time.to_string(), "2026-01-11T10:13:33.506Z");
        assert_eq!(Timestamp::parse("2026-01-11").unwrap().to_string(), "2026-01-11T00:00:00.000Z");
        assert_eq!(Timestamp::parse("yesterday"), Err(NotATime));
    }

    #[test]
    fn times_are_read_as_clients_write_them() {
        let expected = Timestamp::parse("2026-01-02T03:04:05Z").unwrap();
        for text in [
            "2026-01-02T03:04:05",
            "2026-01-02 03:04:05",
            "2026-01-02 03:04:05Z",
            "2026-01-02 03:04:05 UTC",
            "2026-01-02T03:04:05.000Z",
            "2026-01-02T03:04:05+00:00",
            "2026-01-02T03:04:05 00:00",
            "2026-01-02T03:04:05+0000",
            "2026-01-02T05:04:05+02",
            "2026-01-02 05:04:05 +0200",
            "2026-01-02T01:04:05-02:00",
            "2026-01-02 05:04:05 02:00",
        ] {
            assert_eq!(Timestamp::parse_loosely(text), Ok(expected), "{text}");
        }
        let minute = Timestamp::parse("2026-01-02T03:04:00Z");
        for text in
            ["2026-01-02T03:04Z", "2026-01-02T03:04", "2026-01-02 03:04 UTC", "2026-01-02T04:04+01:00"]
        {
            assert_eq!(Timestamp::parse_loosely(text), minute, "{text}");
        }
        assert_eq!(Timestamp::parse_loosely("2026-01-02"), Timestamp::parse("2026-01-02T00:00:00Z"));
        for text in
            ["", "yesterday", "2026-13-01", "2026-01-02T25:00:00Z", "2026", "1767323045", "2026-01-02 UTC x"]
        {
            assert_eq!(Timestamp::parse_loosely(text), Err(NotATime), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_a_panic(text in "[0-9TZUC:+. -]{0,30}|.{0,12}") {
            let _ = Timestamp::parse_loosely(&text);
        }
    }

    #[test]
    fn a_time_past_the_calendar_is_refused() {
        assert_eq!(Timestamp(0).plus_seconds(u64::MAX), None);
        assert_eq!(Timestamp(0).plus_seconds(1 << 50), None);
    }
}
