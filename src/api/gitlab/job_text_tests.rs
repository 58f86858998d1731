//! Jobs as GitLab writes them, and whatever else may come.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;

fn held(ids: &[i64]) -> HashMap<i64, HeldArchive> {
    let archive = |id: &i64| (*id, HeldArchive { filename: format!("a \"{id}\".zip"), size_bytes: 7 * id });
    ids.iter().map(archive).collect()
}

/// The text with the archives of the jobs 1 and 2; as it is if it cannot be read.
fn filled(text: &str) -> String {
    JobText::parse(text.as_bytes()).map_or_else(|| text.to_owned(), |job| job.filled(&held(&[1, 2])).0)
}

#[test]
fn archives_are_filled_in_and_every_other_byte_stays() {
    let text = "\u{20}{\"id\": 12345678901234567890123, \"x\":1.50e+00,\"x\":\"\\u0041\\\"}]\",\n \"job_info\" :{\
                \"name\":\"n\",\"project_id\":7 },\"variables\":[{\"value\":\"dependencies\"},[],{}],\
                \"dependencies\":[ {\"id\":1,\"token\":\"t]}\\\\\"} , {\"artifacts_file\": null ,\"id\":2},\
                {\"id\":3},{\"id\":1,\"artifacts_file\":{\"filename\":\"b.zip\",\"size\":-0}},{},[],1,\"\"]}\r\n";
    let expected = text
        .replace(
            "\"t]}\\\\\"}",
            "\"t]}\\\\\",\"artifacts_file\":{\"filename\":\"a \\\"1\\\".zip\",\"size\":7}}",
        )
        .replace(": null ,", ": {\"filename\":\"a \\\"2\\\".zip\",\"size\":14} ,");
    let job = JobText::parse(text.as_bytes()).unwrap();
    assert_eq!((job.project_id(), job.job_ids()), (7, vec![1, 2, 3]));
    assert_eq!(job.filled(&held(&[1, 2])), (expected, 2));
    assert_eq!(job.filled(&held(&[9])), (text.to_owned(), 0));
}

#[test]
fn what_cannot_be_read_for_sure_stays_as_it_is() {
    let with =
        |info: &str, dependencies: &str| format!("{{\"job_info\":{info},\"dependencies\":{dependencies}}}");
    let good = with("{\"project_id\":7}", "[{\"id\":1}]");
    assert_ne!(filled(&good), good);
    for text in [
        String::new(),
        "[]".into(),
        "null".into(),
        "{}".into(),
        format!("{good}x"),
        good[..good.len() - 1].to_owned(),
        good.replace('1', "01"),
        good.replace('1', "1.0"),
        good.replace('1', "\"1\""),
        good.replace('1', "99999999999999999999"),
        good.replace('7', "7,\"project_id\":7"),
        good.replace("\"dependencies\"", "\"dependencies\":[],\"dependencies\""),
        good.replace("\"id\":1", "\"id\":1,\"\\u0069d\":2"),
        good.replace("\"id\":1", "\"id\":1,\"artifacts_file\":null,\"artifacts_file\":null"),
        good.replace("\"id\":1", "\"id\":1,\"artifacts_file\":{}"),
        good.replace("[{\"id\":1}]", "{\"id\":1}"),
        with("[]", "[{\"id\":1}]"),
        with("{\"project_id\":7}", "null"),
    ] {
        assert_eq!(filled(&text), text);
    }
    assert!(
        JobText::parse(b"{\"job_info\":{\"project_id\":7},\"x\":\"\xff\",\"dependencies\":[{\"id\":1}]}")
            .is_none()
    );
    let deep = format!("{{\"x\":{}{},{}", "[".repeat(100_000), "]".repeat(100_000), &good[1..]);
    filled(&deep);
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?[1-9][0-9]{0,30}(\\.[0-9]{1,3})?(e[+-]?[0-9])?",
        "[ -~\u{e9}]{0,8}".prop_map(|text| Json::from(text).to_string()),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        let key = "(a|id|artifacts_file|dependencies|job_info)";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[ {} ]", all.join(" ,\n"))),
            prop::collection::vec((key, inner), 0..4).prop_map(|all| {
                let all: Vec<_> = all.into_iter().map(|(key, value)| format!("\"{key}\" :{value}")).collect();
                format!("{{{} }}", all.join(", "))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn only_archives_are_added_to_a_job_with_anything_else_in_it(
        before in json(),
        others in prop::collection::vec(json(), 0..4),
        after in json(),
        file in prop_oneof![Just(None), json().prop_map(Some)],
        space in "[ \n\r\t]{0,3}",
    ) {
        let file = file.map_or(String::new(), |file| format!(",{space}\"artifacts_file\":{file}{space}"));
        let own = format!("{{{space}\"id\":1{space},\"more\":{before}{file}}}");
        let all = [others, vec![own]].concat().join(",");
        let text = format!(
            "{space}{{\"a\":{before},\"job_info\":{{\"project_id\":7}},\"dependencies\":{space}[{all}]{space},\"z\":{after}}}"
        );
        let job = JobText::parse(text.as_bytes()).expect("a job");
        let archives = HashMap::from([(1, HeldArchive { filename: "FILLED".into(), size_bytes: 5 })]);
        let (filled, count) = job.filled(&archives);
        let piece = "{\"filename\":\"FILLED\",\"size\":5}";
        prop_assert_eq!(filled.matches(piece).count(), count);
        let without = filled.replace(&format!(",\"artifacts_file\":{piece}"), "").replace(piece, "null");
        let original = text.clone();
        // A `null` that was there before is told from none by what is left.
        prop_assert!(without == original || without == original.replace(",\"artifacts_file\":null", ""));
        let read: Json = serde_json::from_str(&filled).unwrap();
        let last = read["dependencies"].as_array().unwrap().last().unwrap();
        if file.is_empty() || file.contains("\"artifacts_file\":null") {
            prop_assert_eq!(&last["artifacts_file"]["filename"], "FILLED");
        }
    }

    #[test]
    fn nothing_panics(text in "[\\[\\]{}:,\"\\\\ a0-9eu.+-]{0,40}", bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        filled(&text);
        let _ = JobText::parse(&bytes);
        let wrapped = format!("{{\"job_info\":{{\"project_id\":7}},\"dependencies\":[{text}]}}");
        filled(&wrapped);
    }
}
