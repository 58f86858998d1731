//! Return address: the page that a person wanted before signing in. Only a path of this server is one.

/// Longest return address, in bytes.
const MAX_BYTES: usize = 2048;

/// Below these paths nothing is to come back to.
const NOT_BACK_TO: &[&str] = &["/-/sign_in", "/-/sign_out", "/-/auth/"];

/// Checks a return address below `root`; returns the first page for one that leads elsewhere: browsers read two slashes,
/// a backslash or a line break as the beginning of another host.
pub(super) fn checked(to: &str, root: &str) -> String {
    let home = || format!("{root}/");
    let Some(path) = to.strip_prefix(root).filter(|path| path.starts_with('/')) else { return home() };
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>' | b'#');
    let is_other_host = to.starts_with("//") || path.starts_with("//");
    if is_other_host || leads_up(path) || to.len() > MAX_BYTES || !to.bytes().all(is_plain) {
        return home();
    }
    if NOT_BACK_TO.iter().any(|page| path.starts_with(page)) { home() } else { to.to_owned() }
}

/// Whether a segment of a path is one of dots, with which a browser leaves the path.
fn leads_up(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or(path).to_ascii_lowercase().replace("%2e", ".");
    path.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// Returns the address of the sign-in page that leads to `to` at last.
pub(super) fn of_sign_in(root: &str, to: &str) -> String {
    with(root, "sign_in", to)
}

/// Returns the address that begins a sign-in at the upstream, which leads to `to` at last.
pub(super) fn of_upstream(root: &str, to: &str) -> String {
    with(root, "auth/oidc", to)
}

fn with(root: &str, page: &str, to: &str) -> String {
    let to = checked(to, root);
    if to == format!("{root}/") {
        return format!("{root}/-/{page}");
    }
    format!("{root}/-/{page}?to={}", super::address::value(&to))
}

#[cfg(test)]
mod tests;
