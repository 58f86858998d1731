//! Settings of reports: the host on which what jobs made is shown, whether it may run scripts, and what it may load.

/// The origin of reports, or one origin for each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportsUrl {
    /// `http` or `https`.
    scheme: &'static str,
    /// Whether each report has an origin of its own, whose first label names it.
    is_wildcard: bool,
    /// Host, in lower case and without that label, and the port unless it is the scheme's own.
    authority: String,
}

/// Whose reports may run scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportScripts {
    /// Everybody's.
    All,
    /// Those of people who are signed in.
    SignedIn,
    /// Nobody's.
    None,
}

impl ReportsUrl {
    /// Returns the origin of the report that `label` names.
    pub fn origin(&self, label: &str) -> String {
        let Self { scheme, is_wildcard, authority } = self;
        if *is_wildcard {
            format!("{scheme}://{label}.{authority}")
        } else {
            format!("{scheme}://{authority}")
        }
    }

    /// Returns the origins of all reports, as a source of a content security policy.
    pub fn source(&self) -> String {
        self.origin("*")
    }

    /// Whether each report has an origin of its own.
    pub const fn is_wildcard(&self) -> bool {
        self.is_wildcard
    }

    /// Whether a request for `host`, with or without a port, is one for reports: for any of them, or for the bare host
    /// of a wildcard.
    pub fn covers(&self, host: &str) -> bool {
        let host = normal(self.scheme, host);
        let is_below =
            || host.strip_suffix(self.authority.as_str()).is_some_and(|labels| labels.ends_with('.'));
        host == self.authority || self.is_wildcard && is_below()
    }

    /// Whether a request for `host` is one for the report that `label` names.
    pub fn is_of(&self, host: &str, label: &str) -> bool {
        let host = normal(self.scheme, host);
        if !self.is_wildcard {
            return host == self.authority;
        }
        host.strip_prefix(label).and_then(|rest| rest.strip_prefix('.')) == Some(self.authority.as_str())
    }

    /// Requires that the pages have another host, which is known.
    pub(super) fn check_against(&self, external_url: Option<&str>) -> Result<(), String> {
        let Some(url) = external_url else {
            return Err("it needs server.external_url, to which reports that have ended lead".into());
        };
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let authority = normal(scheme, rest.split('/').next().unwrap_or_default());
        let (pages, reports) = (name_of(&authority), name_of(&self.authority));
        let is_below = pages.strip_suffix(reports).is_some_and(|labels| labels.ends_with('.'));
        if pages == reports || self.is_wildcard && is_below {
            // Cookies know no ports.
            return Err("it must name another host than server.external_url, whatever the port".into());
        }
        Ok(())
    }
}

/// Writes an authority in its one form.
fn normal(scheme: &str, authority: &str) -> String {
    let lower = authority.to_ascii_lowercase();
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    lower.strip_suffix(default_port).map(str::to_owned).unwrap_or(lower)
}

/// Returns the host of an authority.
fn name_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Parses `server.reports_url`.
pub(super) fn reports_url(text: &str) -> Result<Option<ReportsUrl>, String> {
    let expected = || "expected https://HOST or https://*.HOST, without a path".to_owned();
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.is_empty() {
        return Ok(None);
    }
    let (scheme, rest) = text.split_once("://").ok_or_else(expected)?;
    let scheme = ["http", "https"].into_iter().find(|known| *known == scheme).ok_or_else(expected)?;
    let (is_wildcard, authority) = match rest.strip_prefix("*.") {
        Some(below) => (true, below),
        None => (false, rest),
    };
    if !is_authority(authority) {
        return Err(expected());
    }
    Ok(Some(ReportsUrl { scheme, is_wildcard, authority: normal(scheme, authority) }))
}

/// Whether a text is the name of a host, with or without a port.
fn is_authority(text: &str) -> bool {
    let (host, port) = text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    !host.is_empty()
        && host.bytes().all(is_letter)
        && !host.split('.').any(str::is_empty)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Parses `reports.scripts`.
pub(super) fn report_scripts(text: &str) -> Result<ReportScripts, String> {
    Ok(match text {
        "all" => ReportScripts::All,
        "signed-in" => ReportScripts::SignedIn,
        "none" => ReportScripts::None,
        _ => return Err("expected all, signed-in or none".into()),
    })
}

/// Parses `reports.external_sources`: hosts, separated by commas.
pub(super) fn report_sources(text: &str) -> Result<Vec<String>, String> {
    let given = text.split(',').map(str::trim).filter(|source| !source.is_empty());
    let source = |source: &str| {
        let host = source.strip_prefix("https://").or_else(|| source.strip_prefix("http://"));
        let is_good = host.is_some_and(|host| is_authority(host.strip_prefix("*.").unwrap_or(host)));
        if is_good {
            Ok(source.to_owned())
        } else {
            Err(format!("{source:?}: expected https://HOST or https://*.HOST, without a path"))
        }
    };
    given.map(source).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> ReportsUrl {
        reports_url(text).unwrap().unwrap()
    }

    #[test]
    fn a_host_or_one_for_each_report() {
        let one = url("https://Reports.example.net:443/");
        assert_eq!(one.origin("abc"), "https://reports.example.net");
        assert!(one.covers("reports.example.net") && one.covers("REPORTS.example.net:443"));
        assert!(one.is_of("reports.example.net", "abc"));
        for other in
            ["reports.example.net:80", "a.reports.example.net", "example.net", "xreports.example.net"]
        {
            assert!(!one.covers(other) && !one.is_of(other, "a"), "{other}");
        }
        let each = url("http://*.reports.example.net:8080");
        assert_eq!(each.origin("abc"), "http://abc.reports.example.net:8080");
        assert!(each.is_of("abc.reports.example.net:8080", "abc"));
        for covered in
            ["reports.example.net:8080", "abc.reports.example.net:8080", "a.b.reports.example.net:8080"]
        {
            assert!(each.covers(covered), "{covered}");
            assert!(!each.is_of(covered, "b"), "{covered}");
        }
        assert!(!each.covers("abcreports.example.net:8080") && !each.covers("abc.reports.example.net"));
        assert!(reports_url("").unwrap().is_none());
        for bad in [
            "reports.example.net",
            "ftp://a",
            "https://",
            "https://*",
            "https://a/b",
            "https://a.*.b",
            "https://a..b",
            "https://a:0",
            "https://a b",
            "https://u@a",
            "https://a?b",
        ] {
            assert!(reports_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pages_have_another_host() {
        let check = |reports: &str, pages| url(reports).check_against(pages).is_ok();
        assert!(check("https://reports.example.net", Some("https://ci.example.com/artifacts")));
        assert!(check("https://reports.ci.example.com", Some("https://ci.example.com")));
        assert!(!check("https://reports.example.net", None));
        assert!(!check("https://ci.example.com", Some("https://ci.example.com")));
        assert!(!check("https://ci.example.com:8443", Some("https://CI.example.com")));
        assert!(!check("https://*.example.com", Some("https://ci.example.com")));
        assert!(!check("https://*.example.com", Some("https://example.com")));
    }

    #[test]
    fn sources_are_hosts_and_nothing_that_could_end_a_policy() {
        let expected = ["https://cdn.example.com", "https://*.example.org"];
        assert_eq!(report_sources("https://cdn.example.com, https://*.example.org,").unwrap(), expected);
        for bad in ["'unsafe-inline'", "https:", "*", "https://a;b", "https://a/b", "https://a b"] {
            assert!(report_sources(bad).is_err(), "{bad}");
        }
    }
}
