//! Parser of `hooks` in `[[upstream]]`: who may send events.

use super::{Table, choice, group, secret};
use crate::settings::upstreams::{HookMode, HookSettings};

const MODES: &[(&str, HookMode)] = &[("hint", HookMode::Hint), ("trust", HookMode::Trust)];

/// Reads one of `hooks`.
pub(super) fn read(table: &mut Table<'_>) -> Option<HookSettings> {
    let scope = table.required("scope", |text| match text {
        "*" => Ok(text.to_owned()),
        text => group(text).map_err(|_| "expected the path of a group or project, or \"*\"".to_owned()),
    });
    let secret = table.required("secret_file", secret);
    let mode = table.scalar("mode", |text| choice(text, MODES));
    table.refuse_the_rest(&["scope", "secret_file", "mode"]);
    Some(HookSettings { scope: scope?, secret: secret?, mode: mode.unwrap_or(HookMode::Hint) })
}
