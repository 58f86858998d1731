//! Job text: the JSON of a job that a GitLab hands to a runner, in which archives of dependencies are filled in. Every
//! other byte stays as it is: strings, large numbers, spaces, the order of keys, and keys that stand twice.

use std::collections::HashMap;
use std::ops::Range;

use serde::de::IgnoredAny;
use serde_json::json;

use crate::access::HeldArchive;

/// Most dependencies that are looked at.
const MAX_DEPENDENCIES: usize = 1000;

/// The text of a job, and its dependencies of which it says that they have no archive.
pub(super) struct JobText<'a> {
    text: &'a str,
    project_id: i64,
    gaps: Vec<Gap>,
}

/// Where the archive of a dependency is missing.
struct Gap {
    job_id: i64,
    /// The `null` in its place; empty behind the last key if it has none.
    place: Range<usize>,
}

impl<'a> JobText<'a> {
    /// Reads a job; `None` if the text is no JSON, or none of a job with dependencies, or if one of the keys that lead
    /// to them stands twice: readers differ in which one they take.
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        serde_json::from_str::<IgnoredAny>(text).ok()?;
        let job = Value::whole(text);
        let project_id = job.member("job_info")?.member("project_id")?.number()?;
        let dependencies = job.member("dependencies")?.items('[')?.take(MAX_DEPENDENCIES);
        let gaps = dependencies.filter_map(|it| gap(&it)).collect();
        Some(Self { text, project_id, gaps })
    }

    /// Returns the number of the job's project.
    pub(super) fn project_id(&self) -> i64 {
        self.project_id
    }

    /// Returns the numbers of the dependencies that have no archive.
    pub(super) fn job_ids(&self) -> Vec<i64> {
        self.gaps.iter().map(|gap| gap.job_id).collect()
    }

    /// Returns the text with these archives filled in, and how many were.
    pub(super) fn filled(&self, archives: &HashMap<i64, HeldArchive>) -> (String, usize) {
        let (mut filled, mut copied, mut count) = (String::with_capacity(self.text.len()), 0, 0);
        for gap in &self.gaps {
            let Some(HeldArchive { filename, size_bytes }) = archives.get(&gap.job_id) else { continue };
            filled.push_str(&self.text[copied..gap.place.start]);
            if gap.place.is_empty() {
                filled.push_str(",\"artifacts_file\":");
            }
            filled.push_str(&json!({ "filename": filename, "size": size_bytes }).to_string());
            copied = gap.place.end;
            count += 1;
        }
        filled.push_str(&self.text[copied..]);
        (filled, count)
    }
}

/// Finds where the archive of a dependency is missing; `None` if it has one.
fn gap(dependency: &Value<'_>) -> Option<Gap> {
    let job_id = dependency.member("id")?.number()?;
    let (mut end, mut found) = (0, None);
    for (key, value) in dependency.members()? {
        end = value.place.end;
        if key.is_key("artifacts_file") && found.replace(value).is_some() {
            return None;
        }
    }
    match found {
        None => Some(Gap { job_id, place: end..end }),
        Some(value) => (value.text() == "null").then_some(Gap { job_id, place: value.place }),
    }
}

/// A value in a text that is known to be valid JSON.
struct Value<'a> {
    all: &'a str,
    place: Range<usize>,
}

impl<'a> Value<'a> {
    fn whole(all: &'a str) -> Self {
        Self { all, place: value_at(all.as_bytes(), space_end(all.as_bytes(), 0)) }
    }

    fn text(&self) -> &'a str {
        &self.all[self.place.clone()]
    }

    fn number(&self) -> Option<i64> {
        self.text().parse().ok()
    }

    fn is_key(&self, name: &str) -> bool {
        serde_json::from_str::<String>(self.text()).is_ok_and(|key| key == name)
    }

    /// Returns the values of an array, or the keys and values of an object in turn; `None` for any other value.
    fn items(&self, opens: char) -> Option<impl Iterator<Item = Self> + use<'a>> {
        let (all, end) = (self.all, self.place.end - 1);
        let mut at = self.text().starts_with(opens).then_some(self.place.start + 1)?;
        Some(std::iter::from_fn(move || {
            let bytes = all.as_bytes();
            at = space_end(bytes, at);
            if at >= end {
                return None;
            }
            let place = value_at(bytes, at);
            // A comma or a colon follows, or the end.
            at = space_end(bytes, place.end) + 1;
            Some(Self { all, place })
        }))
    }

    /// Returns the keys and values of an object; `None` for any other value.
    fn members(&self) -> Option<impl Iterator<Item = (Self, Self)> + use<'a>> {
        let mut items = self.items('{')?;
        Some(std::iter::from_fn(move || items.next().zip(items.next())))
    }

    /// Returns the value of a key that stands in an object once.
    fn member(&self, name: &str) -> Option<Self> {
        let mut found = self.members()?.filter(|(key, _)| key.is_key(name)).map(|(_, value)| value);
        found.next().filter(|_| found.next().is_none())
    }
}

/// Returns where the spaces end that begin at an offset.
fn space_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Returns where the value is that begins at an offset. However deep it is, this needs no stack.
fn value_at(bytes: &[u8], start: usize) -> Range<usize> {
    let (mut at, mut depth) = (start, 0_usize);
    loop {
        match bytes.get(at) {
            None => return start..at,
            Some(b'"') => at = string_end(bytes, at),
            Some(b'{' | b'[') => {
                depth += 1;
                at += 1;
            }
            Some(b'}' | b']') => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            Some(_) if depth > 0 => {
                at += 1;
                continue;
            }
            Some(_) => {
                let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(*byte);
                at += bytes[at..].iter().take_while(is_part).count();
            }
        }
        if depth == 0 {
            return start..at;
        }
    }
}

/// Returns the offset behind a string.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        match bytes.get(at) {
            None => return at,
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

#[cfg(test)]
#[path = "job_text_tests.rs"]
mod tests;
