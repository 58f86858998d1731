//! Cookies: read by hand, and set so that neither a script nor another site or host can use or replace them.

use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue, InvalidHeaderValue};

/// A cookie. Over https its name begins with `__Host-`, which a browser takes from this host alone; over plain HTTP, as
/// on loopback, no browser keeps such a cookie.
#[derive(Debug, Clone, Copy)]
pub struct Cookie {
    secure: &'static str,
    plain: &'static str,
}

/// The cookie of a session.
pub const SESSION: Cookie = Cookie { secure: "__Host-artigate", plain: "artigate_session" };

/// The cookie of a person who is on the way to sign in elsewhere.
pub const SIGN_IN: Cookie = Cookie { secure: "__Host-artigate-sign-in", plain: "artigate_sign_in" };

impl Cookie {
    fn name(self, base_url: &str) -> &'static str {
        if is_secure(base_url) { self.secure } else { self.plain }
    }

    /// Returns the value that a browser sends; `None` if there is none, or if there are two different ones: somebody
    /// else may have set one of them.
    pub fn read(self, headers: &HeaderMap, base_url: &str) -> Option<String> {
        let name = self.name(base_url);
        let lines = headers.get_all(COOKIE).filter_map(|value| value.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
        let mut values = pairs.filter(|(known, _)| known.trim() == name).map(|(_, value)| value.trim());
        let first = values.next()?;
        values.all(|other| other == first).then(|| first.to_owned())
    }

    /// Returns the header that sets the cookie, for so many seconds. `SameSite=Lax`, because links from elsewhere are to
    /// arrive signed in.
    ///
    /// # Errors
    /// If the value is no text of a header.
    pub fn set(
        self,
        base_url: &str,
        value: &str,
        max_age_seconds: u64,
    ) -> Result<HeaderValue, InvalidHeaderValue> {
        let secure = if is_secure(base_url) { "; Secure" } else { "" };
        let name = self.name(base_url);
        let text =
            format!("{name}={value}; Path=/; Max-Age={max_age_seconds}; HttpOnly; SameSite=Lax{secure}");
        let mut header = HeaderValue::try_from(text)?;
        header.set_sensitive(true);
        Ok(header)
    }

    /// Returns the header that takes the cookie away.
    pub fn clear(self, base_url: &str) -> HeaderValue {
        self.set(base_url, "", 0).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

fn is_secure(base_url: &str) -> bool {
    base_url.starts_with("https://")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HTTPS: &str = "https://ci.example.com";
    const HTTP: &str = "http://127.0.0.1:8929";

    fn sent(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    #[test]
    fn a_cookie_is_for_this_host_and_no_script() {
        let secure = SESSION.set(HTTPS, "x", 60).unwrap();
        assert_eq!(secure, "__Host-artigate=x; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
        assert!(secure.is_sensitive());
        let plain = SESSION.set(HTTP, "x", 60).unwrap();
        assert_eq!(plain, "artigate_session=x; Path=/; Max-Age=60; HttpOnly; SameSite=Lax");
        assert_eq!(
            SESSION.clear(HTTPS),
            "__Host-artigate=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"
        );
        assert!(SESSION.set(HTTPS, "x\ny", 60).is_err());
    }

    #[test]
    fn of_two_cookies_of_one_name_none_counts() {
        for (base, lines, expected) in [
            (HTTPS, &["a=b; __Host-artigate=x; c=d"][..], Some("x")),
            (HTTPS, &["a=b", "__Host-artigate=x"], Some("x")),
            (HTTPS, &["__Host-artigate=x; __Host-artigate=x"], Some("x")),
            (HTTPS, &["__Host-artigate=x; __Host-artigate=y"], None),
            (HTTPS, &["__Host-artigate=x", "__Host-artigate=y"], None),
            (HTTPS, &["artigate_session=x"], None),
            (HTTPS, &["__host-artigate=x"], None),
            (HTTPS, &["__Host-artigate-sign-in=x"], None),
            (HTTPS, &["=__Host-artigate=x"], None),
            (HTTP, &["__Host-artigate=x"], None),
            (HTTP, &["artigate_session=x"], Some("x")),
            (HTTP, &["artigate_session=x; artigate_session=y"], None),
            (HTTP, &["artigate_session"], None),
            (HTTP, &[], None),
        ] {
            assert_eq!(SESSION.read(&sent(lines), base).as_deref(), expected, "{base} {lines:?}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read(line in "[ -~]{0,80}") {
            let _ = SESSION.read(&sent(&[&line]), HTTPS);
        }
    }
}
