//! Query parameters, as Rack reads them: decoded, the last of several winning.

use percent_encoding::percent_decode_str;

/// Decoded query parameters.
#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

/// The text is no boolean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotABoolean;

impl Query {
    /// Reads a query string; nothing in it can be wrong. A NUL, which PostgreSQL would stumble
    /// over, becomes what undecodable bytes become: text that names nothing.
    pub fn parse(text: &str) -> Self {
        let pairs = form_urlencoded::parse(text.as_bytes());
        Self(pairs.map(|(name, value)| (name.into_owned(), value.replace('\0', "\u{fffd}"))).collect())
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next_back()
    }

    /// All values of a parameter, where it must not matter which one wins.
    pub fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is written as a list or table: `name[]`, `name[0]`, `name[key]`.
    pub fn has_list(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known.strip_prefix(name).is_some_and(|rest| rest.starts_with('[')))
    }

    /// The value of a parameter, an empty one as if it were not there.
    pub fn get_filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// All values of a list, written as `name[]=a&name[]=b`, `name[0]=a&name[1]=b` or, for a list of
    /// one, `name=a`; empty ones left out.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let is_item = |known: &str| {
            known.strip_prefix(name).is_some_and(|rest| rest.starts_with('[') && rest.ends_with(']'))
        };
        let items = self.0.iter().filter(|(known, _)| is_item(known)).map(|(_, value)| value.as_str());
        let items: Vec<&str> = items.filter(|value| !value.is_empty()).collect();
        if items.is_empty() { self.get_filled(name).into_iter().collect() } else { items }
    }

    /// The decoded bytes of a parameter in a raw query string, whether they are text or not: for a
    /// value whose faults have an answer of their own.
    pub fn bytes_of(query: &str, name: &str) -> Option<Vec<u8>> {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.filter(|(known, _)| *known == name).map(|(_, value)| value).next_back()?;
        Some(percent_decode_str(&value.replace('+', " ")).collect())
    }

    /// A boolean parameter, `false` when absent or empty. Clients write them in many ways, Python
    /// among them.
    ///
    /// # Errors
    /// [`NotABoolean`] for anything that is none.
    pub fn flag(&self, name: &str) -> Result<bool, NotABoolean> {
        match self.get(name).unwrap_or_default().to_ascii_lowercase().as_str() {
            "true" | "t" | "1" | "yes" | "on" => Ok(true),
            "" | "false" | "f" | "0" | "no" | "off" => Ok(false),
            _ => Err(NotABoolean),
        }
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
        assert_eq!(query.flag("job"), Err(NotABoolean));
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
