//! The configuration file as a source of settings: TOML with one table per section.

use std::io::ErrorKind;
use std::path::Path;

use config::{Config, ConfigError, File, FileFormat, Value, ValueKind};

use super::explained::Given;
use super::keys::Key;
use super::text::read_text;
use super::unknown::{did_you_mean, similar, there_are};
use super::upstreams::{self, Upstream};

/// The name of the tables of upstreams, which are no section.
const UPSTREAM: &str = "upstream";

/// What a file sets, and the faults in it.
#[derive(Default)]
pub(super) struct FileSettings {
    /// The settings, sorted by key.
    pub(super) given: Vec<Given>,
    /// The upstreams.
    pub(super) upstreams: Vec<Upstream>,
    /// The faults.
    pub(super) faults: Vec<String>,
}

/// Reads the settings of the file. Returns `None` if the file does not exist and `must_be` is false.
pub(super) fn read(path: &Path, must_be: bool) -> Option<FileSettings> {
    let fault = |fault| FileSettings { faults: vec![fault], ..FileSettings::default() };
    let text = match read_text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && !must_be => return None,
        Err(error) => return Some(fault(format!("{}: cannot be read: {error}", path.display()))),
    };
    let parsed = Config::builder().add_source(File::from_str(&text, FileFormat::Toml)).build();
    Some(match parsed {
        Ok(parsed) => settings(&parsed.cache, path),
        Err(error) => fault(format!("{}: {}", path.display(), one_line(&error))),
    })
}

fn settings(parsed: &Value, path: &Path) -> FileSettings {
    let tables = match &parsed.kind {
        ValueKind::Table(sections) => sections.get(UPSTREAM),
        _ => None,
    };
    let (upstreams, mut faults) = upstreams::read(tables, path);
    let mut given = Vec::new();
    for (name, value) in leaves(parsed) {
        match Key::find(&name) {
            Some(key) => match text(&value) {
                Some(text) => given.push(Given::file(key, path, text)),
                None => faults.push(format!("{name} (from {}): expected a string", path.display())),
            },
            None => faults.push(unknown(&name, path)),
        }
    }
    FileSettings { given, upstreams, faults }
}

/// Returns the values of the sections, named `section.key`, and the values outside a section, sorted by name.
fn leaves(parsed: &Value) -> Vec<(String, Value)> {
    let ValueKind::Table(sections) = &parsed.kind else { return Vec::new() };
    let mut found = Vec::new();
    for (section, value) in sections.iter().filter(|(name, _)| *name != UPSTREAM) {
        match &value.kind {
            ValueKind::Table(keys) => {
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
