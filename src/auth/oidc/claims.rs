//! Claims of a token whose signature was verified: whether they are in force, and what they say.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::IdTokenRefusal;
use crate::domain::Timestamp;

/// Claims, by name, that must be equal.
pub(super) type AllowRule = BTreeMap<String, String>;

/// How far the clocks of an issuer and of this node may differ, in seconds.
const LEEWAY_SECONDS: i64 = 60;

/// Longest text of a claim that is stored, in bytes.
const MAX_TEXT_BYTES: usize = 1024;

/// The claims of a token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claims<'a>(pub(super) &'a Map<String, Value>);

/// What the claims of every token must say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'a> {
    /// `iss`
    pub(super) issuer: &'a str,
    /// `aud`
    pub(super) audience: &'a str,
    /// The longest time from `iat` to `exp`, in seconds.
    pub(super) max_lifetime_seconds: i64,
    /// The time.
    pub(super) now: Timestamp,
}

impl<'a> Claims<'a> {
    /// Requires that the token is of this issuer, for us, and in force.
    pub(super) fn require(self, terms: &Terms<'_>) -> Result<(), IdTokenRefusal> {
        if self.0.get("iss").and_then(Value::as_str) != Some(terms.issuer) {
            return Err(IdTokenRefusal::Issuer);
        }
        let audience = match self.0.get("aud") {
            Some(Value::Array(list)) if list.len() == 1 => list[0].as_str(),
            Some(Value::String(text)) => Some(text.as_str()),
            _ => None,
        };
        if audience != Some(terms.audience) {
            return Err(IdTokenRefusal::Audience);
        }
        let now = terms.now.as_millis().div_euclid(1000);
        let (issued, expires) = (self.seconds("iat")?, self.seconds("exp")?);
        let begins = if self.0.contains_key("nbf") { self.seconds("nbf")? } else { issued };
        if expires.saturating_add(LEEWAY_SECONDS) <= now {
            return Err(IdTokenRefusal::Expired);
        }
        if issued.max(begins) > now.saturating_add(LEEWAY_SECONDS) {
            return Err(IdTokenRefusal::NotYet);
        }
        if expires.saturating_sub(issued) > terms.max_lifetime_seconds {
            return Err(IdTokenRefusal::Lifetime);
        }
        Ok(())
    }

    /// Returns when the token was made.
    pub(super) fn issued_at(self) -> Result<Timestamp, IdTokenRefusal> {
        Ok(Timestamp::from_millis(self.seconds("iat")?.saturating_mul(1000)))
    }

    /// Returns a time in whole seconds; a fraction is dropped.
    fn seconds(self, name: &'static str) -> Result<i64, IdTokenRefusal> {
        let number = self.0.get(name).and_then(Value::as_number).ok_or(IdTokenRefusal::Claim(name))?;
        let whole = number.as_i64().or_else(|| {
            // A float of this range is exact to the second.
            number.as_f64().filter(|seconds| (0.0..1e15).contains(seconds)).map(|seconds| seconds as i64)
        });
        whole.filter(|seconds| *seconds >= 0).ok_or(IdTokenRefusal::Claim(name))
    }

    /// Returns a text that may be stored; `None` if the claim is missing, null or empty.
    pub(super) fn optional(self, name: &'static str) -> Result<Option<&'a str>, IdTokenRefusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) if text.len() <= MAX_TEXT_BYTES && !text.contains(char::is_control) => {
                Ok(Some(text))
            }
            Some(_) => Err(IdTokenRefusal::Claim(name)),
        }
    }

    /// Returns a text that must be there.
    pub(super) fn text(self, name: &'static str) -> Result<&'a str, IdTokenRefusal> {
        self.optional(name)?.ok_or(IdTokenRefusal::Claim(name))
    }

    /// Returns a number that must be there, as digits in a text or as a number.
    pub(super) fn number(self, name: &'static str) -> Result<i64, IdTokenRefusal> {
        self.optional_number(name)?.ok_or(IdTokenRefusal::Claim(name))
    }

    /// Returns a number of at least 1; `None` if the claim is missing or null.
    pub(super) fn optional_number(self, name: &'static str) -> Result<Option<i64>, IdTokenRefusal> {
        let number = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok()
            }
            Some(Value::Number(number)) => number.as_i64(),
            Some(_) => None,
        };
        number.filter(|number| *number > 0).map(Some).ok_or(IdTokenRefusal::Claim(name))
    }

    /// Returns the first of these rules whose claims the token has; a list has each of its texts.
    pub(super) fn first_allowed(self, rules: &[AllowRule]) -> Option<&AllowRule> {
        let has = |name: &str, wanted: &str| match self.0.get(name) {
            Some(Value::Array(list)) => list.iter().any(|value| is_text(value, wanted)),
            Some(value) => is_text(value, wanted),
            None => false,
        };
        rules.iter().find(|rule| !rule.is_empty() && rule.iter().all(|(name, wanted)| has(name, wanted)))
    }
}

