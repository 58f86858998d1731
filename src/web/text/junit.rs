//! Summary of a test report in the form of `JUnit`: how many tests there are, and which failed.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// Most failed tests that are listed.
const MOST_FAILURES: usize = 100;

/// Longest message that is shown, in characters.
const MOST_CHARACTERS: usize = 2_000;

/// Deepest nesting that is followed.
const MOST_DEPTH: usize = 64;

/// What a test report says.
#[derive(Debug, Default, PartialEq)]
pub(in crate::web) struct Summary {
    pub(in crate::web) tests: usize,
    pub(in crate::web) failed: usize,
    /// Tests that did not run to an end.
    pub(in crate::web) errors: usize,
    pub(in crate::web) skipped: usize,
    /// How long all tests took, in seconds.
    pub(in crate::web) seconds: f64,
    /// The first of the tests that failed or had an error.
    pub(in crate::web) failures: Vec<Failure>,
    /// Whether the report ends before its end, or is damaged from somewhere on.
    pub(in crate::web) is_partial: bool,
}

/// A test that failed.
#[derive(Debug, Default, PartialEq)]
pub(in crate::web) struct Failure {
    pub(in crate::web) name: String,
    pub(in crate::web) suite: String,
    pub(in crate::web) message: String,
}

/// A test that is being read.
#[derive(Default)]
struct Test {
    name: String,
    suite: String,
    outcome: Outcome,
    message: String,
    text: String,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    #[default]
    Passed,
    Failed,
    Error,
    Skipped,
}

/// Sums up a report; `None` if the text is none.
pub(in crate::web) fn summarize(text: &str) -> Option<Summary> {
    let mut reader = Reader::from_str(text);
    let (mut summary, mut test, mut is_report) = (Summary::default(), None::<Test>, false);
    let (mut depth, mut in_failure) = (0_usize, false);
    loop {
        match reader.read_event() {
            Ok(Event::Eof) => {
                summary.is_partial |= depth > 0;
                break;
            }
            Ok(Event::Start(element)) => {
                depth += 1;
                if depth > MOST_DEPTH {
                    summary.is_partial = true;
                    break;
                }
                if !is_report {
                    matches!(element.local_name().as_ref(), b"testsuites" | b"testsuite").then_some(())?;
                    is_report = true;
                }
                in_failure |= begin(&element, &mut summary, &mut test);
            }
            Ok(Event::Empty(element)) => {
                if !is_report {
                    return matches!(element.local_name().as_ref(), b"testsuites" | b"testsuite")
                        .then_some(summary);
                }
                begin(&element, &mut summary, &mut test);
                if element.local_name().as_ref() == b"testcase" {
                    end(&mut summary, test.take());
                }
            }
            Ok(Event::End(element)) => {
                depth = depth.saturating_sub(1);
                match element.local_name().as_ref() {
                    b"testcase" => end(&mut summary, test.take()),
                    b"failure" | b"error" => in_failure = false,
                    _ => {}
                }
            }
            Ok(Event::Text(part)) if in_failure => put(&mut test, &part.decode().unwrap_or_default()),
            Ok(Event::CData(part)) if in_failure => put(&mut test, &part.decode().unwrap_or_default()),
            Ok(Event::GeneralRef(entity)) if in_failure => {
                let shown = match &entity[..] {
                    b"lt" => '<',
                    b"gt" => '>',
                    b"amp" => '&',
                    b"quot" => '"',
                    b"apos" => '\'',
                    _ => entity.resolve_char_ref().ok().flatten().unwrap_or('\u{fffd}'),
                };
                put(&mut test, shown.encode_utf8(&mut [0; 4]));
            }
            Ok(_) => {}
            Err(_) => {
                summary.is_partial = true;
                break;
            }
        }
    }
    is_report.then_some(summary)
}

