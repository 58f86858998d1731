//! Named enums: a macro for enums whose variants each have one name, used alike on the wire, in registry
//! files and in the database.

/// The name is not a variant of the enum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {name:?}, expected one of {expected}")]
pub struct UnknownName {
    what: &'static str,
    name: String,
    expected: String,
}

impl UnknownName {
    pub(crate) fn new(what: &'static str, name: &str, expected: &[&str]) -> Self {
        // A hostile name may be long; the message only has to identify it.
        let name = name.chars().take(64).collect();
        Self { what, name, expected: expected.join(", ") }
    }
}

/// Declares an enum with `ALL`, `as_str`, `FromStr`, `Display` and `Deserialize`.
macro_rules! named {
    ($(#[$meta:meta])* $vis:vis enum $Enum:ident ($what:literal) {
        $($(#[$variant_meta:meta])* $Variant:ident = $name:literal,)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        $vis enum $Enum {
            $($(#[$variant_meta])* $Variant,)+
        }

        impl $Enum {
            /// Every variant, in order of declaration.
            pub const ALL: &[Self] = &[$(Self::$Variant,)+];

            /// Returns the one name of this variant.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$Variant => $name,)+ }
            }
        }

        impl std::str::FromStr for $Enum {
            type Err = $crate::domain::names::UnknownName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                match name {
                    $($name => Ok(Self::$Variant),)+
                    _ => Err(Self::Err::new($what, name, &[$($name,)+])),
                }
            }
        }

        impl std::fmt::Display for $Enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $Enum {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let name = std::borrow::Cow::<'de, str>::deserialize(from)?;
                name.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
