//! Tests of sessions: what is sealed, and when a session has ended.

use proptest::prelude::*;

use super::*;
use crate::catalog::sessions::{LONGEST_MILLIS, Session};
use crate::catalog::tokens::AccessToken;

const NOW: i64 = 1_800_000_000_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn held(token: &str) -> HeldTokens {
    HeldTokens { token: token.into(), refresh: None, expires_at: None }
}

fn found(change: impl FnOnce(&mut Session, &mut AccessToken)) -> FoundSession {
    let sha256 = Sha256Digest::of(b"x");
    let mut session = Session {
        id: 7,
        sha256,
        upstream: None,
        foreign_user_id: None,
        username: None,
        sealed: None,
        renew_at: None,
        seen_at: at(NOW),
        ends_at: at(NOW + LONGEST_MILLIS),
    };
    let mut token = AccessToken { sha256, scopes: "read_api".into(), expires_at: None, revoked: false };
    change(&mut session, &mut token);
    let user = User { id: 3, username: "ann".into(), admin: false };
    let token = session.upstream.is_none().then_some((token, user));
    FoundSession { session, token }
}

fn ended(found: FoundSession, held: Option<&HeldTokens>) -> Option<SessionEnd> {
    OpenSession::of(&found, held, Some("gitlab"), at(NOW)).err()
}

#[test]
fn a_session_ends_with_its_token_with_its_time_and_for_want_of_use() {
    assert_eq!(ended(found(|_, _| {}), None), None);
    assert_eq!(ended(found(|session, _| session.seen_at = at(NOW - IDLE_MILLIS + 1)), None), None);
    for (end, found) in [
        (SessionEnd::Idle, found(|session, _| session.seen_at = at(NOW - IDLE_MILLIS))),
        (SessionEnd::Old, found(|session, _| session.ends_at = at(NOW))),
        (SessionEnd::TokenExpired, found(|_, token| token.expires_at = Some(at(NOW)))),
        (SessionEnd::TokenRevoked, found(|_, token| token.revoked = true)),
    ] {
        assert_eq!(ended(found, None), Some(end));
    }
}

#[test]
fn a_session_of_the_upstream_needs_its_tokens_and_the_upstream() {
    let of = |name: &str| {
        let name = name.to_owned();
        found(move |session, _| {
            (session.upstream, session.foreign_user_id) = (Some(name), Some(30));
        })
    };
    assert_eq!(ended(of("gitlab"), Some(&held("glpat-x"))), None);
    assert_eq!(ended(of("gitlab"), None), Some(SessionEnd::TokenLost));
    assert_eq!(ended(of("other"), Some(&held("glpat-x"))), Some(SessionEnd::TokenLost));
    assert_eq!(ended(of("gitlab"), Some(&held("with space"))), Some(SessionEnd::TokenLost));
    let lost = FoundSession { token: None, ..found(|_, _| {}) };
    assert_eq!(ended(lost, None), Some(SessionEnd::TokenLost), "the token's row is gone");
}

#[test]
fn a_secret_is_long_and_nothing_else_is_read_as_one() {
    let secret = SessionSecret::random().unwrap();
    assert!(SessionSecret::parse(secret.expose()).is_some());
    assert!(!format!("{secret:?}").contains(&secret.expose()[PREFIX.len()..]));
    let text = secret.expose();
    for bad in ["", "session-", "glpat-x", &text[1..], &text[..text.len() - 1], &format!("{text}x")] {
        assert!(SessionSecret::parse(bad).is_none(), "{bad}");
    }
    assert!(SessionSecret::parse(&text.replace('-', ".")).is_none());
}

#[test]
fn tokens_are_renewed_before_they_end() {
    let tokens = |millis| HeldTokens {
        refresh: Some("r".to_owned().into()),
        expires_at: Some(at(NOW + millis)),
        ..held("t")
    };
    assert_eq!(tokens(7_200_000).renew_at(at(NOW)), Some(at(NOW + 6_900_000)));
    assert_eq!(tokens(60_000).renew_at(at(NOW)), Some(at(NOW + 45_000)));
    assert_eq!(tokens(-60_000).renew_at(at(NOW)), Some(at(NOW - 60_000)));
    assert_eq!(held("t").renew_at(at(NOW)), None);
}

proptest! {
    #[test]
    fn only_its_secret_opens_what_is_sealed(token in "[!-~]{1,200}", refresh in proptest::option::of("[!-~]{1,60}"), bit in 0usize..4000) {
        let (one, other) = (SessionSecret::random().unwrap(), SessionSecret::random().unwrap());
        let tokens = HeldTokens { refresh: refresh.clone().map(Into::into), ..held(&token) };
        let mut sealed = one.seal(&tokens).unwrap();
        prop_assert!(!sealed.windows(token.len()).any(|part| token.len() > 3 && part == token.as_bytes()));
        let opened = one.open(&sealed).unwrap();
        prop_assert_eq!(opened.token.expose_secret(), token.as_str());
        prop_assert_eq!(opened.refresh.map(|it| it.expose_secret().to_owned()), refresh);
        prop_assert!(other.open(&sealed).is_none());
        let bit = bit % (sealed.len() * 8);
        sealed[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(one.open(&sealed).is_none());
    }

    #[test]
    fn any_bytes_are_opened_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        prop_assert!(SessionSecret::random().unwrap().open(&bytes).is_none());
    }
}
