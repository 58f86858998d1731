//! Tests of the tokens of reports.

use proptest::prelude::*;

use super::*;
use crate::auth::keys::derived_for_tests;

/// The name of the upstream.
const UPSTREAM: &str = "gitlab";

fn token(job_id: i64, holder: ReportHolder) -> ReportToken {
    let subject = ReportSubject::OfJob { job_id, archive_id: Some(9) };
    ReportToken::new(subject, holder, Timestamp::from_millis(HOUR_MILLIS * 500_000 + 1))
}

#[test]
fn a_token_is_the_same_for_an_hour_and_ends_within_eight() {
    let key = derived_for_tests(7);
    let subject = ReportSubject::Named { job_id: 1, archive_id: 2 };
    let at = |millis| ReportToken::new(subject, ReportHolder::Anonymous, Timestamp::from_millis(millis));
    let (begin, end) = (HOUR_MILLIS * 500_000, HOUR_MILLIS * 500_001 - 1);
    assert_eq!(at(begin).signed(&key).unwrap(), at(end).signed(&key).unwrap());
    assert_ne!(at(begin).signed(&key).unwrap().text, at(end + 1).signed(&key).unwrap().text);
    assert!(!at(begin).is_over(Timestamp::from_millis(begin + 8 * HOUR_MILLIS - 1)));
    assert!(at(end).is_over(Timestamp::from_millis(begin + 8 * HOUR_MILLIS)));
    let text = at(begin).signed(&key).unwrap().text;
    assert!((50..=80).contains(&text.len()), "{text}");
}

#[test]
fn a_label_names_an_archive_whoever_looks_at_it() {
    let key = derived_for_tests(7);
    let label = token(1, ReportHolder::Anonymous).signed(&key).unwrap().label;
    assert_eq!(label.len(), LABEL_CHARACTERS);
    assert!(label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{label}");
    assert_eq!(token(1, ReportHolder::PersonalToken(3)).signed(&key).unwrap().label, label);
    assert_ne!(token(2, ReportHolder::Anonymous).signed(&key).unwrap().label, label);
    assert_ne!(token(1, ReportHolder::Anonymous).signed(&derived_for_tests(8)).unwrap().label, label);
}

#[test]
fn base32_is_that_of_the_standard() {
    assert_eq!(base32(b"fooba"), "mzxw6ytb");
    assert_eq!(base32(&[0xff; 5]), "77777777");
}

/// Reads and opens a text with a key, as it is done with the catalog's.
fn read(text: &str, key: &SigningKey) -> Option<ReportToken> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    Unopened::read(&bytes).filter(|unopened| unopened.key_id == key.id)?.open(key, Some(UPSTREAM))
}

fn foreign(session_id: Option<i64>, place: Place, token: &str) -> Option<ReportHolder> {
    ReportHolder::foreign(UPSTREAM, session_id, &Asker::with_token(place, &token.to_owned().into())?)
}

#[test]
fn a_token_of_the_upstream_is_sealed_and_only_the_key_opens_it() {
    let key = derived_for_tests(7);
    let secret = "glpat-of-the-upstream";
    for (session_id, place) in [(Some(5), Place::Bearer), (None, Place::Personal), (None, Place::Bearer)] {
        let holder = foreign(session_id, place, secret).unwrap();
        let signed = token(1, holder.clone()).signed(&key).unwrap();
        assert_eq!(read(&signed.text, &key).unwrap().holder, holder);
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&signed.text).unwrap();
        assert!(!bytes.windows(6).any(|six| secret.as_bytes().windows(6).any(|of| of == six)));
        assert_eq!(signed, token(1, holder.clone()).signed(&key).unwrap(), "the same for an hour");
        let other = token(2, holder).signed(&key).unwrap();
        let sealed = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()[15..].to_vec();
        assert_ne!(sealed(&signed.text), sealed(&other.text));
        assert_eq!(read(&signed.text, &SigningKey { id: 7, ..derived_for_tests(8) }), None);
    }
}

#[test]
fn a_seal_that_was_moved_to_another_token_is_none() {
    let key = derived_for_tests(7);
    let bytes = |job_id| {
        let token = token(job_id, foreign(None, Place::Personal, "glpat-of-the-upstream").unwrap());
        BASE64_URL_SAFE_NO_PAD.decode(token.signed(&key).unwrap().text).unwrap()
    };
    let (one, other) = (bytes(1), bytes(2));
    let [one, other] = [&one, &other].map(|bytes| Unopened::read(bytes).unwrap());
    let beside = beside(one.numbers, UPSTREAM);
    assert!(unsealed(&key, &beside, one.sealed).is_some());
    assert!(unsealed(&key, &beside, other.sealed).is_none());
}

