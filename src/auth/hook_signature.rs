//! Signatures of hooks: which of an upstream's secrets a delivery was made with.
//!
//! A secret is shown in the clear or proven by an HMAC-SHA-256 over the raw body; both are compared in constant time,
//! with every secret there is.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use crate::domain::{Sha256Digest, Timestamp};
use crate::settings::HookSettings;

/// How far the time in a signature may be from ours, in seconds.
const TOLERANCE_SECONDS: i64 = 300;

/// Most signatures of one delivery: several are sent while a key is exchanged.
const MAX_SIGNATURES: usize = 8;

/// The beginning of a key that only signs and is never sent.
const SIGNING_PREFIX: &str = "whsec_";

/// How a delivery proves its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof<'a> {
    /// The secret itself.
    Token(&'a str),
    /// `sha256=HEX` over the body.
    Hex(&'a str),
    /// `timestamp=T,signature=HEX` over `T.BODY`.
    Timestamped(&'a str),
    /// `v1,BASE64 …` over `ID.T.BODY` (Standard Webhooks), with a key of the form `whsec_BASE64`.
    Standard {
        /// The ID of the delivery.
        id: &'a str,
        /// The time, in seconds.
        timestamp: &'a str,
        /// The signatures.
        signatures: &'a str,
    },
}

/// Whether a secret only signs.
pub fn only_signs(secret: &HookSettings) -> bool {
    secret.secret.expose_secret().starts_with(SIGNING_PREFIX)
}

impl Proof<'_> {
    /// Returns those of `secrets` that the delivery was made with.
    pub fn secrets<'s>(
        self,
        secrets: &'s [HookSettings],
        body: &[u8],
        now: Timestamp,
    ) -> Vec<&'s HookSettings> {
        // Every secret is compared, whichever is the right one.
        secrets.iter().filter(|secret| self.is_made_with(secret, body, now)).collect()
    }

    fn is_made_with(self, secret: &HookSettings, body: &[u8], now: Timestamp) -> bool {
        let text = secret.secret.expose_secret();
        match self {
            Self::Token(shown) => {
                let [shown, known] = [shown, text].map(|text| Sha256Digest::of(text.as_bytes()));
                let is_same: bool = shown.as_bytes().ct_eq(known.as_bytes()).into();
                is_same && !only_signs(secret)
            }
            Self::Hex(header) => {
                let signature = header.strip_prefix("sha256=").and_then(|hex| hex::decode(hex).ok());
                signature.is_some_and(|signature| is_signed(text.as_bytes(), &[body], &signature))
            }
            Self::Timestamped(header) => {
                let Some((timestamp, signature)) = timestamped(header) else { return false };
                is_near(timestamp, now)
                    && hex::decode(signature).is_ok_and(|signature| {
                        is_signed(text.as_bytes(), &[timestamp.as_bytes(), b".", body], &signature)
                    })
            }
            Self::Standard { id, timestamp, signatures } => {
                let key = text.strip_prefix(SIGNING_PREFIX).and_then(|key| BASE64_STANDARD.decode(key).ok());
                let Some(key) = key.filter(|key| !key.is_empty() && is_near(timestamp, now)) else {
                    return false;
                };
                let message = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
                let shown = signatures.split_ascii_whitespace().take(MAX_SIGNATURES);
                let mut shown = shown.filter_map(|one| BASE64_STANDARD.decode(one.strip_prefix("v1,")?).ok());
                shown.any(|signature| is_signed(&key, &message, &signature))
            }
        }
    }
}

/// Compares in constant time.
fn is_signed(key: &[u8], message: &[&[u8]], signature: &[u8]) -> bool {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in message {
        context.update(part);
    }
    context.sign().as_ref().ct_eq(signature).into()
}

fn timestamped(header: &str) -> Option<(&str, &str)> {
    let (timestamp, signature) = header.split_once(',')?;
    Some((timestamp.trim().strip_prefix("timestamp=")?, signature.trim().strip_prefix("signature=")?))
}

