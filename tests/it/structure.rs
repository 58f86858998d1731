//! The dependency rules of the modules: which module may use which, and which crate is named where.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Layers from top to bottom; a module may use those below its own line and, on its line,
/// only itself.
const LAYERS: &[&[&str]] = &[
    &["cli"],
    &["server"],
    &["api", "web"],
    &["http"],
    &["app"],
    &["registry"],
    &["access"],
    &["ingest", "deliver", "retention", "readiness"],
    &["auth"],
    &["upstream"],
    &["audit"],
    &["writers", "identity", "node"],
    &["catalog", "store", "archive"],
    &["settings", "telemetry", "metrics", "shares", "threads", "yielding"],
    &["domain"],
];

/// Crates that only these modules may name.
const KEPT_TO: &[(&str, &[&str])] = &[
    ("diesel::", &["catalog"]),
    ("diesel_migrations::", &["catalog"]),
    ("actix_web::", &["http", "api", "web", "server", "cli"]),
    ("actix_multipart::", &["http"]),
    ("actix_http::", &["http", "server"]),
    ("actix_service::", &["server"]),
    ("tracing_actix_web::", &["http", "server"]),
    ("async_compression::", &["archive", "http"]),
    ("clap::", &["cli", "telemetry"]),
    ("serde_saphyr::", &["registry"]),
    ("object_store::", &["store"]),
    ("quick_xml::", &["api", "web", "store"]),
    ("reqwest::", &["store", "upstream"]),
    ("rustls::", &["server", "store", "upstream"]),
    ("h2::", &["server"]),
    ("use http::", &["server"]),
    ("prometheus_client::", &["metrics"]),
    ("use zip::", &["archive"]),
    ("askama::", &["web"]),
    ("pulldown_cmark::", &["web"]),
];

