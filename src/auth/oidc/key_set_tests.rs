//! Tests of key sets: the vectors of RFC 7515, and sets that are not as they should be.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The claims of the appendix.
const CLAIMS: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

/// The key of RFC 7515, appendix A.2.
const RSA_MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

/// The signature of A.2.
const RSA_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

/// The key and the signature of A.3.
const EC_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const EC_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const EC_SIGNATURE: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

fn key(of: Value) -> Option<Key> {
    Key::read(of.as_object().unwrap())
}

fn rsa() -> Key {
    key(json!({"kty": "RSA", "kid": "a", "n": RSA_MODULUS, "e": "AQAB"})).unwrap()
}

fn ec() -> Key {
    key(json!({"kty": "EC", "kid": "a", "crv": "P-256", "x": EC_X, "y": EC_Y})).unwrap()
}

/// A token of the appendix: its header names no key, so it is put together by hand.
fn token<'a>(algorithm: Algorithm, signed: &'a str, signature: &str) -> UnverifiedToken<'a> {
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (key_id, claims) = ("a".to_owned(), Map::new());
    UnverifiedToken { algorithm, key_id, claims, signed: signed.as_bytes(), signature }
}

#[test]
fn the_vectors_of_the_rfc_are_verified_and_nothing_near_them() {
    for (key, other, algorithm, header, signature) in [
        (rsa(), ec(), Algorithm::Rs256, "eyJhbGciOiJSUzI1NiJ9", RSA_SIGNATURE),
        (ec(), rsa(), Algorithm::Es256, "eyJhbGciOiJFUzI1NiJ9", EC_SIGNATURE),
    ] {
        let signed = format!("{header}.{CLAIMS}");
        let good = token(algorithm, &signed, signature);
        assert!(key.verifies(&good));
        assert!(!other.verifies(&good), "a key of the other kind");
        let swapped = match algorithm {
            Algorithm::Rs256 => Algorithm::Es256,
            Algorithm::Es256 => Algorithm::Rs256,
        };
        assert!(!key.verifies(&token(swapped, &signed, signature)), "the other algorithm");
        let bent = signed.replacen("eyJpc3", "eyJpc2", 1);
        assert!(!key.verifies(&token(algorithm, &bent, signature)), "other claims");
        for at in 0..good.signature.len() {
            let mut bent = good.clone();
            bent.signature[at] ^= 1;
            assert!(!key.verifies(&bent), "byte {at} of the signature");
        }
        for signature in [vec![], vec![0; good.signature.len()], good.signature[1..].to_vec()] {
            assert!(!key.verifies(&UnverifiedToken { signature, ..good.clone() }));
        }
    }
}

#[test]
fn a_key_of_another_kind_or_use_is_skipped_and_the_others_stay() {
    let good = json!({"kty": "RSA", "kid": "a", "n": RSA_MODULUS, "e": "AQAB", "use": "sig", "alg": "RS256"});
    let short = BASE64_URL_SAFE_NO_PAD.encode([0xffu8; 128]);
    for other in [
        json!({"kty": "oct", "kid": "b", "k": "AAAA"}),
        json!({"kty": "EC", "kid": "b", "crv": "P-521", "x": EC_X, "y": EC_Y}),
        json!({"kty": "EC", "kid": "b", "crv": "P-256", "x": EC_X}),
        json!({"kty": "RSA", "kid": "b", "n": short, "e": "AQAB"}),
        json!({"kty": "RSA", "kid": "b", "n": RSA_MODULUS, "e": "AQAB", "use": "enc"}),
        json!({"kty": "RSA", "kid": "b", "n": RSA_MODULUS, "e": "AQAB", "alg": "PS256"}),
        json!({"kty": "RSA", "n": RSA_MODULUS, "e": "AQAB"}),
        json!({"kty": "RSA", "kid": 7, "n": RSA_MODULUS, "e": "AQAB"}),
        json!({"kty": "AKP", "kid": "b", "pub": "AAAA"}),
        json!("key"),
    ] {
        let set = KeySet::parse(json!({"keys": [other, good]}).to_string().as_bytes()).unwrap();
        assert_eq!(set, KeySet(vec![rsa()]), "{other}");
        assert!(set.find("a", Algorithm::Rs256).is_some());
        assert!(set.find("a", Algorithm::Es256).is_none() && set.find("b", Algorithm::Rs256).is_none());
        assert!(KeySet::parse(json!({"keys": [other]}).to_string().as_bytes()).is_none());
    }
    for text in ["{}", "[]", "{\"keys\":{}}", "{\"keys\":[]}", "<html>", ""] {
        assert!(KeySet::parse(text.as_bytes()).is_none(), "{text}");
    }
}

#[test]
fn no_more_keys_are_read_than_a_set_may_have() {
    let keys: Vec<Value> = (0..1000)
        .map(|number| json!({"kty": "RSA", "kid": format!("{number}"), "n": RSA_MODULUS, "e": "AQAB"}))
        .collect();
    let set = KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
    assert_eq!(set.0.len(), MAX_KEYS);
}

proptest! {
    #[test]
    fn any_text_is_a_set_or_none(text in ".{0,200}") {
        let _ = KeySet::parse(text.as_bytes());
    }
}