/// Whether a time, in its one spelling, is within five minutes.
fn is_near(seconds: &str, now: Timestamp) -> bool {
    let is_number = !seconds.is_empty() && seconds.len() <= 12 && seconds.bytes().all(|b| b.is_ascii_digit());
    let time: Option<i64> = if is_number { seconds.parse().ok() } else { None };
    time.is_some_and(|time| (now.as_millis() / 1000 - time).abs() <= TOLERANCE_SECONDS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::settings::HookMode;

    const NOW: i64 = 1_800_000_000;

    fn secret(text: &str) -> HookSettings {
        HookSettings { scope: "*".into(), secret: text.into(), mode: HookMode::Hint }
    }

    fn is_proven(proof: Proof<'_>, text: &str, body: &[u8]) -> bool {
        !proof
            .secrets(&[secret("another-secret-0"), secret(text)], body, Timestamp::from_millis(NOW * 1000))
            .is_empty()
    }

    fn signed(key: &[u8], message: &str) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes()).as_ref().to_vec()
    }

    #[test]
    fn the_vector_of_the_vendors_documentation_is_verified() {
        let header = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert!(is_proven(Proof::Hex(header), "It's a Secret to Everybody", b"Hello, World!"));
        assert!(!is_proven(Proof::Hex(header), "It's a Secret to Everybody", b"Hello, World?"));
        assert!(!is_proven(Proof::Hex(header), "It's a secret to Everybody", b"Hello, World!"));
        for bent in [
            "",
            "sha256=",
            "sha1=757107ea",
            &header[..header.len() - 2],
            &header[7..],
            &format!("{header}00"),
        ] {
            assert!(!is_proven(Proof::Hex(bent), "It's a Secret to Everybody", b"Hello, World!"), "{bent}");
        }
    }

    #[test]
    fn a_signature_with_a_time_counts_for_five_minutes() {
        let of = |time: i64, spelled: &str| {
            let signature = hex::encode(signed(b"sixteen-letters!", &format!("{time}.body")));
            is_proven(
                Proof::Timestamped(&format!("timestamp={spelled},signature={signature}")),
                "sixteen-letters!",
                b"body",
            )
        };
        for (time, expected) in
            [(NOW, true), (NOW - 300, true), (NOW + 300, true), (NOW - 301, false), (NOW + 301, false)]
        {
            assert_eq!(of(time, &time.to_string()), expected, "{time}");
        }
        assert!(!of(NOW, &(NOW + 1).to_string()), "the time is signed, too");
        assert!(!of(NOW, &format!("+{NOW}")));
    }

    #[test]
    fn a_key_that_only_signs_is_no_token() {
        let key = BASE64_STANDARD.encode([7; 32]);
        let text = format!("{SIGNING_PREFIX}{key}");
        let message = format!("delivery-1.{NOW}.body");
        let signature = format!("v1,{}", BASE64_STANDARD.encode(signed(&[7; 32], &message)));
        let timestamp = NOW.to_string();
        let proof = |signatures, id| Proof::Standard { id, timestamp: &timestamp, signatures };
        assert!(is_proven(proof(&signature, "delivery-1"), &text, b"body"));
        let several = format!("v1,AAAA v2,BBBB {signature}");
        assert!(is_proven(proof(&several, "delivery-1"), &text, b"body"));
        assert!(!is_proven(proof(&signature, "delivery-2"), &text, b"body"));
        assert!(!is_proven(proof("v1,", "delivery-1"), &text, b"body"));
        assert!(!is_proven(Proof::Token(&text), &text, b"body"));
        assert!(is_proven(Proof::Token("a-token-of-a-hook"), "a-token-of-a-hook", b""));
        let proof = Proof::Standard { id: "delivery-1", timestamp: "0", signatures: &signature };
        assert!(!is_proven(proof, &text, b"body"));
    }

    proptest! {
        #[test]
        fn no_other_secret_body_or_header_is_proven(header in ".{0,80}", body in ".{0,40}", text in "[!-~]{16,40}") {
            for proof in [
                Proof::Hex(&header),
                Proof::Timestamped(&header),
                Proof::Standard { id: "1", timestamp: "1800000000", signatures: &header },
            ] {
                prop_assert!(!is_proven(proof, &text, body.as_bytes()));
            }
            prop_assert_eq!(is_proven(Proof::Token(&header), &text, b""), header == text);
        }
    }
}
