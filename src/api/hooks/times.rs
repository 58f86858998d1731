//! Times in events: ISO 8601, or `2026-01-31 12:00:00 UTC`.

use serde::{Deserialize, Deserializer};

use crate::domain::Timestamp;

/// A time of an event; `None` for null and for what is no time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct EventTime(pub(super) Option<Timestamp>);

impl<'de> Deserialize<'de> for EventTime {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(from)?;
        Ok(Self(value.as_str().and_then(parse)))
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    match text.strip_suffix(" UTC").and_then(|time| time.split_once(' ')) {
        Some((date, time)) => Timestamp::parse(&format!("{date}T{time}Z")).ok(),
        None => Timestamp::parse(text).ok(),
    }
}

/// Returns the newest of some times.
pub(super) fn newest<const N: usize>(times: [EventTime; N]) -> Option<Timestamp> {
    times.into_iter().filter_map(|time| time.0).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_the_same_time() {
        let time = Timestamp::parse("2026-01-31T12:00:00Z").ok();
        for text in ["2026-01-31T12:00:00Z", "2026-01-31 12:00:00 UTC", "2026-01-31T12:00:00.000Z"] {
            assert_eq!(parse(text), time, "{text}");
        }
        for text in ["", "soon", " UTC", "2026-01-31 UTC"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
