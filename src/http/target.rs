//! Request target: the path and query of a request.
//!
//! Their lengths are bounded here, before anything parses them.

use actix_web::http::Uri;

/// Longest path, in bytes as received.
pub const MAX_PATH_BYTES: usize = 8 * 1024;

/// Most segments of a path.
pub const MAX_SEGMENTS: usize = 256;

/// Longest query, in bytes as received; `Link` repeats it up to four times.
pub const MAX_QUERY_BYTES: usize = 16 * 1024;

/// Returns why a target is too long; `None` if it is not.
pub fn too_long(uri: &Uri) -> Option<String> {
    let path = uri.path().as_bytes();
    if path.len() > MAX_PATH_BYTES {
        return Some(format!("the path is longer than {MAX_PATH_BYTES} bytes"));
    }
    if path.iter().filter(|byte| **byte == b'/').count() > MAX_SEGMENTS {
        return Some(format!("the path has more than {MAX_SEGMENTS} segments"));
    }
    if uri.query().is_some_and(|query| query.len() > MAX_QUERY_BYTES) {
        return Some(format!("the query is longer than {MAX_QUERY_BYTES} bytes"));
    }
    None
}

/// Reads a segment of a path that is a number, of digits only; `None` if it is none.
pub fn number(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(target: &str) -> Option<String> {
        too_long(&target.parse().unwrap())
    }

    #[test]
    fn what_is_just_short_enough_is_read_and_one_byte_or_segment_more_is_not() {
        let path = |bytes: usize| format!("/{}", "x".repeat(bytes - 1));
        assert_eq!(refusal(&path(MAX_PATH_BYTES)), None);
        assert_eq!(refusal(&path(MAX_PATH_BYTES + 1)).unwrap(), "the path is longer than 8192 bytes");
        assert_eq!(refusal(&"/x".repeat(MAX_SEGMENTS)), None);
        assert_eq!(refusal(&"/x".repeat(MAX_SEGMENTS + 1)).unwrap(), "the path has more than 256 segments");
        let query = |bytes: usize| format!("/?{}", "x".repeat(bytes));
        assert_eq!(refusal(&query(MAX_QUERY_BYTES)), None);
        assert_eq!(refusal(&query(MAX_QUERY_BYTES + 1)).unwrap(), "the query is longer than 16384 bytes");
    }
}
