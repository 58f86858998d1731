//! Every place of a credential with every possible content.
//!
//! An empty place is anonymous; any content other than one valid token is rejected.

use artigate::settings::Settings;

use crate::support::fixtures::{self, UPLOAD};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Form, Request};

const PERSONAL: &str = fixtures::DEVELOPER;
const JOB: &str = "glcbt-64_hidden";

/// A path that answers 404 without a credential, 401 to a wrong one and 200 to a valid one.
const HIDDEN: &str = "/api/v4/projects/2/jobs/12/artifacts";

fn gateway() -> Gateway {
    let gateway = Gateway::on_sqlite_with(|settings: &mut Settings| settings.failed_auth_per_minute = 0);
    fixtures::small(&gateway, b"bytes");
    gateway.load(&format!(
        "projects:
  - id: 2
    path: group/hidden
    members: {{developer: developer}}
    pipelines:
      - {{id: 300, ref: main, sha: a, status: running, user: developer, jobs: [
          {{id: 12, name: build, status: success, artifacts: [{{file: archive.zip}}]}},
          {{id: 22, name: test, status: running, token: {JOB}}}]}}"
    ));
    gateway
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Parameter(&'static str),
    /// A header, and what stands before the token there.
    Header(&'static str, &'static str),
}

/// Each place, and a credential that is valid there; none where it is not read.
const PLACES: &[(Place, Option<&str>)] = &[
    (Place::Parameter("private_token"), Some(PERSONAL)),
    (Place::Parameter("access_token"), Some(PERSONAL)),
    (Place::Parameter("bearer_token"), Some(PERSONAL)),
    (Place::Parameter("access_token"), Some(JOB)),
    (Place::Parameter("job_token"), Some(JOB)),
    (Place::Parameter("token"), Some(JOB)),
    (Place::Parameter("oauth_token"), None),
    (Place::Header("PRIVATE-TOKEN", ""), Some(PERSONAL)),
    (Place::Header("Authorization", "Bearer "), Some(PERSONAL)),
    (Place::Header("Authorization", "bearer "), Some(JOB)),
    (Place::Header("JOB-TOKEN", ""), Some(JOB)),
    (Place::Header("Deploy-Token", ""), None),
    (Place::Header("Authorization", "Basic "), None),
    (Place::Header("Authorization", "Digest "), None),
    (Place::Header("Authorization", "Negotiate "), None),
    (Place::Header("Authorization", "Token "), None),
];

impl Place {
    fn get(self, gateway: &Gateway, values: &[&str]) -> Request {
        match self {
            Self::Parameter(name) => {
                let pairs: Vec<String> = values.iter().map(|value| format!("{name}={value}")).collect();
                gateway.get(&format!("{HIDDEN}?{}", pairs.join("&").replace(' ', "%20")))
            }
            Self::Header(name, scheme) => values.iter().fold(gateway.get(HIDDEN), |request, value| {
                request.header(name, &format!("{scheme}{value}"))
            }),
        }
    }

    /// Another scheme than `Bearer` is there even when nothing is behind it.
    fn is_other_scheme(self) -> bool {
        matches!(self, Self::Header("Authorization", scheme) if !scheme.eq_ignore_ascii_case("Bearer "))
    }
}

/// Up to three values of these, in every order.
fn combinations<'a>(values: &[&'a str]) -> Vec<Vec<&'a str>> {
    let mut all = vec![Vec::new()];
    let mut longest = all.clone();
    for _ in 0..3 {
        longest = longest
            .iter()
            .flat_map(|some| values.iter().map(move |value| [&some[..], &[*value]].concat()))
            .collect();
        all.extend(longest.clone());
    }
    all
}

#[test]
fn what_stands_in_a_place_is_one_good_token_or_wrong_and_nobodys_only_when_it_is_empty() {
    let gateway = gateway();
    for (place, good) in PLACES {
        let known = good.unwrap_or(PERSONAL);
        for values in combinations(&["", "  ", "wrong", known]) {
            let mut filled: Vec<&str> =
                values.iter().copied().filter(|value| !value.trim().is_empty()).collect();
            filled.dedup();
            let expected = match filled[..] {
                [] if place.is_other_scheme() && !values.is_empty() => 401,
                [] => 404,
                [value] if Some(value) == *good => 200,
                _ => 401,
            };
            let answer = place.get(&gateway, &values).send();
            assert_eq!(answer.status, expected, "{place:?} {values:?}");
        }
    }
}

#[test]
fn a_parameter_that_is_a_list_or_table_is_wrong_whatever_is_in_it() {
    let gateway = gateway();
    for (place, good) in PLACES {
        let (Place::Parameter(name), Some(good)) = (place, good) else { continue };
        for form in ["[]", "[0]", "[x]", "%5B%5D", "[][x]", "["] {
            for value in ["", "wrong", good] {
                for query in [format!("{name}{form}={value}"), format!("{name}={good}&{name}{form}={value}")]
                {
                    let answer = gateway.get(&format!("{HIDDEN}?{query}")).send();
                    assert_eq!(answer.status, 401, "{query}");
                }
            }
        }
    }
}

#[test]
fn an_empty_place_leaves_another_one_alone() {
    let gateway = gateway();
    let places = || PLACES.iter().filter_map(|(place, good)| Some((*place, (*good)?)));
    for (empty, _) in places() {
        for (place, good) in places() {
            let request = match (empty, place) {
                (Place::Header(name, scheme), _) => place.get(&gateway, &[good]).header(name, scheme),
                (Place::Parameter(name), Place::Parameter(other)) => {
                    gateway.get(&format!("{HIDDEN}?{name}=&{other}={good}"))
                }
                (Place::Parameter(name), Place::Header(header, scheme)) => {
                    gateway.get(&format!("{HIDDEN}?{name}=")).header(header, &format!("{scheme}{good}"))
                }
            };
            assert_eq!(request.send().status, 200, "{empty:?} is empty beside {place:?}");
        }
    }
}

#[test]
fn an_upload_has_one_good_token_or_none() {
    let gateway = gateway();
    for values in combinations(&["", "wrong", fixtures::RUNNING]) {
        let mut filled: Vec<&str> = values.iter().copied().filter(|value| !value.is_empty()).collect();
        filled.dedup();
        let expected = if filled == [fixtures::RUNNING] { 201 } else { 403 };
        let form = || Form::default();
        let query: Vec<String> = values.iter().map(|value| format!("token={value}")).collect();
        let in_query = gateway.post(&format!("{UPLOAD}?{}", query.join("&")));
        let in_head = values.iter().fold(gateway.post(UPLOAD), |request, value| request.job_token(value));
        let fields = values.iter().fold(form(), |form, value| form.field("token", value));
        for (place, request, form) in
            [("query", in_query, form()), ("head", in_head, form()), ("form", gateway.post(UPLOAD), fields)]
        {
            let answer = request.form(form.file("a", b"x")).send();
            assert_eq!(answer.status, expected, "{place} {values:?}");
        }
    }
}
