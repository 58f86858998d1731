//! Reads arbitrary bytes as an ID token and as a key set; what is read was written in its one form, and no key verifies it.
#![no_main]

use artigate::auth::oidc::jwt::{MAX_BYTES, UnverifiedToken};
use artigate::auth::oidc::key_set::KeySet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // A line of a key set may follow the token.
    let (token, set) = text.split_once('\n').unwrap_or((text, text));
    let set = KeySet::parse(set.as_bytes());
    let Ok(token) = UnverifiedToken::parse(token) else { return };
    assert!(input.len() <= MAX_BYTES + text.len());
    assert!(input.starts_with(token.signed) && input[token.signed.len()] == b'.');
    assert_eq!(token.signed.iter().filter(|byte| **byte == b'.').count(), 1);
    assert!(!token.key_id.is_empty() && !token.signature.is_empty());
    if let Some(key) = set.as_ref().and_then(|set| set.find(&token.key_id, token.algorithm)) {
        assert!(!key.verifies(&token), "a signature out of nothing");
    }
});
