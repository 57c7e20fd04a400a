//! Tables whose keys the author chooses: `[lab.sysctl]`, `[limits]`, `[sweep]`.
//!
//! Their keys are dotted names. `net.core.somaxconn = 64` is a nest of tables in TOML and
//! `"net.core.somaxconn" = 64` is not; [`super::super::table::flatten`] has made them one.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::scenario::at::At;

/// Keys and values in the order in which they were written.
#[derive(Debug, Clone)]
pub struct Entries<T>(pub Vec<(At<String>, At<T>)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Map<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Map<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
                let mut entries: Vec<(At<String>, At<T>)> = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                entries.sort_by_key(|(key, _)| key.span().start);
                Ok(Entries(entries))
            }
        }
        from.deserialize_map(Map(std::marker::PhantomData))
    }
}

/// A kernel setting's value, as text.
#[derive(Debug, Clone)]
pub struct Setting(pub String);

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Scalar;
        impl Visitor<'_> for Scalar {
            type Value = Setting;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str(
                    "a kernel setting's value: an integer or a text, such as 64 or \"4096 131072\"",
                )
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Setting, E> {
                Ok(Setting(number.to_string()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Setting, E> {
                Ok(Setting(number.to_string()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Setting, E> {
                Ok(Setting(text.to_owned()))
            }
        }
        from.deserialize_any(Scalar)
    }
}

/// `[lab.sysctl]`.
pub type Sysctl = Named<Setting, 0>;
/// `[limits]`.
pub type Limits = Named<String, 1>;
/// `[sweep]`; its values are read from the table itself, see [`super::super::sweep`].
pub type Sweep = Named<IgnoredAny, 2>;

/// [`Entries`] with a place in the JSON Schema: 0 sysctl, 1 limits, 2 sweep.
#[derive(Debug, Clone)]
pub struct Named<T, const WHICH: u8>(pub Entries<T>);

impl<'de, T: Deserialize<'de>, const WHICH: u8> Deserialize<'de> for Named<T, WHICH> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Entries::deserialize(from).map(Self)
    }
}

impl<T, const WHICH: u8> JsonSchema for Named<T, WHICH> {
    fn schema_name() -> Cow<'static, str> {
        ["Sysctl", "Limits", "Sweep"][usize::from(WHICH)].into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let leaf = match WHICH {
            0 => json_schema!({ "type": ["integer", "string"] }),
            1 => json_schema!({
                "type": "string",
                "pattern": r"^\s*(<=|<|==|!=|>=|>)\s*[0-9]",
                "examples": ["<= 5ms", "== 0", "<= 0.1%", ">= 2000/s"],
            }),
            _ => json_schema!({ "type": "array", "minItems": 1 }),
        };
        // A dotted key without quotes is a nest of tables.
        let nest = generator.subschema_for::<Self>();
        json_schema!({ "type": "object", "additionalProperties": { "anyOf": [leaf, nest] } })
    }
}
