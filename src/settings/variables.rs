//! The environment as a source of settings: `ARTIGATE_SECTION__KEY` sets `section.key`.
//!
//! Any other variable that begins with `ARTIGATE_` is a fault, except for the names below: a mistyped one
//! would silently leave a setting at its default.

use super::explained::Given;
use super::keys::{Key, PREFIX};
use super::unknown::{did_you_mean, distance, similar, there_are};

/// The variables that commands read.
const OPTIONS: &[&str] = &["ARTIGATE_LOG", "ARTIGATE_LOG_FORMAT", "ARTIGATE_UPSTREAM_TOKEN"];

/// The variables that tell scripts where the program is. The program ignores them.
const OF_SCRIPTS: &[&str] = &["ARTIGATE_BIN"];

/// The prefix of the test suite's variables. The program ignores them.
const TESTS: &str = "ARTIGATE_TEST_";

/// Reads the settings of the environment, sorted by variable, and the faults in it.
pub(super) fn read(environment: &[(String, String)]) -> (Vec<Given>, Vec<String>) {
    let mut ours: Vec<_> = environment.iter().filter(|(name, value)| is_ours(name, value)).collect();
    ours.sort();
    let (mut given, mut faults) = (Vec::new(), Vec::new());
    for (name, value) in ours {
        match Key::find(&key_name(name)) {
            Some(key) => given.push(Given::variable(key, name, value)),
            None => faults.push(unknown(name)),
        }
    }
    (given, faults)
}

fn is_ours(name: &str, value: &str) -> bool {
    name.starts_with(PREFIX)
        && !OPTIONS.contains(&name)
        && !OF_SCRIPTS.contains(&name)
        && !name.starts_with(TESTS)
        && !is_service_link(name, value)
}

/// Returns whether Kubernetes made the variable: a pod gets variables for each Service of its namespace, and
/// those of a Service named `artigate` or `artigate-web` have artigate's prefix.
fn is_service_link(name: &str, value: &str) -> bool {
    let is_address = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let of_a_port = name.rsplit_once("_PORT_").is_some_and(|(_, rest)| {
        let (number, protocol) = rest.split_once('_').unwrap_or((rest, ""));
        let protocol = protocol.split('_').next().unwrap_or_default();
        number.parse::<u16>().is_ok() && matches!(protocol, "TCP" | "UDP" | "SCTP")
    });
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && is_address)
        || of_a_port
}

/// Returns the key that a variable with artigate's prefix sets, written `section.key`.
fn key_name(variable: &str) -> String {
    variable[PREFIX.len()..].to_ascii_lowercase().replace("__", ".")
}

fn unknown(name: &str) -> String {
    let key = key_name(name);
    let said = if key.contains('.') {
        format!("unknown key {key} (from environment variable {name})")
    } else {
        format!("unknown environment variable {name}")
    };
    let mut meant: Vec<String> = similar(&key).into_iter().map(Key::variable).collect();
    meant.extend(OPTIONS.iter().filter(|option| distance(name, option) < 3).map(|name| (*name).to_owned()));
    match did_you_mean(&meant) {
        Some(question) => format!("{said}: {question}"),
        None => format!("{said}: settings are {PREFIX}SECTION__KEY. {}", there_are(&key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_tells_of_its_services_is_no_setting_of_ours() {
        for (name, value) in [
            ("ARTIGATE_SERVICE_HOST", "10.0.0.1"),
            ("ARTIGATE_SERVICE_PORT", "80"),
            ("ARTIGATE_SERVICE_PORT_HTTP", "80"),
            ("ARTIGATE_PORT", "tcp://10.0.0.1:80"),
            ("ARTIGATE_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("ARTIGATE_PORT_80_TCP_PROTO", "tcp"),
            ("ARTIGATE_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("ARTIGATE_WEB_SERVICE_HOST", "10.0.0.2"),
        ] {
            assert!(!is_ours(name, value), "{name}");
        }
        for (name, value) in
            [("ARTIGATE_PORT", "80"), ("ARTIGATE_PORT_HTTP", "80"), ("ARTIGATE_SERVICE", "x")]
        {
            assert!(is_ours(name, value), "{name}");
        }
    }
}
