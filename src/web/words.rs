//! Words: how sizes, times and states are written for people.

use crate::domain::Timestamp;
use crate::domain::status::Status;

/// Writes a size with three digits or so.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Writes a size that a row of the catalog states.
pub(super) fn row_size(bytes: i64) -> String {
    size(u64::try_from(bytes).unwrap_or(0))
}

/// Writes a number with its noun.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

/// A point in time, for machines and for people.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    /// RFC 3339.
    pub(super) iso: String,
    /// To the minute, in UTC.
    pub(super) date: String,
    /// How far away it is.
    pub(super) words: String,
}

impl Moment {
    pub(super) fn new(time: Timestamp, now: Timestamp) -> Self {
        let iso = time.to_string();
        let date = match (iso.get(..10), iso.get(11..16)) {
            (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
            _ => iso.clone(),
        };
        let millis = now.as_millis().saturating_sub(time.as_millis());
        let words = match millis {
            -59_999..=59_999 => "now".to_owned(),
            60_000.. => format!("{} ago", span(millis)),
            _ => format!("in {}", span(millis.saturating_neg())),
        };
        Self { iso, date, words }
    }
}

/// Writes a span in its largest unit.
fn span(millis: i64) -> String {
    const UNITS: [(&str, i64); 5] =
        [("year", 31_557_600), ("month", 2_592_000), ("day", 86_400), ("hour", 3_600), ("minute", 60)];
    let seconds = millis / 1000;
    let (unit, length) = UNITS.into_iter().find(|(_, length)| seconds >= *length).unwrap_or(("second", 1));
    match seconds / length {
        1 => format!("1 {unit}"),
        number => format!("{number} {unit}s"),
    }
}

/// Writes a number of seconds in their largest unit.
pub(super) fn seconds(seconds: u64) -> String {
    span(i64::try_from(seconds).unwrap_or(i64::MAX / 1000).saturating_mul(1000))
}

/// Writes how long something took.
pub(super) fn duration(from: Option<Timestamp>, until: Option<Timestamp>) -> Option<String> {
    let seconds = until?.as_millis().saturating_sub(from?.as_millis()).max(0) / 1000;
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    Some(match (hours, minutes) {
        (0, 0) => format!("{rest} s"),
        (0, _) => format!("{minutes} min {rest} s"),
        _ => format!("{hours} h {minutes} min"),
    })
}

/// A state in words, with the class of its colour: the word alone says it all.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    pub(super) word: &'static str,
    pub(super) class: &'static str,
}

impl From<Status> for State {
    fn from(status: Status) -> Self {
        let (word, class) = match status {
            Status::Success => ("passed", "good"),
            Status::Failed => ("failed", "bad"),
            Status::Canceled => ("canceled", "dull"),
            Status::Skipped => ("skipped", "dull"),
            Status::Running => ("running", "busy"),
            Status::Canceling => ("canceling", "busy"),
            Status::Created => ("created", "dull"),
            Status::WaitingForResource => ("waiting for a resource", "dull"),
            Status::Preparing => ("preparing", "busy"),
            Status::WaitingForCallback => ("waiting for a callback", "dull"),
            Status::Pending => ("waiting", "dull"),
            Status::Manual => ("manual", "dull"),
            Status::Scheduled => ("scheduled", "dull"),
        };
        Self { word, class }
    }
}

/// Until when an artifact is kept, in words.
#[derive(Debug, Clone)]
pub(super) struct Expiry {
    /// What else than its date keeps it.
    pub(super) kept: Option<String>,
    /// What follows from its date; `None` if that has passed and something else keeps it.
    pub(super) words: Option<String>,
    /// That date.
    pub(super) at: Option<Moment>,
}

impl Expiry {
    /// Describes an artifact of a pipeline that ran on `ref_name`; `is_locked` says whether that keeps its artifacts.
    pub(super) fn new(
        expire_at: Option<Timestamp>,
        is_available: bool,
        is_locked: bool,
        ref_name: &str,
        now: Timestamp,
    ) -> Self {
        let Some(time) = expire_at else {
            return Self { kept: None, words: Some("never expires".to_owned()), at: None };
        };
        let kept = (is_available && is_locked).then(|| format!("kept: newest of {ref_name}"));
        let moment = Moment::new(time, now);
        let words = match (is_available, now < time, &kept) {
            (false, ..) => format!("expired {}", moment.words),
            (true, true, None) => format!("expires {}", moment.words),
            (true, true, Some(_)) => format!("else expires {}", moment.words),
            (true, false, None) => format!("past its date {}", moment.words),
            (true, false, Some(_)) => return Self { kept, words: None, at: None },
        };
        Self { kept, words: Some(words), at: Some(moment) }
    }
}

/// Shortens a commit's ID as git does.
pub(super) fn short_sha(sha: &str) -> &str {
    sha.get(..8).unwrap_or(sha)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_largest_unit() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(count(1, "file", "files"), "1 file");
        assert_eq!(count(0, "file", "files"), "0 files");
    }

    #[test]
    fn times_say_how_far_away_they_are() {
        let now = Timestamp::parse("2026-02-01T12:00:00Z").unwrap();
        for (time, words) in [
            ("2026-02-01T12:00:30Z", "now"),
            ("2026-02-01T11:58:00Z", "2 minutes ago"),
            ("2026-02-02T12:00:00Z", "in 1 day"),
            ("2024-02-01T12:00:00Z", "2 years ago"),
        ] {
            assert_eq!(Moment::new(Timestamp::parse(time).unwrap(), now).words, words);
        }
        let moment = Moment::new(Timestamp::parse("2026-01-11T10:13:33.506Z").unwrap(), now);
        assert_eq!(moment.date, "2026-01-11 10:13 UTC");
        assert_eq!(Moment::new(Timestamp::from_millis(i64::MAX), now).iso, format!("{} ms", i64::MAX));
        assert_eq!(Moment::new(Timestamp::from_millis(i64::MIN), now).words, "292271023 years ago");
    }

    #[test]
    fn what_is_kept_says_why() {
        let now = Timestamp::parse("2026-02-01T12:00:00Z").unwrap();
        let past = Timestamp::parse("2026-01-31T12:00:00Z").ok();
        let future = Timestamp::parse("2026-02-04T12:00:00Z").ok();
        let newest = Some("kept: newest of main");
        for (expire_at, is_available, is_locked, kept, words, date) in [
            (past, true, true, newest, None, None),
            (future, true, true, newest, Some("else expires in 3 days"), Some("2026-02-04 12:00 UTC")),
            (past, false, false, None, Some("expired 1 day ago"), Some("2026-01-31 12:00 UTC")),
            (past, false, true, None, Some("expired 1 day ago"), Some("2026-01-31 12:00 UTC")),
            (future, true, false, None, Some("expires in 3 days"), Some("2026-02-04 12:00 UTC")),
            (None, true, true, None, Some("never expires"), None),
        ] {
            let expiry = Expiry::new(expire_at, is_available, is_locked, "main", now);
            let at = expiry.at.as_ref().map(|at| at.date.as_str());
            assert_eq!((expiry.kept.as_deref(), expiry.words.as_deref(), at), (kept, words, date));
        }
    }
}
