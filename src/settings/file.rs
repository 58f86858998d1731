//! The configuration file as a source of settings: TOML with one table per section.

use std::io::ErrorKind;
use std::path::Path;

use config::{Config, ConfigError, File, FileFormat, Value, ValueKind};

use super::explained::Given;
use super::keys::Key;
use super::text::read_text;
use super::unknown::{did_you_mean, similar, there_are};

/// The one section that is a list of tables.
const UPSTREAM: &str = "upstream";

/// What a file holds.
#[derive(Default)]
pub(super) struct Contents {
    /// The settings of the sections, sorted by key.
    pub(super) given: Vec<Given>,
    /// The value of `upstream`, which is a list of tables.
    pub(super) upstreams: Option<Value>,
    /// The faults.
    pub(super) faults: Vec<String>,
}

/// Reads the settings of the file and the faults in it. Returns `None` if the file does not exist and `must_be` is
/// false.
pub(super) fn read(path: &Path, must_be: bool) -> Option<Contents> {
    let fault =
        |why: String| Contents { faults: vec![format!("{}: {why}", path.display())], ..Contents::default() };
    let text = match read_text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && !must_be => return None,
        Err(error) => return Some(fault(format!("cannot be read: {error}"))),
    };
    let parsed = Config::builder().add_source(File::from_str(&text, FileFormat::Toml)).build();
    Some(match parsed {
        Ok(parsed) => settings(&parsed.cache, path),
        Err(error) => fault(one_line(&error)),
    })
}

fn settings(parsed: &Value, path: &Path) -> Contents {
    let (mut given, mut upstreams, mut faults) = (Vec::new(), None, Vec::new());
    for (name, value) in leaves(parsed) {
        if name == UPSTREAM {
            upstreams = Some(value);
            continue;
        }
        match Key::find(&name) {
            Some(key) => match text(&value) {
                Some(text) => given.push(Given::file(key, path, text)),
                None => faults.push(format!("{name} (from {}): expected a string", path.display())),
            },
            None => faults.push(unknown(&name, path)),
        }
    }
    Contents { given, upstreams, faults }
}

/// Returns the values of the sections, named `section.key`, and the values outside a section, sorted by name.
fn leaves(parsed: &Value) -> Vec<(String, Value)> {
    let ValueKind::Table(sections) = &parsed.kind else { return Vec::new() };
    let mut found = Vec::new();
    for (section, value) in sections {
        match &value.kind {
            ValueKind::Table(keys) if section != UPSTREAM => {
                found.extend(keys.iter().map(|(key, value)| (format!("{section}.{key}"), value.clone())));
            }
            _ => found.push((section.clone(), value.clone())),
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

fn text(value: &Value) -> Option<String> {
    match &value.kind {
        ValueKind::String(text) => Some(text.clone()),
        ValueKind::I64(number) => Some(number.to_string()),
        ValueKind::Boolean(yes) => Some(yes.to_string()),
        _ => None,
    }
}

fn unknown(name: &str, path: &Path) -> String {
    let meant: Vec<String> = similar(name).into_iter().map(|key: &Key| key.name.to_owned()).collect();
    let question = did_you_mean(&meant).map_or_else(String::new, |question| format!("{question} "));
    format!("unknown key {name} (from {}): {question}{}", path.display(), there_are(name))
}

/// Returns a parse error on one line: place and cause. Drops the excerpt of the file, which the parser draws
/// on several lines.
fn one_line(error: &ConfigError) -> String {
    let text = match error {
        ConfigError::FileParse { cause, .. } => cause.to_string(),
        other => other.to_string(),
    };
    let is_picture =
        |line: &&str| line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').starts_with('|');
    let lines = text.lines().filter(|line| !is_picture(line)).map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<&str> = lines.map(|line| line.trim_start_matches("TOML parse error at ")).collect();
    lines.join(": ")
}