fn is_text(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Number(number) => number.to_string() == wanted,
        Value::Bool(yes) => yes.to_string() == wanted,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn check(change: Value) -> Result<(), IdTokenRefusal> {
        let mut claims = json!({"iss": "https://ci", "aud": "us", "iat": NOW, "exp": NOW + 300});
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        let now = Timestamp::from_millis(NOW * 1000);
        let terms = Terms { issuer: "https://ci", audience: "us", max_lifetime_seconds: 86_400, now };
        Claims(claims.as_object().unwrap()).require(&terms)
    }

    #[test]
    fn a_token_is_for_us_from_the_issuer_and_in_force() {
        use IdTokenRefusal as R;
        for (change, expected) in [
            (json!({}), Ok(())),
            (json!({"iss": "https://ci/"}), Err(R::Issuer)),
            (json!({"iss": "http://ci"}), Err(R::Issuer)),
            (json!({"iss": null}), Err(R::Issuer)),
            (json!({"iss": ["https://ci"]}), Err(R::Issuer)),
            (json!({"aud": "them"}), Err(R::Audience)),
            (json!({"aud": null}), Err(R::Audience)),
            (json!({"aud": ["us"]}), Ok(())),
            (json!({"aud": ["us", "them"]}), Err(R::Audience)),
            (json!({"aud": []}), Err(R::Audience)),
            (json!({"aud": [["us"]]}), Err(R::Audience)),
            (json!({"exp": null}), Err(R::Claim("exp"))),
            (json!({"exp": "1800000300"}), Err(R::Claim("exp"))),
            (json!({"exp": true}), Err(R::Claim("exp"))),
            (json!({"exp": -1}), Err(R::Claim("exp"))),
            (json!({"exp": 1e300}), Err(R::Claim("exp"))),
            (json!({"iat": null}), Err(R::Claim("iat"))),
            (json!({"iat": "1800000000"}), Err(R::Claim("iat"))),
            (json!({"nbf": "soon"}), Err(R::Claim("nbf"))),
            (json!({"exp": NOW - 59}), Ok(())),
            (json!({"exp": NOW - 60}), Err(R::Expired)),
            (json!({"iat": NOW + 60}), Ok(())),
            (json!({"iat": NOW + 61}), Err(R::NotYet)),
            (json!({"nbf": NOW + 60}), Ok(())),
            (json!({"nbf": NOW + 61}), Err(R::NotYet)),
            (json!({"nbf": NOW - 600}), Ok(())),
            (json!({"exp": NOW + 86_400}), Ok(())),
            (json!({"exp": NOW + 86_401}), Err(R::Lifetime)),
            (json!({"exp": i64::MAX}), Err(R::Lifetime)),
            (json!({"exp": (NOW + 5) as f64 + 0.5}), Ok(())),
        ] {
            assert_eq!(check(change.clone()), expected, "{change}");
        }
    }

    #[test]
    fn a_rule_allows_a_token_that_has_all_of_its_claims() {
        let claims = json!({"a": "1", "n": 7, "list": ["x", "y"], "t": true, "o": {"a": "1"}, "z": null});
        let allowed = |rules: Value| {
            let rules: Vec<AllowRule> = serde_json::from_value(rules).unwrap();
            Claims(claims.as_object().unwrap()).first_allowed(&rules).cloned()
        };
        for rules in [
            json!([{"a": "1"}]),
            json!([{"a": "1", "n": "7"}]),
            json!([{"a": "2"}, {"list": "y"}]),
            json!([{"t": "true"}]),
        ] {
            assert!(allowed(rules.clone()).is_some(), "{rules}");
        }
        for rules in [
            json!([]),
            json!([{}]),
            json!([{"a": "2"}]),
            json!([{"a": "1", "b": "1"}]),
            json!([{"A": "1"}]),
            json!([{"o": "1"}]),
            json!([{"z": ""}]),
            json!([{"list": "xy"}]),
            json!([{"a": "1 "}]),
        ] {
            assert!(allowed(rules.clone()).is_none(), "{rules}");
        }
    }

    proptest! {
        #[test]
        fn no_time_is_accepted_outside_of_its_bounds(iat in -10i64..4_000_000_000, life in -10i64..100_000, skew in -100_000i64..100_000) {
            let now = NOW + skew;
            let claims = json!({"iss": "i", "aud": "a", "iat": iat, "exp": iat + life});
            let terms = Terms { issuer: "i", audience: "a", max_lifetime_seconds: 3600, now: Timestamp::from_millis(now * 1000) };
            if Claims(claims.as_object().unwrap()).require(&terms).is_ok() {
                prop_assert!(iat >= 0 && iat <= now + 60 && iat + life > now - 60 && life <= 3600);
            }
        }
    }
}
