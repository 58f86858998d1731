//! Trace context: the trace that a request belongs to, as its client says it in `traceparent` (W3C Trace
//! Context, level 1).
//!
//! It only appears in the log, so that a request is found among those of other programs; a header that is no
//! trace context is ignored.

use actix_web::http::header::HeaderMap;

const TRACEPARENT: &str = "traceparent";

/// Lengths of the fields: version, trace, parent, flags.
const LENGTHS: [usize; 4] = [2, 32, 16, 2];

/// A trace, and the span in it that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TraceContext<'a> {
    /// 32 hexadecimal digits.
    pub(super) trace_id: &'a str,
    /// 16 hexadecimal digits.
    pub(super) parent_id: &'a str,
}

impl<'a> TraceContext<'a> {
    /// Reads the header; `None` without one, with several, or with one that is not as the standard has it.
    pub(super) fn of(headers: &'a HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(TRACEPARENT);
        let (line, None) = (lines.next()?, lines.next()) else { return None };
        Self::parse(line.to_str().ok()?)
    }

    fn parse(text: &'a str) -> Option<Self> {
        let mut fields = text.splitn(5, '-');
        let mut field = |length: usize| {
            fields.next().filter(|field| field.len() == length && field.bytes().all(is_lower_hex))
        };
        let [version, trace_id, parent_id, _flags] = LENGTHS.map(&mut field);
        let (version, trace_id, parent_id) = (version?, trace_id?, parent_id?);
        _flags?;
        // Later versions may have more fields; `ff` is none.
        let has_more = fields.next().is_some();
        let is_known = version != "ff" && (version != "00" || !has_more);
        let has_ids = [trace_id, parent_id].iter().all(|id| id.bytes().any(|digit| digit != b'0'));
        (is_known && has_ids).then_some(Self { trace_id, parent_id })
    }
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    #[test]
    fn a_trace_context_is_read_and_anything_else_is_none() {
        let good = TraceContext { trace_id: TRACE, parent_id: PARENT };
        for text in [format!("00-{TRACE}-{PARENT}-01"), format!("cc-{TRACE}-{PARENT}-00-what-comes")] {
            assert_eq!(TraceContext::parse(&text), Some(good), "{text}");
        }
        let (no_trace, no_parent) = ("0".repeat(32), "0".repeat(16));
        for text in [
            String::new(),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-{PARENT}-1"),
            format!("00-{no_trace}-{PARENT}-01"),
            format!("00-{TRACE}-{no_parent}-01"),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}\u{1b}[31m-{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}-01\n"),
        ] {
            assert_eq!(TraceContext::parse(&text), None, "{text}");
        }
    }

    #[test]
    fn two_headers_say_nothing() {
        let mut headers = HeaderMap::new();
        for count in [1, 2] {
            let value = HeaderValue::from_str(&format!("00-{TRACE}-{PARENT}-01")).unwrap();
            headers.append(HeaderName::from_static(TRACEPARENT), value);
            assert_eq!(TraceContext::of(&headers).is_some(), count == 1);
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic_or_gets_into_the_log_as_it_is(text in "([0-9a-f-]|\\PC){0,80}") {
            if let Some(context) = TraceContext::parse(&text) {
                prop_assert!(context.trace_id.len() == 32 && context.parent_id.len() == 16);
            }
        }
    }
}
