//! Which content codings a client accepts (RFC 9110, section 12.5.3).

use actix_web::http::header::{ACCEPT_ENCODING, HeaderMap};

/// Whether the client would rather have `coding` than the bytes as they are. One that says nothing
/// gets them as they are.
pub fn prefers(headers: &HeaderMap, coding: &str) -> bool {
    let quality = |name: &str| {
        headers
            .get_all(ACCEPT_ENCODING)
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(weighted)
            .find(|(known, _)| known.trim_start_matches("x-").eq_ignore_ascii_case(name))
            .map(|(_, quality)| quality)
    };
    let wanted = quality(coding).or_else(|| quality("*")).unwrap_or(0.0);
    wanted > 0.0 && quality("identity").is_none_or(|identity| wanted >= identity)
}

fn weighted(item: &str) -> Option<(&str, f32)> {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    Some((name, quality.map_or(Some(1.0), |q| q.parse().ok())?))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn prefers_gzip(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap());
        prefers(&headers, "gzip")
    }

    #[test]
    fn a_coding_is_used_only_when_the_client_rather_has_it() {
        for yes in [
            "gzip",
            "gzip, deflate",
            "GZIP;q=0.1",
            "x-gzip",
            "*",
            "br, *;q=0.5",
            "gzip;q=1.0,deflate;q=0.6,identity;q=0.3",
        ] {
            assert!(prefers_gzip(yes), "{yes}");
        }
        for no in
            ["", "identity", "gzip;q=0", "br", "gzip;q=0.3, identity", "*;q=0", "gzip;q=x", "gzip;q=0, *"]
        {
            assert!(!prefers_gzip(no), "{no}");
        }
        assert!(!prefers(&HeaderMap::new(), "gzip"));
    }
}
