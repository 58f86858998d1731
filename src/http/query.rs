//! Query parameters, decoded as Rack does; of several values the last wins.

use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::domain::Timestamp;

/// Decoded query parameters.
#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

/// A parameter with an invalid value; each dialect has its own words for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidParameter {
    /// The value of this parameter is not of its type.
    Type(&'static str),
    /// The value of this parameter is none of its choices.
    Choice(&'static str),
}

impl Query {
    /// Parses a query string; never fails. A NUL, which PostgreSQL rejects, becomes U+FFFD, as undecodable
    /// bytes do: such text matches nothing.
    pub fn parse(text: &str) -> Self {
        let pairs = form_urlencoded::parse(text.as_bytes());
        Self(pairs.map(|(name, value)| (name.into_owned(), value.replace('\0', "\u{fffd}"))).collect())
    }

    /// Returns the last value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next_back()
    }

    /// Returns all values of a parameter, for callers for which the last must not simply win.
    pub fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is written as a list or table: `name[]`, `name[0]`, `name[key]`.
    pub fn has_list(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known.strip_prefix(name).is_some_and(|rest| rest.starts_with('[')))
    }

    /// Returns the last value of a parameter; `None` if it is empty.
    pub fn get_filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Returns the non-empty values of a list, written as `name[]=a&name[]=b`, `name[0]=a&name[1]=b` or, for
    /// a list of one, `name=a`.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let is_item = |known: &str| {
            known.strip_prefix(name).is_some_and(|rest| rest.starts_with('[') && rest.ends_with(']'))
        };
        let items = self.0.iter().filter(|(known, _)| is_item(known)).map(|(_, value)| value.as_str());
        let items: Vec<&str> = items.filter(|value| !value.is_empty()).collect();
        if items.is_empty() { self.get_filled(name).into_iter().collect() } else { items }
    }

    /// Returns the pairs of a table, written as `name[key]=value`; of a key that appears twice, both.
    pub fn table(&self, name: &str) -> Vec<(String, String)> {
        let key = |known: &str| {
            let inner = known.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?;
            (!inner.is_empty()).then(|| inner.to_owned())
        };
        self.0.iter().filter_map(|(known, value)| Some((key(known)?, value.clone()))).collect()
    }

    /// Returns the decoded bytes of a parameter in a raw query string, UTF-8 or not, for a value whose faults
    /// have an error of their own.
    pub fn bytes_of(query: &str, name: &str) -> Option<Vec<u8>> {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.filter(|(known, _)| *known == name).map(|(_, value)| value).next_back()?;
        Some(percent_decode_str(&value.replace('+', " ")).collect())
    }

    /// Reads a boolean in any form that clients write, Python's included; `false` if absent or empty.
    ///
    /// # Errors
    /// [`InvalidParameter::Type`] for any other value.
    pub fn flag(&self, name: &'static str) -> Result<bool, InvalidParameter> {
        match self.get(name).unwrap_or_default().to_ascii_lowercase().as_str() {
            "true" | "t" | "1" | "yes" | "on" => Ok(true),
            "" | "false" | "f" | "0" | "no" | "off" => Ok(false),
            _ => Err(InvalidParameter::Type(name)),
        }
    }

    /// Reads an integer.
    ///
    /// # Errors
    /// [`InvalidParameter::Type`] for any other value.
    pub fn integer(&self, name: &'static str) -> Result<Option<i64>, InvalidParameter> {
        let number = |text: &str| text.parse().map_err(|_| InvalidParameter::Type(name));
        self.get_filled(name).map(number).transpose()
    }

    /// Reads a time in ISO 8601, in any form that clients write.
    ///
    /// # Errors
    /// [`InvalidParameter::Type`] for any other value.
    pub fn time(&self, name: &'static str) -> Result<Option<Timestamp>, InvalidParameter> {
        let Some(text) = self.get_filled(name) else { return Ok(None) };
        let time = Timestamp::parse_loosely(text).map_err(|_| InvalidParameter::Type(name))?;
        Ok(Some(time))
    }

    /// Reads one of the names of an enum.
    ///
    /// # Errors
    /// [`InvalidParameter::Choice`] for any other value.
    pub fn choice<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, InvalidParameter> {
        let choice = |text: &str| text.parse().map_err(|_| InvalidParameter::Choice(name));
        self.get_filled(name).map(choice).transpose()
    }

    /// Reads one of a few names.
    ///
    /// # Errors
    /// [`InvalidParameter::Choice`] for any other value.
    pub fn choice_of<T: Copy>(
        &self,
        name: &'static str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, InvalidParameter> {
        let Some(text) = self.get_filled(name) else { return Ok(None) };
        let chosen = choices.iter().find(|(known, _)| *known == text).map(|(_, meaning)| *meaning);
        chosen.map(Some).ok_or(InvalidParameter::Choice(name))
    }

    /// Reads a list of names of an enum.
    ///
    /// # Errors
    /// [`InvalidParameter::Choice`] if one is no such name.
    pub fn choices<T: FromStr>(&self, name: &'static str) -> Result<Vec<T>, InvalidParameter> {
        let names = self.list(name).into_iter();
        names.map(|text| text.parse().map_err(|_| InvalidParameter::Choice(name))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_several_wins_and_plus_is_a_space() {
        let query = Query::parse("job=a&job=build+it%3A+%5Ba%2Fb%5D&empty=&flag=True");
        assert_eq!(query.get("job"), Some("build it: [a/b]"));
        assert_eq!(query.get("empty"), Some(""));
        assert_eq!(query.get_filled("empty"), None);
        assert_eq!(query.get("none"), None);
        assert_eq!(Query::bytes_of("path=a&path=b+%ff%00", "path").as_deref(), Some(&b"b \xff\0"[..]));
        assert_eq!(Query::bytes_of("a=b&pat=c&path", "path"), None);
        assert_eq!(query.flag("flag"), Ok(true));
        assert_eq!(query.flag("none"), Ok(false));
        assert_eq!(query.flag("job"), Err(InvalidParameter::Type("job")));
    }
    #[test]
    fn a_list_is_written_in_three_ways() {
        let list = |text: &str| Query::parse(text).list("scope").join(" ");
        assert_eq!(list("scope%5B%5D=success&scope[]=failed&scope=none"), "success failed");
        assert_eq!(list("scope[0]=success&scope%5B1%5D=failed"), "success failed");
        assert_eq!(list("scope=success"), "success");
        assert_eq!(list("scope[]=&scope="), "");
        assert_eq!(list("scopes[]=a&other=b"), "");
    }
}
