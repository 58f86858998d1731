//! Build: what the starter of a pipeline says about it, and what is known of the steps of its jobs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Texts by name, such as environment variables and meta-data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TextMap(pub BTreeMap<String, String>);

/// Most names.
pub const MAX_NAMES: usize = 1000;

/// Longest name, in bytes.
pub const MAX_NAME_BYTES: usize = 255;

/// Most bytes of all names and values: they are read as a whole.
pub const MAX_BYTES: usize = 1 << 20;

impl TextMap {
    /// Checks that every name and value can be stored and found again.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), String> {
        if self.0.len() > MAX_NAMES {
            return Err(format!("has more than {MAX_NAMES} names"));
        }
        let bytes: usize = self.0.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > MAX_BYTES {
            return Err(format!("has more than {MAX_BYTES} bytes in its names and values"));
        }
        for (name, value) in &self.0 {
            if name.is_empty() || name.len() > MAX_NAME_BYTES {
                return Err(format!("expected names of 1 to {MAX_NAME_BYTES} bytes"));
            }
            if name.contains('\0') || value.contains('\0') {
                return Err("expected texts without NUL".to_owned());
            }
        }
        Ok(())
    }
}

/// Reads numbers and booleans as their text, because their senders mean that.
impl<'de> Deserialize<'de> for TextMap {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let values: BTreeMap<String, Scalar> = BTreeMap::deserialize(from)?;
        Ok(Self(values.into_iter().map(|(name, value)| (name, value.into_text())).collect()))
    }
}

/// A text, number or boolean, whose sender means its text.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Scalar {
    Text(String),
    Whole(i64),
    Flag(bool),
    Number(f64),
    Nothing(()),
}

impl Scalar {
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Whole(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Nothing(()) => String::new(),
        }
    }
}

/// The author of a build, who need not have an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Author {
    /// The display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The name of an account elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// The pull request that a build is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullRequest {
    /// Its number, as text.
    pub id: String,
    /// The branch that it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The repository that it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Its labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

/// The agent that runs a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// The machine that it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
}

/// The names of a project in the dialect of builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slugs {
    /// The organization.
    pub organization: String,
    /// The pipeline, unique in the organization.
    pub pipeline: String,
}

impl Slugs {
    /// Derives the names from a project's full path: its first segment, and the others joined.
    pub fn of_path(path: &str) -> Self {
        let (organization, rest) = path.split_once('/').unwrap_or((path, ""));
        Self { organization: slug(organization), pipeline: slug(rest) }
    }

    /// Returns the pipeline's name for a try: without a number first, then with one from 2 on.
    pub fn numbered(&self, number: u32) -> String {
        if number < 2 { self.pipeline.clone() } else { format!("{}-{number}", self.pipeline) }
    }
}

/// Turns a text into a slug: lower case, and a hyphen for each run of other characters than letters and digits.
pub fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let joined = words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-");
    if joined.is_empty() { "x".to_owned() } else { joined }
}

/// Whether a text is a slug.
pub fn is_slug(text: &str) -> bool {
    text.len() <= 100 && slug(text) == text
}

/// Encodes what a build or job is described with, as the JSON that the catalog keeps.
///
/// # Errors
/// `Internal` when it cannot be encoded.
pub fn as_json(value: &impl Serialize) -> crate::domain::Result<String> {
    serde_json::to_string(value).map_err(crate::domain::Error::internal)
}

/// Reads the index, from 0, and the total of a job that is one of several parallel ones: `test 2/5`.
pub fn parallel(name: &str) -> Option<(i64, i64)> {
    let (number, total) = name.rsplit_once(' ')?.1.split_once('/')?;
    let (number, total): (i64, i64) = (number.parse().ok()?, total.parse().ok()?);
    (1..=total).contains(&number).then_some((number - 1, total))
}

/// Returns the label of the step of a job: its name without the number among parallel ones.
pub fn step_label(name: &str) -> &str {
    match parallel(name) {
        Some(_) => name.rsplit_once(' ').map_or(name, |(label, _)| label),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_has_letters_digits_and_single_hyphens() {
        for (text, expected) in
            [("Acme", "acme"), ("my.group", "my-group"), ("__a  b__", "a-b"), ("ü", "x"), ("", "x")]
        {
            assert_eq!(slug(text), expected);
            assert!(is_slug(expected));
        }
        assert!(!is_slug("A") && !is_slug("a--b") && !is_slug("-a") && !is_slug(""));
        let slugs = Slugs::of_path("Acme/Web/front.end");
        assert_eq!((slugs.organization.as_str(), slugs.pipeline.as_str()), ("acme", "web-front-end"));
        assert_eq!(
            (slugs.numbered(1), slugs.numbered(2)),
            ("web-front-end".into(), "web-front-end-2".into())
        );
    }

    #[test]
    fn scalars_are_read_as_their_text() {
        let map: TextMap = serde_json::from_str(r#"{"a":"x","b":true,"c":7,"d":1.5,"e":null}"#).unwrap();
        let texts: Vec<&str> = map.0.values().map(String::as_str).collect();
        assert_eq!(texts, ["x", "true", "7", "1.5", ""]);
        assert!(serde_json::from_str::<TextMap>(r#"{"a":{}}"#).is_err());
    }

    #[test]
    fn texts_are_bounded_in_all() {
        let of = |bytes: usize| TextMap([("name".to_owned(), "x".repeat(bytes))].into());
        assert_eq!(of(MAX_BYTES - 4).check(), Ok(()));
        let why = "has more than 1048576 bytes in its names and values";
        assert_eq!(of(MAX_BYTES - 3).check(), Err(why.to_owned()));
    }

    #[test]
    fn parallel_jobs_are_numbered_from_zero() {
        assert_eq!(parallel("test 2/5"), Some((1, 5)));
        for name in ["test", "test 0/5", "test 6/5", "test a/b", "1/2", "test 1/"] {
            assert_eq!(parallel(name), None, "{name}");
        }
        assert_eq!((step_label("My test 2/5"), step_label("a/b")), ("My test", "a/b"));
    }
}
