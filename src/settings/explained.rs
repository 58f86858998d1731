//! Explained settings: every setting with its origin, which is the default, the file or the environment.

use std::fmt;
use std::path::{Path, PathBuf};

use super::keys::{KEYS, Key};
use super::{DEFAULT_FILE, Settings, SettingsError, StorageUrl, blanked, file, upstreams, variables};

/// The origin of a setting's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The setting is not set.
    Default,
    /// A configuration file.
    File(PathBuf),
    /// The environment variable of this name.
    Variable(String),
}

/// A key with the text in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// `section.key`, or the name of an `AWS_*` variable that a bucket needs.
    pub key: String,
    /// The text with its secrets blanked; `None` if the key is not set and its default has no text.
    pub value: Option<String>,
    /// The origin of the text.
    pub origin: Origin,
    /// The meaning of the key, in one line; empty for the variables of a bucket.
    pub help: &'static str,
}

/// All settings and all faults in them.
#[derive(Debug)]
pub struct Explained {
    /// The settings; incomplete if there are faults.
    pub settings: Settings,
    /// Every key of the table, in its order, followed by the `AWS_*` variables of a bucket and the keys of the
    /// upstreams (`upstream[0].url`).
    pub values: Vec<Setting>,
    /// Unknown keys, unknown variables and values that do not parse, each with its origin.
    pub faults: Vec<SettingsError>,
}

/// A key that a source sets.
pub(super) struct Given {
    key: &'static Key,
    text: String,
    origin: Origin,
}

impl Given {
    pub(super) fn file(key: &'static Key, path: &Path, text: String) -> Self {
        Self { key, text, origin: Origin::File(path.to_owned()) }
    }

    pub(super) fn variable(key: &'static Key, name: &str, text: &str) -> Self {
        Self { key, text: text.to_owned(), origin: Origin::Variable(name.to_owned()) }
    }
}

impl Explained {
    /// Reads `file`, or [`DEFAULT_FILE`] if it exists, and then `environment`.
    pub fn read(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let environment: Vec<(String, String)> = environment.into_iter().collect();
        let path = file.unwrap_or(Path::new(DEFAULT_FILE));
        let mut explained = Self::defaults();
        let mut listed = None;
        if let Some(file::Contents { given, upstreams, faults }) = file::read(path, file.is_some()) {
            explained.settings.file = Some(path.to_owned());
            explained.add(given, faults);
            listed = upstreams;
        }
        let (given, faults) = variables::read(&environment);
        explained.add(given, faults);
        explained.add_bucket(&environment);
        explained.check_reports();
        if let Some(listed) = listed {
            explained.add_upstreams(&listed, path);
        }
        explained
    }

    /// Adds the upstreams of the file; after the environment, which may set what they have as a default.
    fn add_upstreams(&mut self, listed: &config::Value, path: &Path) {
        let found = upstreams::read(listed, path, self.settings.external_url.as_deref());
        self.faults.extend(found.faults.into_iter().map(SettingsError));
        self.settings.upstreams = found.all;
        let origin = || Origin::File(path.to_owned());
        let told = found.given.into_iter().map(|(key, text, help)| Setting {
            key,
            value: Some(blanked::setting(&text)),
            origin: origin(),
            help,
        });
        self.values.extend(told);
    }

    fn defaults() -> Self {
        let values = KEYS.iter().map(|key| Setting {
            key: key.name.to_owned(),
            value: key.default.map(str::to_owned),
            origin: Origin::Default,
            help: key.help,
        });
        Self { settings: Settings::default(), values: values.collect(), faults: Vec::new() }
    }

    fn add(&mut self, given: Vec<Given>, faults: Vec<String>) {
        self.faults.extend(faults.into_iter().map(SettingsError));
        for Given { key, text, origin } in given {
            if let Err(why) = (key.set)(&mut self.settings, &text) {
                self.faults.push(SettingsError(format!("{} (from {origin}): {why}", key.name)));
            }
            if let Some(setting) = self.values.iter_mut().find(|setting| setting.key == key.name) {
                setting.value = Some(blanked::setting(&text));
                setting.origin = origin;
            }
        }
    }

    /// Requires that reports are kept apart from the pages, where they have a host of their own.
    fn check_reports(&mut self) {
        let Some(reports) = &self.settings.reports_url else { return };
        let origin = self.values.iter().find(|setting| setting.key == "server.reports_url");
        let origin = origin.map_or(Origin::Default, |setting| setting.origin.clone());
        if let Err(why) = reports.check_against(self.settings.external_url.as_deref()) {
            self.faults.push(SettingsError(format!("server.reports_url (from {origin}): {why}")));
        }
    }

    /// Adds the `AWS_*` variables of the environment, if a bucket is configured.
    fn add_bucket(&mut self, environment: &[(String, String)]) {
        let settings = &mut self.settings;
        settings.storage = settings.storage.clone().with_environment(environment);
        settings.previous_storage =
            settings.previous_storage.take().map(|url| url.with_environment(environment));
        let stores = [Some(&settings.storage), settings.previous_storage.as_ref()];
        let Some(url) = stores.into_iter().flatten().find_map(|store| match store {
            StorageUrl::Bucket(url) => Some(url),
            StorageUrl::Directory(_) => None,
        }) else {
            return;
        };
        let told = url.options.iter().map(|(name, value)| Setting {
            key: name.clone(),
            value: Some(blanked::variable(name, value)),
            origin: Origin::Variable(name.clone()),
            help: "",
        });
        let mut told: Vec<Setting> = told.collect();
        told.sort_by(|one, other| one.key.cmp(&other.key));
        self.values.extend(told);
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}
