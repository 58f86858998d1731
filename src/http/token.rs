//! Token: a word of HTTP that needs no quotes, such as a method or the name of a header (RFC 9110, section 5.6.2).

/// Whether a byte is allowed in a token.
pub fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
