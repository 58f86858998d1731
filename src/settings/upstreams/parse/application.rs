//! Parser of `application` in `[[upstream]]`: what this server is to a system at which people sign in.

use super::{Table, base, choice, secret};
use crate::settings::upstreams::{ApplicationScope, ApplicationSettings, UpstreamKind};

const SCOPES: &[(&str, ApplicationScope)] =
    &[("api", ApplicationScope::Api), ("read_api", ApplicationScope::ReadApi)];

/// Reads `application` of an upstream.
pub(super) fn read(
    table: &mut Table<'_>,
    kind: UpstreamKind,
    url: &str,
    has_external_url: bool,
) -> Option<ApplicationSettings> {
    let id = table.required("id", |text| {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(text.to_owned())
        } else {
            Err("expected the ID of an application".to_owned())
        }
    });
    let secret = table.required("secret_file", secret);
    let scope = table.scalar("scope", |text| choice(text, SCOPES)).unwrap_or(ApplicationScope::Api);
    let issuer = table.scalar("issuer", base).unwrap_or_else(|| url.to_owned());
    table.refuse_the_rest(&["id", "secret_file", "scope", "issuer"]);
    if kind != UpstreamKind::GitLab {
        table.fault("id", "expected an upstream of kind gitlab: people sign in at no other");
        return None;
    }
    if !has_external_url {
        // Browsers are sent back there.
        table.fault("id", "expected server.external_url to be set: the upstream sends people back there");
        return None;
    }
    Some(ApplicationSettings { id: id?, secret: secret?, scope, issuer })
}
