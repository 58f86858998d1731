//! JSON Web Token: cut into its parts and read, but not believed. Everything in it is a claim until its signature is
//! verified.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::json::object;

/// Longest token, in bytes: GitLab's may list 200 groups.
pub const MAX_BYTES: usize = 64 * 1024;

/// Longest ID of a key, in bytes.
const MAX_KEY_ID_BYTES: usize = 256;

/// A signature algorithm of which there are two, and no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

/// A token, read and not verified.
#[derive(Debug, Clone)]
pub struct UnverifiedToken<'a> {
    /// How it says that it is signed.
    pub algorithm: Algorithm,
    /// The key that it says it is signed with.
    pub key_id: String,
    /// The claims.
    pub claims: Map<String, Value>,
    /// The bytes that are signed.
    pub signed: &'a [u8],
    /// The signature.
    pub signature: Vec<u8>,
}

/// Why a text is no token that could be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// It is too long.
    TooLong,
    /// It is not three parts of base64url without padding.
    Parts,
    /// Its header or its claims are no JSON object, or have a name twice.
    Json,
    /// Its algorithm is another than RS256 and ES256.
    Algorithm,
    /// It names no key.
    KeyId,
    /// Its header demands an extension.
    Critical,
}

impl Malformed {
    /// Returns the reason, in a few words for the log.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "it is longer than 64 KiB",
            Self::Parts => "it is not three parts of base64url",
            Self::Json => "header or claims are no JSON object with names that stand once",
            Self::Algorithm => "its algorithm is neither RS256 nor ES256",
            Self::KeyId => "it names no key",
            Self::Critical => "its header demands an extension",
        }
    }
}

impl<'a> UnverifiedToken<'a> {
    /// Reads a token in the compact form. Keys in the header (`jwk`, `jku`, `x5u`, `x5c`) are never used.
    ///
    /// # Errors
    /// [`Malformed`] for any other text.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        if text.len() > MAX_BYTES {
            return Err(Malformed::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Malformed::Parts)?;
        let (header, claims) = signed.split_once('.').ok_or(Malformed::Parts)?;
        let [header, claims, signature] = [header, claims, signature]
            .map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok().filter(|it| !it.is_empty()));
        let (Some(header), Some(claims), Some(signature)) = (header, claims, signature) else {
            return Err(Malformed::Parts);
        };
        let header = object(&header).ok_or(Malformed::Json)?;
        let algorithm = match header.get("alg").and_then(Value::as_str) {
            Some("RS256") => Algorithm::Rs256,
            Some("ES256") => Algorithm::Es256,
            _ => return Err(Malformed::Algorithm),
        };
        if ["crit", "b64"].iter().any(|name| header.contains_key(*name)) {
            return Err(Malformed::Critical);
        }
        let key_id = header.get("kid").and_then(Value::as_str);
        let key_id =
            key_id.filter(|id| !id.is_empty() && id.len() <= MAX_KEY_ID_BYTES).ok_or(Malformed::KeyId)?;
        Ok(Self {
            algorithm,
            key_id: key_id.to_owned(),
            claims: object(&claims).ok_or(Malformed::Json)?,
            signed: signed.as_bytes(),
            signature,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(header: &str, claims: &str) -> String {
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", encode(header), encode(claims), encode("signature"))
    }

    #[test]
    fn only_two_algorithms_exist() {
        let of = |header: &str| UnverifiedToken::parse(&token(header, "{}")).map(|token| token.algorithm);
        assert_eq!(of(r#"{"alg":"RS256","kid":"1"}"#), Ok(Algorithm::Rs256));
        assert_eq!(of(r#"{"alg":"ES256","kid":"1"}"#), Ok(Algorithm::Es256));
        for name in
            ["none", "None", "HS256", "HS512", "RS384", "RS512", "PS256", "ES384", "EdDSA", "rs256", ""]
        {
            let header = format!(r#"{{"alg":"{name}","kid":"1"}}"#);
            assert_eq!(of(&header), Err(Malformed::Algorithm), "{name}");
        }
        for header in [r#"{"kid":"1"}"#, r#"{"alg":["RS256"],"kid":"1"}"#, r#"{"alg":null,"kid":"1"}"#] {
            assert_eq!(of(header), Err(Malformed::Algorithm), "{header}");
        }
    }

    #[test]
    fn a_header_names_one_key_and_demands_nothing() {
        for (header, why) in [
            (r#"{"alg":"RS256"}"#, Malformed::KeyId),
            (r#"{"alg":"RS256","kid":""}"#, Malformed::KeyId),
            (r#"{"alg":"RS256","kid":7}"#, Malformed::KeyId),
            (r#"{"alg":"RS256","kid":"1","crit":["exp"]}"#, Malformed::Critical),
            (r#"{"alg":"RS256","kid":"1","b64":false}"#, Malformed::Critical),
            (r#"{"alg":"RS256","kid":"1","kid":"2"}"#, Malformed::Json),
            (r#"["RS256"]"#, Malformed::Json),
        ] {
            assert_eq!(UnverifiedToken::parse(&token(header, "{}")).err(), Some(why), "{header}");
        }
        let long = format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(257));
        assert_eq!(UnverifiedToken::parse(&token(&long, "{}")).err(), Some(Malformed::KeyId));
    }

    #[test]
    fn a_text_of_another_form_is_none() {
        let good = token(r#"{"alg":"RS256","kid":"1"}"#, "{}");
        assert!(UnverifiedToken::parse(&good).is_ok());
        let parts: Vec<&str> = good.split('.').collect();
        for bad in [
            String::new(),
            "eyJ".into(),
            format!("{}.{}", parts[0], parts[1]),
            format!("{good}.x"),
            format!("{good}="),
            format!("{good}\n"),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}..{}", parts[0], parts[2]),
            good.replace('.', ". "),
            format!("{}+.{}.{}", parts[0], parts[1], parts[2]),
        ] {
            assert_eq!(UnverifiedToken::parse(&bad).err(), Some(Malformed::Parts), "{bad}");
        }
        let long = token(r#"{"alg":"RS256","kid":"1"}"#, &format!(r#"{{"a":"{}"}}"#, "a".repeat(MAX_BYTES)));
        assert_eq!(UnverifiedToken::parse(&long).err(), Some(Malformed::TooLong));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            let _ = UnverifiedToken::parse(&text);
        }

        #[test]
        fn any_parts_are_read_or_refused(header in ".{0,60}", claims in ".{0,60}") {
            let text = token(&header, &claims);
            if let Ok(token) = UnverifiedToken::parse(&text) {
                prop_assert!(text.as_bytes().starts_with(token.signed));
                prop_assert_eq!(token.signature, b"signature");
            }
        }

        #[test]
        fn what_is_read_is_what_was_written(kid in "[!-~]{1,40}", value in ".{0,40}") {
            let header = serde_json::json!({"alg": "ES256", "kid": kid}).to_string();
            let claims = serde_json::json!({"sub": value}).to_string();
            let text = token(&header, &claims);
            let token = UnverifiedToken::parse(&text).unwrap();
            prop_assert_eq!(token.key_id, kid);
            prop_assert_eq!(token.claims["sub"].as_str(), Some(value.as_str()));
        }
    }
}
