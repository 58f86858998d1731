//! Step: one thing that a build of a project does. Each becomes a job, which an agent takes.

use std::collections::HashSet;

use serde::{Deserialize, Deserializer, Serialize};

use super::build::{Scalar, TextMap};
use super::tags::{DEFAULT_QUEUE, QUEUE, Tags};

/// Most steps of a project.
const MAX_STEPS: usize = 100;

/// Longest key and label, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// Longest command of a step, in bytes.
const MAX_COMMAND_BYTES: usize = 64 << 10;

/// Longest list of patterns for artifacts, in bytes.
const MAX_PATHS_BYTES: usize = 4 << 10;

/// Most tags that a step may require of its agent.
const MAX_TAGS: usize = 20;

/// A step, as the registry document has it and as the catalog keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The name that stays the same when the label changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The name that is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What is run; several lines are one script.
    #[serde(deserialize_with = "lines")]
    pub command: String,
    /// Patterns of the files that are uploaded after it, with `;` between them.
    #[serde(default, deserialize_with = "patterns", skip_serializing_if = "Option::is_none")]
    pub artifact_paths: Option<String>,
    /// The tags that its agent must have.
    #[serde(default)]
    pub agents: TextMap,
    /// Whether its failure fails nothing else.
    #[serde(default)]
    pub soft_fail: bool,
}

/// The steps of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Steps(pub Vec<Step>);

impl Step {
    /// Returns the name of its job: the label, else the key, else the first line of the command.
    pub fn name(&self) -> &str {
        let named = self.label.as_deref().or(self.key.as_deref());
        named.unwrap_or_else(|| {
            let line = self.command.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
            &line[..line.floor_char_boundary(MAX_NAME_BYTES)]
        })
    }

    /// Returns what its agent must have: its tags, and the default queue if it names none.
    pub fn rules(&self) -> Tags {
        let mut rules: Vec<String> = Vec::new();
        if !self.agents.0.contains_key(QUEUE) {
            rules.push(format!("{QUEUE}={DEFAULT_QUEUE}"));
        }
        rules.extend(self.agents.0.iter().map(|(name, value)| format!("{name}={value}")));
        Tags(rules)
    }

    fn check(&self) -> Result<(), String> {
        let is_key = |c: char| c.is_ascii_alphanumeric() || "_-:".contains(c);
        match &self.key {
            Some(key) if key.is_empty() || key.len() > MAX_NAME_BYTES || !key.chars().all(is_key) => {
                return Err("key: expected letters, digits, `_`, `-` and `:`".into());
            }
            _ => {}
        }
        if let Some(label) = &self.label {
            text("label", label, MAX_NAME_BYTES)?;
        }
        text("command", &self.command, MAX_COMMAND_BYTES)?;
        if let Some(paths) = &self.artifact_paths {
            text("artifact_paths", paths, MAX_PATHS_BYTES)?;
        }
        if self.agents.0.len() > MAX_TAGS {
            return Err(format!("agents: has more than {MAX_TAGS} tags"));
        }
        for (name, value) in &self.agents.0 {
            text("agents", name, MAX_NAME_BYTES)?;
            text("agents", value, MAX_NAME_BYTES)?;
            if name.contains('=') {
                return Err(format!("agents: {name:?} is no name of a tag"));
            }
        }
        Ok(())
    }
}

impl Steps {
    /// Checks bounds, and that every job can be told from the others by its name.
    ///
    /// # Errors
    /// The place in the list and what is wrong there.
    pub fn check(&self) -> Result<(), String> {
        if self.0.len() > MAX_STEPS {
            return Err(format!("steps: there are more than {MAX_STEPS}"));
        }
        let (mut names, mut keys) = (HashSet::new(), HashSet::new());
        for (number, step) in self.0.iter().enumerate() {
            step.check().map_err(|why| format!("steps[{number}].{why}"))?;
            if !names.insert(step.name()) {
                return Err(format!("steps[{number}].label: {:?} appears twice", step.name()));
            }
            if let Some(key) = &step.key
                && !keys.insert(key)
            {
                return Err(format!("steps[{number}].key: {key:?} appears twice"));
            }
        }
        Ok(())
    }
}

fn text(field: &str, text: &str, max_bytes: usize) -> Result<(), String> {
    if text.trim().is_empty() || text.len() > max_bytes || text.contains('\0') {
        return Err(format!("{field}: expected a text of 1 to {max_bytes} bytes without NUL"));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(Scalar),
    Many(Vec<Scalar>),
}

impl OneOrMany {
    fn joined(self, separator: &str) -> String {
        match self {
            Self::One(one) => one.into_text(),
            Self::Many(many) => many.into_iter().map(Scalar::into_text).collect::<Vec<_>>().join(separator),
        }
    }
}

/// Reads a command, or a list of them.
fn lines<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(OneOrMany::deserialize(from)?.joined("\n"))
}

/// Reads patterns: one text, or a list.
fn patterns<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let given: Option<OneOrMany> = Option::deserialize(from)?;
    Ok(given.map(|given| given.joined(";")).filter(|paths| !paths.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Steps {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_step_is_named_by_its_label_its_key_or_its_command() {
        let steps = read(r#"[{"command": ["", "make test", "true"], "artifact_paths": ["a/*", "b"]}]"#);
        let step = &steps.0[0];
        assert_eq!((step.name(), step.command.as_str()), ("make test", "\nmake test\ntrue"));
        assert_eq!(step.artifact_paths.as_deref(), Some("a/*;b"));
        assert_eq!(step.rules().0, ["queue=default"]);
        let steps = read(r#"[{"key": "k", "command": true, "agents": {"queue": "deploy", "gpu": true}}]"#);
        assert_eq!((steps.0[0].name(), steps.0[0].command.as_str()), ("k", "true"));
        assert_eq!(steps.0[0].rules().0, ["gpu=true", "queue=deploy"]);
        let again = serde_json::to_string(&steps).unwrap();
        assert_eq!(read(&again), steps);
    }

    #[test]
    fn steps_that_are_not_valid_are_refused_by_place() {
        for (text, expected) in [
            (r#"[{"command": ""}]"#, "steps[0].command: expected a text of 1 to 65536 bytes without NUL"),
            (r#"[{"command": "a"}, {"command": "a"}]"#, r#"steps[1].label: "a" appears twice"#),
            (
                r#"[{"command": "a", "key": "k"}, {"command": "b", "key": "k", "label": "b"}]"#,
                r#"steps[1].key: "k" appears twice"#,
            ),
            (
                r#"[{"command": "a", "key": "a b"}]"#,
                "steps[0].key: expected letters, digits, `_`, `-` and `:`",
            ),
            (r#"[{"command": "a", "agents": {"a=b": 1}}]"#, r#"steps[0].agents: "a=b" is no name of a tag"#),
        ] {
            assert_eq!(read(text).check().unwrap_err(), expected, "{text}");
        }
        assert!(serde_json::from_str::<Steps>(r#"[{"command": "a", "plugins": []}]"#).is_err());
        let many: Vec<_> = (0..=MAX_STEPS).map(|n| serde_json::json!({ "command": n })).collect();
        assert_eq!(
            read(&serde_json::to_string(&many).unwrap()).check().unwrap_err(),
            "steps: there are more than 100"
        );
    }
}
