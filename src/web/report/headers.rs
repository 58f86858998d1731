//! Headers of reports: what they may load and do, which is nothing beyond their own folder.
//!
//! On the host of the pages a report is in a sandbox: it has an origin that is like no other, so neither cookies nor
//! storage nor answers of this host are within its reach. Four headers that pages have would break it there:
//! `Cross-Origin-Opener-Policy`, `X-Frame-Options`, `frame-ancestors`, and `Cross-Origin-Resource-Policy: same-origin`.

use actix_web::HttpResponse;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_DISPOSITION,
    CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
};

use super::super::headers::CROSS_ORIGIN_RESOURCE_POLICY;
use crate::domain::{Error, Result};

const X_ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");
const X_DNS_PREFETCH_CONTROL: HeaderName = HeaderName::from_static("x-dns-prefetch-control");
const ORIGIN_AGENT_CLUSTER: HeaderName = HeaderName::from_static("origin-agent-cluster");

/// What a sandboxed report may do besides running scripts.
const SANDBOX: &str = "allow-forms allow-popups allow-popups-to-escape-sandbox allow-downloads";

/// How a report is shown.
#[derive(Debug, Clone)]
pub(super) struct Showing {
    /// The address of its folder, with a slash at its end.
    pub(super) folder: String,
    /// The address of the shim, if it is in a sandbox.
    pub(super) shim: Option<String>,
    /// Whether it has an origin of its own.
    pub(super) is_apart: bool,
    /// Whether no other report has its origin.
    pub(super) is_alone: bool,
    /// Whether it may run scripts.
    pub(super) runs: bool,
    /// Hosts from which it may load besides its folder.
    pub(super) sources: Vec<String>,
}

impl Showing {
    /// Returns the policy of everything that a report consists of.
    fn policy(&self) -> String {
        let folder = encoded(&self.folder);
        let more: String = self.sources.iter().map(|source| format!(" {source}")).collect();
        let everything = format!("{folder}{more} 'unsafe-inline' 'unsafe-eval' data: blob:");
        let mut policy = String::new();
        if !self.is_apart || !self.runs {
            let scripts = if self.runs { "allow-scripts allow-modals " } else { "" };
            policy.push_str(&format!("sandbox {scripts}{SANDBOX}; "));
        }
        let scripts = match (&self.shim, self.runs) {
            (_, false) => "'none'".to_owned(),
            (Some(shim), true) => format!("{everything} {}", encoded(shim)),
            (None, true) => everything.clone(),
        };
        policy.push_str(&format!(
            "default-src {everything}; script-src {scripts}; connect-src {folder} data: blob:; form-action {folder}; \
             base-uri {folder}; object-src 'none'"
        ));
        if self.is_apart {
            policy.push_str(&format!("; worker-src {folder} blob:; frame-ancestors 'self'"));
        }
        policy
    }

    /// Gives an answer the headers of a report, in the place of those of a download.
    ///
    /// # Errors
    /// `Internal` if the address of this server is none that a header can have.
    pub(super) fn describe(&self, answer: &mut HttpResponse) -> Result<()> {
        let policy = HeaderValue::from_str(&self.policy()).map_err(Error::internal)?;
        let headers = answer.headers_mut();
        let set = [
            (CONTENT_SECURITY_POLICY, policy),
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (X_ROBOTS_TAG, HeaderValue::from_static("noindex")),
            (X_DNS_PREFETCH_CONTROL, HeaderValue::from_static("off")),
            (CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600")),
        ];
        for (name, value) in set {
            headers.insert(name, value);
        }
        // An opaque origin is no site's: to its own files a report is as foreign as anybody.
        let policy = if self.is_apart { "same-origin" } else { "cross-origin" };
        headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static(policy));
        if !self.is_apart {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
        }
        if self.is_alone {
            headers.insert(ORIGIN_AGENT_CLUSTER, HeaderValue::from_static("?1"));
        }
        headers.remove(CONTENT_DISPOSITION);
        Ok(())
    }
}

/// Escapes the two marks that would end a source in a policy.
fn encoded(address: &str) -> String {
    address.replace(';', "%3B").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn showing() -> Showing {
        Showing {
            folder: "https://ci.example.com/-/r/T/".into(),
            shim: Some("https://ci.example.com/-/assets/shim-1.js".into()),
            is_apart: false,
            is_alone: false,
            runs: true,
            sources: Vec::new(),
        }
    }

    fn directive<'a>(policy: &'a str, name: &str) -> Option<&'a str> {
        policy.split("; ").find_map(|part| part.strip_prefix(name)?.strip_prefix(' '))
    }

    #[test]
    fn a_report_reaches_its_folder_and_nothing_else() {
        let policy = showing().policy();
        assert!(policy.starts_with("sandbox allow-scripts "), "{policy}");
        assert!(
            !policy.contains("allow-same-origin") && !policy.contains("allow-top-navigation"),
            "{policy}"
        );
        assert!(!policy.contains("frame-ancestors") && !policy.contains("'self'"), "{policy}");
        let folder = "https://ci.example.com/-/r/T/";
        for name in ["form-action", "base-uri"] {
            assert_eq!(directive(&policy, name), Some(folder), "{name}");
        }
        assert_eq!(directive(&policy, "connect-src"), Some("https://ci.example.com/-/r/T/ data: blob:"));
        assert_eq!(directive(&policy, "object-src"), Some("'none'"));
        let hosts = policy.split(' ').filter(|part| part.contains("://"));
        let own = |host: &&str| {
            host.starts_with(folder) || host.starts_with("https://ci.example.com/-/assets/shim-")
        };
        assert_eq!(hosts.filter(|host| !own(host)).count(), 0, "{policy}");
    }

    #[test]
    fn without_scripts_nothing_runs_wherever_it_is_shown() {
        for is_apart in [false, true] {
            let policy = Showing { runs: false, is_apart, ..showing() }.policy();
            assert!(policy.starts_with("sandbox allow-forms"), "{policy}");
            assert!(!policy.contains("allow-scripts"));
            assert_eq!(directive(&policy, "script-src"), Some("'none'"));
        }
    }

    #[test]
    fn apart_a_report_is_in_no_sandbox_and_may_have_workers() {
        let policy = Showing { is_apart: true, shim: None, ..showing() }.policy();
        assert!(!policy.contains("sandbox") && !policy.contains("/-/assets/"), "{policy}");
        assert_eq!(directive(&policy, "frame-ancestors"), Some("'self'"));
        assert!(directive(&policy, "worker-src").unwrap().starts_with("https://ci.example.com/-/r/T/"));
    }

    #[test]
    fn other_hosts_are_loaded_from_and_told_nothing() {
        let policy = Showing { sources: vec!["https://cdn.example.org".into()], ..showing() }.policy();
        assert!(directive(&policy, "script-src").unwrap().contains("https://cdn.example.org"));
        assert!(directive(&policy, "default-src").unwrap().contains("https://cdn.example.org"));
        assert!(!directive(&policy, "connect-src").unwrap().contains("cdn"), "{policy}");
        let odd = Showing { folder: "https://a/b;script-src *,/".into(), ..showing() }.policy();
        assert!(!odd.contains("; script-src *") && !odd.contains(','), "{odd}");
    }
}
