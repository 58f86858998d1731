//! Tables of TOML, whose keys are taken one by one: what is wrong about a key is noted, and so is a key that nothing takes.

use std::collections::BTreeMap;
use std::path::Path;

use config::{Value, ValueKind};

use crate::settings::unknown::{did_you_mean, distance};
use crate::settings::upstreams::keys::UPSTREAM_KEYS;

/// A TOML table whose keys are taken one by one.
pub(super) struct Table<'a> {
    pub(super) place: String,
    pub(super) path: &'a Path,
    pub(super) values: BTreeMap<String, Value>,
    pub(super) given: Vec<(String, String, &'static str)>,
    pub(super) faults: Vec<String>,
}

impl<'a> Table<'a> {
    pub(super) fn new(place: &str, path: &'a Path, value: &Value) -> Self {
        let mut table = Self {
            place: place.to_owned(),
            path,
            values: BTreeMap::new(),
            given: Vec::new(),
            faults: Vec::new(),
        };
        match &value.kind {
            ValueKind::Table(values) => table.values.extend(values.clone()),
            _ => table.faults.push(format!("{place} (from {}): expected a table", path.display())),
        }
        table
    }

    pub(super) fn fault(&mut self, key: &str, why: &str) {
        self.faults.push(format!("{}.{key} (from {}): {why}", self.place, self.path.display()));
    }

    /// Takes the value of a key that need not be there.
    pub(super) fn scalar<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.values.remove(key)?;
        let Some(text) = scalar_text(&value) else {
            self.fault(key, "expected a string");
            return None;
        };
        let help = UPSTREAM_KEYS.iter().find(|known| known.name == key).map_or("", |known| known.help);
        match parse(&text) {
            Ok(parsed) => {
                self.given.push((format!("{}.{key}", self.place), text, help));
                Some(parsed)
            }
            Err(why) => {
                self.fault(key, &why);
                None
            }
        }
    }

    pub(super) fn required<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if !self.values.contains_key(key) {
            self.fault(key, "it is missing");
        }
        self.scalar(key, parse)
    }

    pub(super) fn array(&mut self, key: &str) -> Vec<Value> {
        match self.values.remove(key).map(|value| value.kind) {
            None => Vec::new(),
            Some(ValueKind::Array(items)) => items,
            Some(_) => {
                self.fault(key, "expected a list");
                Vec::new()
            }
        }
    }

    pub(super) fn list<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let (mut found, mut texts) = (Vec::new(), Vec::new());
        for item in self.array(key) {
            match scalar_text(&item).ok_or_else(|| "expected strings".to_owned()).and_then(|text| {
                let parsed = parse(&text)?;
                texts.push(text);
                Ok(parsed)
            }) {
                Ok(parsed) => found.push(parsed),
                Err(why) => self.fault(key, &why),
            }
        }
        if !texts.is_empty() {
            self.given.push((format!("{}.{key}", self.place), texts.join(", "), ""));
        }
        found
    }

    pub(super) fn tables<T>(
        &mut self,
        key: &str,
        mut read: impl FnMut(&mut Table<'_>) -> Option<T>,
    ) -> Vec<T> {
        let mut found = Vec::new();
        for (number, item) in self.array(key).into_iter().enumerate() {
            let mut table = Table::new(&format!("{}.{key}[{number}]", self.place), self.path, &item);
            found.extend(read(&mut table));
            self.join(table);
        }
        found
    }

    pub(super) fn table<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&mut Table<'_>) -> Option<T>,
    ) -> Option<T> {
        let value = self.values.remove(key)?;
        let mut table = Table::new(&format!("{}.{key}", self.place), self.path, &value);
        let found = read(&mut table);
        self.join(table);
        found
    }

    /// Takes a list of tables whose values are all texts.
    pub(super) fn allow(&mut self, key: &str) -> Vec<BTreeMap<String, String>> {
        let mut found = Vec::new();
        for (number, item) in self.array(key).into_iter().enumerate() {
            let mut table = Table::new(&format!("{}.{key}[{number}]", self.place), self.path, &item);
            let names: Vec<String> = table.values.keys().cloned().collect();
            let mut claims = BTreeMap::new();
            for name in names {
                if let Some(text) = table.scalar(&name, |text| Ok::<_, String>(text.to_owned())) {
                    claims.insert(name, text);
                }
            }
            if claims.is_empty() && table.faults.is_empty() {
                // It would admit everybody.
                table.faults.push(format!(
                    "{} (from {}): expected at least one claim",
                    table.place,
                    table.path.display()
                ));
            }
            self.join(table);
            found.push(claims);
        }
        found
    }

    pub(super) fn join(&mut self, mut inner: Table<'_>) {
        self.given.append(&mut inner.given);
        self.faults.append(&mut inner.faults);
    }

    /// Reports the keys that nothing has taken.
    pub(super) fn refuse_the_rest(&mut self, known: &[&str]) {
        let unknown: Vec<String> = std::mem::take(&mut self.values).into_keys().collect();
        for name in unknown.into_iter().filter(|name| !known.contains(&name.as_str())) {
            let near = known.iter().filter(|known| distance(&name, known) <= 2);
            let near: Vec<String> = near.map(|known| (*known).to_owned()).collect();
            let question = did_you_mean(&near).map_or_else(String::new, |question| format!("{question} "));
            self.faults.push(format!(
                "unknown key {}.{name} (from {}): {question}The keys are {}",
                self.place,
                self.path.display(),
                known.join(", ")
            ));
        }
    }
}

fn scalar_text(value: &Value) -> Option<String> {
    match &value.kind {
        ValueKind::String(text) => Some(text.clone()),
        ValueKind::I64(number) => Some(number.to_string()),
        ValueKind::Boolean(yes) => Some(yes.to_string()),
        _ => None,
    }
}
