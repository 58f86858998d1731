//! Tests of return addresses, as a browser resolves them.

use proptest::prelude::*;
use reqwest::Url;

use super::*;

const HOST: &str = "https://ci.example.com";

/// Where a browser lands that is sent to an address.
fn lands(to: &str) -> Url {
    Url::parse(&format!("{HOST}/-/sign_in")).unwrap().join(to).unwrap()
}

#[test]
fn only_own_pages_are_come_back_to() {
    for own in ["/", "/group/app", "/group/app/-/jobs/1/artifacts/browse/a%20b/?sort=size", "/-/sessions"] {
        assert_eq!(checked(own, ""), own);
    }
    for elsewhere in [
        "",
        "group/app",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "/caf\u{e9}",
        "/a b",
        "/a/../b",
        "/%2e%2E//evil.example",
        "/.//evil.example",
        "/-/sign_out",
        "/-/sign_in?to=/",
        "/-/auth/oidc",
    ] {
        assert_eq!(checked(elsewhere, ""), "/", "{elsewhere:?}");
    }
    assert_eq!(checked(&format!("/{}", "x".repeat(3000)), ""), "/");
}

#[test]
fn below_a_path_only_what_is_below_it_is_own() {
    for (to, expected) in [
        ("/ci/group/app", "/ci/group/app"),
        ("/ci/", "/ci/"),
        ("/ci", "/ci/"),
        ("/cim/app", "/ci/"),
        ("/group/app", "/ci/"),
        ("/ci//evil.example", "/ci/"),
        ("/ci/-/sign_out", "/ci/"),
    ] {
        assert_eq!(checked(to, "/ci"), expected, "{to}");
    }
    assert_eq!(of_sign_in("/ci", "/ci/a?b=c"), "/ci/-/sign_in?to=%2Fci%2Fa%3Fb%3Dc");
    assert_eq!(of_sign_in("/ci", "/elsewhere"), "/ci/-/sign_in");
    assert_eq!(of_upstream("", "/a"), "/-/auth/oidc?to=%2Fa");
}

proptest! {
    #[test]
    fn whatever_is_asked_for_a_browser_stays_on_this_server(to in "[/\\\\a-z:@.%?#\t\n 0-9-]{0,30}", root in "(/[a-z]{1,5})?") {
        let landed = lands(&checked(&to, &root));
        prop_assert_eq!(landed.origin(), Url::parse(HOST).unwrap().origin());
    }

    #[test]
    fn any_text_leads_to_this_server(to in ".{0,40}") {
        let landed = lands(&checked(&to, ""));
        prop_assert_eq!(landed.origin(), Url::parse(HOST).unwrap().origin());
    }
}
