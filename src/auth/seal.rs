//! Seals: texts that only the holder of a key can read and nobody can change, by ChaCha20-Poly1305 (RFC 8439).

use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};

use crate::domain::{Error, Result};

/// What a seal adds to a text, in bytes: the nonce before it, and the tag behind it.
pub(super) const SEAL_BYTES: usize = NONCE_LEN + 16;

/// Seals a text, together with what stands beside it in the open. No two texts may have the same nonce under one key.
///
/// # Errors
/// `Internal` for a text of many gigabytes.
pub(super) fn seal(key: &LessSafeKey, nonce: [u8; NONCE_LEN], beside: &[u8], text: &[u8]) -> Result<Vec<u8>> {
    let mut sealed = text.to_vec();
    let once = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(once, Aad::from(beside), &mut sealed).map_err(Error::internal)?;
    Ok([nonce.as_slice(), sealed.as_slice()].concat())
}

/// Opens what was sealed beside the same; `None` if that was with another key.
pub(super) fn open(key: &LessSafeKey, beside: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut text = text.to_vec();
    let length = key.open_in_place(nonce, Aad::from(beside), &mut text).ok()?.len();
    text.truncate(length);
    Some(text)
}