#[test]
fn a_token_of_one_upstream_is_opened_for_no_other() {
    let key = derived_for_tests(7);
    let opened = |holder: ReportHolder, upstream| {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token(1, holder).signed(&key).unwrap().text).unwrap();
        Unopened::read(&bytes).unwrap().open(&key, upstream).is_some()
    };
    for session_id in [None, Some(5)] {
        let of_upstream = |upstream| {
            opened(foreign(session_id, Place::Personal, "glpat-of-the-upstream").unwrap(), upstream)
        };
        assert!(of_upstream(Some(UPSTREAM)));
        for other in [Some("another"), Some(""), None] {
            assert!(!of_upstream(other), "{other:?}");
        }
    }
    assert!(opened(ReportHolder::Session(5), None), "what is registered here is of none");
}

#[test]
fn tokens_that_no_address_takes_make_no_holder() {
    assert!(foreign(None, Place::Personal, &"x".repeat(MOST_SEALED_BYTES)).is_some());
    assert!(foreign(None, Place::Personal, &"x".repeat(MOST_SEALED_BYTES + 1)).is_none());
    assert!(foreign(None, Place::Bearer, "glcbt-of-a-job").is_none());
    assert!(ReportHolder::foreign(UPSTREAM, None, &Asker::NOBODY).is_none());
    let longest = foreign(Some(i64::MIN), Place::Bearer, &"x".repeat(MOST_SEALED_BYTES)).unwrap();
    let longest = ReportToken::new(
        ReportSubject::Named { job_id: i64::MIN, archive_id: i64::MIN },
        longest,
        Timestamp::from_millis(i64::MIN),
    );
    let key = SigningKey { id: i64::MIN, ..derived_for_tests(7) };
    let text = longest.clone().signed(&key).unwrap().text;
    assert!(text.len() <= MOST_CHARACTERS, "{}", text.len());
    assert_eq!(read(&text, &key), Some(longest));
}

fn holders(id: i64, token: &str) -> impl Strategy<Value = ReportHolder> + use<> {
    let asker = Asker::with_token(Place::Bearer, &format!("glpat-{token}").into()).unwrap();
    let session_id = (id != 0).then_some(id);
    prop_oneof![
        Just(ReportHolder::Anonymous),
        Just(ReportHolder::PersonalToken(id)),
        Just(ReportHolder::Session(id)),
        Just(ReportHolder::Foreign { upstream: UPSTREAM.to_owned(), session_id, asker }),
    ]
}

proptest! {
    #[test]
    fn what_was_signed_is_read_and_nothing_else(
        job_id: i64, archive: i64, named: bool, key_id: i64, flip in 0_usize..10_000, now: i64,
        holder in (any::<i64>(), "[!-~]{1,200}").prop_flat_map(|(id, token)| holders(id, &token)),
    ) {
        let subject = if named {
            ReportSubject::Named { job_id, archive_id: archive }
        } else {
            ReportSubject::OfJob { job_id, archive_id: (archive != 0).then_some(archive) }
        };
        let token = ReportToken::new(subject, holder, Timestamp::from_millis(now));
        let key = derived_for_tests(key_id);
        let text = token.clone().signed(&key).unwrap().text;
        prop_assert!(text.len() <= MOST_CHARACTERS);
        prop_assert_eq!(read(&text, &key), Some(token));
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&text).unwrap();
        let at = flip % (bytes.len() * 8);
        bytes[at / 8] ^= 1 << (at % 8);
        prop_assert_eq!(read(&BASE64_URL_SAFE_NO_PAD.encode(bytes), &key), None);
    }

    #[test]
    fn no_text_is_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..140), key_id: i64) {
        let key = derived_for_tests(key_id);
        prop_assert_eq!(Unopened::read(&bytes).and_then(|unopened| unopened.open(&key, Some(UPSTREAM))), None);
        let versioned = [&[VERSION], bytes.as_slice()].concat();
        prop_assert_eq!(Unopened::read(&versioned).and_then(|unopened| unopened.open(&key, Some(UPSTREAM))), None);
    }
}