/// Begins an element; returns whether it holds the text of a failure.
fn begin(element: &BytesStart<'_>, summary: &mut Summary, test: &mut Option<Test>) -> bool {
    let outcome = match element.local_name().as_ref() {
        b"testcase" => {
            summary.tests += 1;
            summary.seconds += attribute(element, "time").replace(',', "").parse().unwrap_or(0.0);
            let suite = attribute(element, "classname");
            *test = Some(Test { name: attribute(element, "name"), suite, ..Test::default() });
            return false;
        }
        b"failure" => Outcome::Failed,
        b"error" => Outcome::Error,
        b"skipped" => Outcome::Skipped,
        _ => return false,
    };
    let Some(test) = test else { return false };
    test.outcome = outcome;
    if outcome != Outcome::Skipped {
        test.message = attribute(element, "message");
    }
    outcome != Outcome::Skipped
}

fn end(summary: &mut Summary, test: Option<Test>) {
    let Some(test) = test else { return };
    match test.outcome {
        Outcome::Passed => return,
        Outcome::Skipped => {
            summary.skipped += 1;
            return;
        }
        Outcome::Failed => summary.failed += 1,
        Outcome::Error => summary.errors += 1,
    }
    if summary.failures.len() == MOST_FAILURES {
        return;
    }
    let text = test.text.trim();
    // Many tools repeat the message at the beginning of the text.
    let message = if text.contains(test.message.trim()) || test.message.is_empty() {
        text.to_owned()
    } else {
        format!("{}\n{text}", test.message)
    };
    summary.failures.push(Failure {
        name: cut(&test.name),
        suite: cut(&test.suite),
        message: cut(message.trim()),
    });
}

fn put(test: &mut Option<Test>, text: &str) {
    if let Some(test) = test
        && test.text.len() < 4 * MOST_CHARACTERS
    {
        test.text.push_str(text);
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> String {
    let value = element.try_get_attribute(name).ok().flatten();
    let value = value
        .and_then(|value| value.normalized_value(XmlVersion::Implicit1_0).ok().map(|text| text.into_owned()));
    value.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REPORT: &str = r#"<?xml version="1.0"?><testsuites><testsuite name="s" tests="9">
        <testcase name="a" classname="x.Y" time="0.5"/>
        <testcase name="b &lt;i>" classname="x.Y" time="1.25"><failure message="it &amp; that">at &lt;line&gt; 3 &#x41;</failure></testcase>
        <testcase name="c"><error><![CDATA[boom <b>]]></error></testcase>
        <testcase name="d"><skipped message="later"/></testcase>
    </testsuite></testsuites>"#;

    #[test]
    fn tests_are_counted_and_failures_named() {
        let summary = summarize(REPORT).unwrap();
        assert_eq!((summary.tests, summary.failed, summary.errors, summary.skipped), (4, 1, 1, 1));
        assert_eq!((summary.seconds, summary.is_partial), (1.75, false));
        let [one, other] = &summary.failures[..] else { panic!("{summary:?}") };
        assert_eq!((one.name.as_str(), one.suite.as_str()), ("b <i>", "x.Y"));
        assert_eq!(one.message, "it & that\nat <line> 3 A");
        assert_eq!((other.name.as_str(), other.message.as_str()), ("c", "boom <b>"));
    }

    #[test]
    fn a_report_that_is_cut_counts_as_far_as_it_goes() {
        let cut = &REPORT[..REPORT.find("<testcase name=\"c\"").unwrap()];
        let summary = summarize(cut).unwrap();
        assert_eq!((summary.tests, summary.failed, summary.is_partial), (2, 1, true));
        assert!(summarize(&format!("<testsuite>{}", "<a>".repeat(10_000))).unwrap().is_partial);
    }

    #[test]
    fn other_texts_are_no_reports() {
        for text in ["", "hello", "<html><testcase/></html>", "<project/>"] {
            assert_eq!(summarize(text), None, "{text}");
        }
        assert_eq!(summarize("<testsuite/>"), Some(Summary::default()));
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "(<testsuite>|<testcase name=\"a\">|</testcase>|<failure>|</failure>|&[a-z#0-9]{0,3};|[<>\"'x]){0,12}") {
            summarize(&text);
        }
    }
}