fn sources() -> Vec<(PathBuf, String)> {
    fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

/// The module that a file belongs to: the first name below `src`.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

#[test]
fn dependencies_go_down_only() {
    let mut wrong = BTreeSet::new();
    for (path, text) in sources() {
        let from = module(&path);
        if matches!(from.as_str(), "lib" | "main") {
            continue;
        }
        let height = layer(&from).unwrap_or_else(|| panic!("{from} is in no layer"));
        for used in text.split("crate::").skip(1) {
            let to: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let below = layer(&to).is_none_or(|other| other > height || to == from);
            if !below {
                wrong.insert(format!("{} uses {to}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The second name below `src`, of a file in `api`: its dialect.
fn dialect(path: &Path) -> Option<String> {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api")).ok()?;
    Some(inside.components().next()?.as_os_str().to_str()?.trim_end_matches(".rs").to_owned())
}

/// The names that a text uses of a module, each with its path: `a::{b, c::D}` are `a::b` and `a::c::D`.
fn used_names(text: &str, module: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in text.split(module).skip(1) {
        let mut prefixes = vec![String::new()];
        let mut path = String::new();
        for c in part.chars() {
            match c {
                '{' => prefixes.push(std::mem::take(&mut path)),
                ',' | '}' | ';' | '(' | ')' | ' ' | '\n' | '<' | '>' | '[' | ']' | '&' | '?' | '.' => {
                    if !path.is_empty() {
                        found.push(prefixes.concat() + &std::mem::take(&mut path));
                    }
                    if c == '}' {
                        prefixes.pop();
                    }
                    if prefixes.len() == 1 && !matches!(c, '{') {
                        break;
                    }
                }
                c => path.push(c),
            }
        }
    }
    found
}

#[test]
fn no_dialect_uses_another() {
    for (path, text) in sources() {
        let Some(own) = dialect(&path).filter(|own| own != "mod") else { continue };
        for used in used_names(&text, "crate::api::") {
            let other = used.split("::").next().unwrap_or_default();
            assert!(other == own, "{} uses {other}", path.display());
        }
        assert!(!text.contains("super::super::"), "{} reaches out of its dialect", path.display());
    }
}

#[test]
fn dialects_reach_the_catalog_only_through_access() {
    for (path, text) in
        sources().into_iter().filter(|(path, _)| matches!(module(path).as_str(), "api" | "web"))
    {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        assert!(!words.into_iter().any(|word| word == "Db"), "{} names Db", path.display());
        for used in used_names(&text, "crate::catalog::") {
            let name = used.rsplit("::").next().unwrap_or_default();
            let is_type = name.starts_with(|c: char| c.is_uppercase());
            assert!(is_type, "{} uses {used} of the catalog, which is no type", path.display());
        }
        assert!(
            !text.contains("app.catalog.read") && !text.contains("app.catalog.write"),
            "{}",
            path.display()
        );
    }
}

#[test]
fn names_of_used_things_are_found() {
    let text = "use crate::catalog::artifacts::{Count, jobs::{self, ProjectJobs}};\nuse crate::catalog::Db;";
    let found = used_names(text, "crate::catalog::");
    assert_eq!(found, ["artifacts::Count", "artifacts::jobs::self", "artifacts::jobs::ProjectJobs", "Db"]);
}

#[test]
fn crates_are_named_only_in_their_modules() {
    // Tests make with any crate what they need.
    for (path, text) in sources().into_iter().filter(|(path, _)| !path.ends_with("tests.rs")) {
        for (name, modules) in KEPT_TO {
            let allowed = modules.contains(&module(&path).as_str());
            assert!(allowed || !text.contains(name), "{} names {name}", path.display());
        }
    }
}

/// Modules below the dialects, which know no vendor.
const WITHOUT_VENDORS: &[&str] = &["access", "catalog", "deliver", "domain", "ingest"];

/// SQLite takes `$2` for a name: whatever its number, the first one in a statement is the first value.
#[test]
fn parameters_of_statements_are_numbered_in_their_order() {
    for (path, text) in sources() {
        for literal in literals(&text) {
            let mut numbers: Vec<usize> = Vec::new();
            for part in literal.split('$').skip(1) {
                let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
                numbers.extend(digits.parse::<usize>().ok().filter(|number| !numbers.contains(number)));
            }
            assert!(numbers.is_sorted(), "{}: {literal}", path.display());
        }
    }
}

/// The string literals of a source text.
fn literals(text: &str) -> Vec<String> {
    let (mut found, mut literal) = (Vec::new(), None::<String>);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (&mut literal, character) {
            (None, '\'') if characters.peek() == Some(&'"') => drop(characters.next()),
            (None, '"') => literal = Some(String::new()),
            (None, _) => {}
            (Some(_), '"') => found.extend(literal.take()),
            (Some(_), '\\') => drop(characters.next()),
            (Some(begun), other) => begun.push(other),
        }
    }
    found
}

#[test]
fn literals_are_found() {
    assert_eq!(literals(r#"a('"', "b\"c", 'd', "e")"#), ["bc", "e"]);
}

#[test]
fn no_identifier_below_the_dialects_holds_a_vendors_name() {
    for (path, text) in
        sources().into_iter().filter(|(path, _)| WITHOUT_VENDORS.contains(&module(path).as_str()))
    {
        for line in text.lines().map(|line| line.split("//").next().unwrap_or_default()) {
            // What stands between quotes is no identifier.
            let code: String = line.split('"').step_by(2).collect();
            for word in code.split(|c: char| !c.is_alphanumeric() && c != '_') {
                let word = word.to_ascii_lowercase();
                let vendor = ["gitlab", "github", "buildkite"].into_iter().find(|name| word.contains(name));
                assert_eq!(vendor, None, "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{} does not open with //!", path.display());
    }
}

#[test]
fn there_is_one_of_each_heavy_crate_and_no_foreign_tls() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let packages: BTreeSet<&str> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    for name in ["hyper", "h2", "rustls", "libsqlite3-sys", "diesel", "tokio"] {
        let versions = packages.iter().filter(|package| package.split(' ').next() == Some(name)).count();
        assert!(versions <= 1, "{versions} versions of {name}");
    }
    for name in ["openssl-sys", "native-tls", "aws-lc-sys"] {
        assert!(
            !packages.iter().any(|package| package.split(' ').next() == Some(name)),
            "{name} is in the tree"
        );
    }
    assert!(packages.len() < 300, "{} packages", packages.len());
}
