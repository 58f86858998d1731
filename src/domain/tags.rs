//! Tags: what an agent says of itself, and what a job requires of its agent, as `name=value`.

use serde::{Deserialize, Serialize};

/// The tag that names the queue of an agent or job.
pub const QUEUE: &str = "queue";

/// The queue of those that name none.
pub const DEFAULT_QUEUE: &str = "default";

/// Most tags of an agent, and the longest one in bytes.
const MAX_TAGS: usize = 100;
const MAX_TAG_BYTES: usize = 512;

/// Tags, each `name=value`, or a name alone, which means `name=true`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(pub Vec<String>);

impl Tags {
    /// Checks number and length.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), String> {
        if self.0.len() > MAX_TAGS {
            return Err(format!("expected at most {MAX_TAGS} tags"));
        }
        if self.0.iter().any(|tag| tag.is_empty() || tag.len() > MAX_TAG_BYTES || tag.contains('\0')) {
            return Err(format!("expected tags of 1 to {MAX_TAG_BYTES} bytes without NUL"));
        }
        Ok(())
    }

    /// Returns names and values.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|tag| tag.split_once('=').unwrap_or((tag, "true")))
    }

    /// Returns the queue: the first that is named.
    pub fn queue(&self) -> &str {
        self.pairs().find(|(name, _)| *name == QUEUE).map_or(DEFAULT_QUEUE, |(_, queue)| queue)
    }

    /// Whether an agent with these tags has all that `rules` require; the value `*` means any.
    pub fn satisfy(&self, rules: &Self) -> bool {
        rules.pairs().all(|(name, wanted)| {
            if name == QUEUE && self.queue() == wanted {
                return true;
            }
            self.pairs().any(|(own, value)| own == name && (wanted == "*" || value == wanted))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(list: &[&str]) -> Tags {
        Tags(list.iter().map(|tag| (*tag).to_owned()).collect())
    }

    #[test]
    fn an_agent_takes_what_its_tags_satisfy() {
        for (agent, rules, expected) in [
            (&[][..], &["queue=default"][..], true),
            (&[], &["queue=deploy"], false),
            (&["queue=deploy"], &["queue=default"], false),
            (&["queue=deploy", "os=linux"], &["os=linux", "queue=deploy"], true),
            (&["docker"], &["docker=true", "queue=default"], true),
            (&["docker=false"], &["docker"], false),
            (&["gpu=a100"], &["gpu=*"], true),
            (&[], &["gpu=*"], false),
            (&[], &[], true),
        ] {
            assert_eq!(tags(agent).satisfy(&tags(rules)), expected, "{agent:?} {rules:?}");
        }
        assert_eq!(tags(&["os=linux", "queue=a=b"]).queue(), "a=b");
        assert!(tags(&[""]).check().is_err() && tags(&["a"; 101]).check().is_err());
    }
}
