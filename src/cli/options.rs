//! Values of options that several commands share, and how their text is read.

use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::domain::UnknownName;
use crate::domain::byte_size;
use crate::domain::project::is_valid_path;
use crate::domain::user::is_valid_username;

/// A yes or no that may also be left as it is.
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

/// A project's own limit in bytes; none is the instance's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SizeLimit(pub(super) Option<i64>);

impl FromStr for SizeLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("none") {
            return Ok(Self(None));
        }
        let bytes = byte_size::parse(text).ok().and_then(|bytes| i64::try_from(bytes).ok());
        // Elsewhere 0 means no limit; nobody should find out that here it would refuse every upload.
        bytes
            .filter(|bytes| *bytes > 0)
            .map(|bytes| Self(Some(bytes)))
            .ok_or_else(|| "expected a size such as 10 MiB, or none".into())
    }
}

/// Takes the names of an enum, and lists them in the help and in the refusal of any other.
pub(super) fn one_of<T>(all: &[T], name: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = UnknownName> + Copy + Send + Sync + 'static,
{
    let names = all.iter().map(|value| name(*value));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

/// Checks a user's short name.
pub(super) fn username(text: &str) -> Result<String, String> {
    if is_valid_username(text) { Ok(text.to_owned()) } else { Err("expected a name without spaces".into()) }
}

/// Checks a project's or group's full path.
pub(super) fn full_path(text: &str) -> Result<String, String> {
    if is_valid_path(text) {
        Ok(text.to_owned())
    } else {
        Err("expected a full path, for example group/project".into())
    }
}

/// What an empty text stands for: nothing.
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
