//! Strict JSON: a deserializer with the types of JSON Schema.
//!
//! A list is not an object, although serde's derived structs accept a list of their fields in order of
//! declaration. `2.0` is the integer 2, because JSON has one type of number.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Deserializes like `D`, but rejects a list in place of a struct and reads `2.0` as an integer.
pub(super) struct Strict<D>(pub(super) D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(StrictVisitor(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(StrictVisitor(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(StrictVisitor(visitor))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct StrictVisitor<V>(V);

/// Declares visit methods that pass their value on.
macro_rules! passed_on {
    ($($visit:ident: $Value:ty),+ $(,)?) => {$(
        fn $visit<E: Error>(self, value: $Value) -> Result<V::Value, E> {
            self.0.$visit(value)
        }
    )+};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for StrictVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.expecting(f)
    }

    passed_on!(
        visit_bool: bool,
        visit_i64: i64,
        visit_u64: u64,
        visit_str: &str,
        visit_borrowed_str: &'de str,
        visit_string: String,
    );

    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        // 2 to the power of 53; beyond it several integers share one float.
        const LIMIT: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() <= LIMIT {
            self.0.visit_i64(value as i64)
        } else {
            self.0.visit_f64(value)
        }
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Strict(inner))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(StrictItems(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(StrictItems(items))
    }
}

struct StrictItems<A>(A);

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for StrictItems<A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        self.0.next_element_seed(StrictSeed(seed))
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for StrictItems<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.0.next_key_seed(StrictSeed(seed))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.0.next_value_seed(StrictSeed(seed))
    }
}

struct StrictSeed<S>(S);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for StrictSeed<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Strict(from))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        number: i64,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Outer {
        inner: Option<Inner>,
        list: Vec<Inner>,
        map: BTreeMap<String, Inner>,
        share: Option<f64>,
    }

    fn read<T: for<'de> Deserialize<'de>>(value: &Value) -> Result<T, String> {
        let text = value.to_string();
        let mut json = serde_json::Deserializer::from_str(&text);
        T::deserialize(Strict(&mut json)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_is_no_object_at_any_depth() {
        let outer = |inner: Value, item: Value, value: Value| {
            read::<Outer>(&json!({"inner": inner, "list": [item], "map": {"a": value}}))
        };
        let (object, list) = (json!({"number": 1}), json!([1]));
        assert!(outer(object.clone(), object.clone(), object.clone()).is_ok());
        assert!(outer(list.clone(), object.clone(), object.clone()).is_err());
        assert!(outer(object.clone(), list.clone(), object.clone()).is_err());
        assert!(outer(object.clone(), object, list.clone()).is_err());
        assert!(read::<Inner>(&list).is_err());
    }

    #[test]
    fn a_whole_number_is_an_integer_however_it_is_written() {
        for (written, number) in [("2.0", 2), ("-0.0", 0), ("1e3", 1000), ("-9007199254740992.0", -(1 << 53))]
        {
            let value: Value = serde_json::from_str(written).unwrap();
            assert_eq!(read::<i64>(&value), Ok(number), "{written}");
        }
        for written in ["2.5", "9223372036854775808", "-9223372036854775809", "1e300"] {
            let value: Value = serde_json::from_str(written).unwrap();
            assert!(read::<i64>(&value).is_err(), "{written}");
        }
        assert_eq!(read::<f64>(&json!(2.0)), Ok(2.0));
        assert_eq!(read::<f64>(&json!(1e300)), Ok(1e300));
    }

    proptest! {
        #[test]
        fn numbers_read_as_themselves(whole: i64, eighths: i32) {
            prop_assert_eq!(read::<i64>(&json!(whole)), Ok(whole));
            let number = f64::from(eighths) / 8.0;
            prop_assert_eq!(read::<f64>(&json!(number)), Ok(number));
        }
    }
}
