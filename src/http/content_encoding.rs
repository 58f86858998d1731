//! Content coding: which ones a client accepts (RFC 9110, section 12.5.3), and which files need none.

use actix_web::http::header::{ACCEPT_ENCODING, HeaderMap};

use crate::http::content_disposition;

/// Whether the client prefers `coding` to the unencoded bytes. Without `Accept-Encoding` it does not.
pub fn client_prefers(headers: &HeaderMap, coding: &str) -> bool {
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

/// Extensions of files that are compressed already.
const PACKED: &[&str] = &[
    // Firefox takes a coding around the first of these as a server's mistake and does not decode it.
    "gz", "tgz", "taz", "svgz", "emz", "wmz", "z", "bz2", "tbz", "tbz2", "xz", "txz", "lzma", "tlz", "lz",
    "lz4", "zst", "tzst", "zstd", "br", "7z", "rar", "zip", "zipx", "cab", "jar", "war", "ear", "aar", "apk",
    "aab", "ipa", "whl", "egg", "nupkg", "snupkg", "vsix", "crx", "xpi", "deb", "rpm", "snap", "dmg", "docx",
    "xlsx", "pptx", "docm", "xlsm", "pptm", "odt", "ods", "odp", "odg", "epub", "png", "apng", "jpg", "jpeg",
    "jpe", "jfif", "gif", "webp", "avif", "heic", "heif", "jxl", "mp3", "m4a", "aac", "ogg", "oga", "ogv",
    "opus", "flac", "mp4", "m4v", "mov", "webm", "mkv", "avi", "wmv", "wma", "woff", "woff2",
];

/// Whether a file of this name is compressed already and needs no content coding.
pub fn is_compressed_already(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    PACKED.iter().any(|packed| ending.eq_ignore_ascii_case(packed))
        || matches!(
            content_disposition::content_type(name),
            "application/gzip" | "application/x-gzip" | "application/x-gunzip" | "application/zip"
        )
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
        client_prefers(&headers, "gzip")
    }

    #[test]
    fn what_is_compressed_already_gets_no_coding() {
        for name in ["a.tar.gz", "A.GZ", "x.tgz", "logo.svgz", "app.jar", "i.png", "archive.tar.zst"] {
            assert!(is_compressed_already(name), "{name}");
        }
        for name in ["gz", "a.gz.txt", "index.html", "logo.svg", "app.wasm", "a.tar", ""] {
            assert!(!is_compressed_already(name), "{name}");
        }
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
        assert!(!client_prefers(&HeaderMap::new(), "gzip"));
    }
}
