//! Option values that several commands share, and their parsers.

use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::domain::UnknownName;
use crate::domain::byte_size;
use crate::domain::project::is_valid_path;
use crate::domain::user::is_valid_username;

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

impl Switch {
    pub(super) fn is_on(self) -> bool {
        self == Self::On
    }
}

/// A project's size limit in bytes; `None` for the limit of the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SizeLimit(pub(super) Option<i64>);

impl FromStr for SizeLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("none") {
            return Ok(Self(None));
        }
        let bytes = byte_size::parse(text).ok().and_then(|bytes| i64::try_from(bytes).ok());
        // 0 would reject every upload of the project, but in the settings it means no limit: a mistake.
        bytes
            .filter(|bytes| *bytes > 0)
            .map(|bytes| Self(Some(bytes)))
            .ok_or_else(|| "expected a size such as 10 MiB, or none".into())
    }
}

/// Returns a parser for the names of an enum. Help and errors list the names.
pub(super) fn one_of<T>(all: &[T], name: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = UnknownName> + Copy + Send + Sync + 'static,
{
    let names = all.iter().map(|value| name(*value));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

/// Parses a username.
pub(super) fn username(text: &str) -> Result<String, String> {
    if is_valid_username(text) { Ok(text.to_owned()) } else { Err("expected a name without spaces".into()) }
}

/// Parses a project's or group's full path.
pub(super) fn full_path(text: &str) -> Result<String, String> {
    if is_valid_path(text) {
        Ok(text.to_owned())
    } else {
        Err("expected a full path, for example group/project".into())
    }
}

/// Returns `None` for an empty text.
pub(super) fn unless_empty(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_size_or_none_and_never_zero() {
        assert_eq!("none".parse(), Ok(SizeLimit(None)));
        assert_eq!("10 MiB".parse(), Ok(SizeLimit(Some(10 << 20))));
        for bad in ["0", "", "much"] {
            assert!(bad.parse::<SizeLimit>().is_err(), "{bad}");
        }
    }
}
