//! Values that are either a word or something with more to say.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::scenario::plan::{self, AcceptPace};
use crate::units::{Bytes, Rate};

/// How fast connections are accepted.
#[derive(Debug, Clone, Copy)]
pub struct Accept(pub AcceptPace);

impl<'de> Deserialize<'de> for Accept {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text(from, "\"asap\", \"never\" or a rate such as \"200/s\"", |word| match word {
            "asap" => Ok(Self(AcceptPace::Asap)),
            "never" => Ok(Self(AcceptPace::Never)),
            rate if rate.contains('/') => rate
                .parse()
                .map(|rate| Self(AcceptPace::Rate(rate)))
                .map_err(|e: crate::units::UnitError| e.to_string()),
            other => Err(format!(
                "\"{other}\" is no pace: write \"asap\", \"never\" or a rate such as \"200/s\""
            )),
        })
    }
}

impl JsonSchema for Accept {
    fn schema_name() -> Cow<'static, str> {
        "Accept".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let rate = generator.subschema_for::<Rate>();
        json_schema!({
            "description": "How fast connections are accepted.",
            "anyOf": [{ "enum": ["asap", "never"] }, rate],
        })
    }
}

/// What our own target sends back.
#[derive(Debug, Clone, Copy)]
pub struct Reply(pub plan::Reply);

impl<'de> Deserialize<'de> for Reply {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text(from, "\"none\", \"echo\" or a size such as \"64KiB\"", |word| match word {
            "none" => Ok(Self(plan::Reply::None)),
            "echo" => Ok(Self(plan::Reply::Echo)),
            size if size.starts_with(|c: char| c.is_ascii_digit()) => size
                .parse()
                .map(|size| Self(plan::Reply::Bytes(size)))
                .map_err(|e: crate::units::UnitError| e.to_string()),
            other => Err(format!(
                "\"{other}\" is no reply: write \"none\", \"echo\" or a size such as \"64KiB\""
            )),
        })
    }
}

impl JsonSchema for Reply {
    fn schema_name() -> Cow<'static, str> {
        "Reply".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let size = generator.subschema_for::<Bytes>();
        json_schema!({
            "description": "What our own target sends back.",
            "anyOf": [{ "enum": ["none", "echo"] }, size],
        })
    }
}

/// Whether packets are recorded, and how many bytes of them at most.
#[derive(Debug, Clone, Copy)]
pub struct Capture(pub Option<plan::Capture>);

impl<'de> Deserialize<'de> for Capture {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Word;
        impl Visitor<'_> for Word {
            type Value = Capture;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("true, false or a size such as \"64MiB\"")
            }

            fn visit_bool<E: Error>(self, wanted: bool) -> Result<Capture, E> {
                Ok(Capture(wanted.then(plan::Capture::default)))
            }

            fn visit_str<E: Error>(self, size: &str) -> Result<Capture, E> {
                let size = size.parse().map_err(E::custom)?;
                Ok(Capture(Some(plan::Capture { size })))
            }
        }
        from.deserialize_any(Word)
    }
}

impl JsonSchema for Capture {
    fn schema_name() -> Cow<'static, str> {
        "Capture".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let size = generator.subschema_for::<Bytes>();
        json_schema!({
            "description": "Whether packets are recorded, and how many bytes of them at most.",
            "anyOf": [{ "type": "boolean" }, size],
        })
    }
}

/// Reads a text; `read` says why it is wrong as `what: remedy`.
pub fn text<'de, D: Deserializer<'de>, T>(
    from: D,
    expecting: &'static str,
    read: fn(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    struct Text<T>(&'static str, fn(&str) -> Result<T, String>);
    impl<T> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            (self.1)(text).map_err(E::custom)
        }
    }
    from.deserialize_any(Text(expecting, read))
}

/// Reads a text or a table; both functions say why it is wrong as `what: remedy`.
pub fn text_or_table<'de, D: Deserializer<'de>, T, M: Deserialize<'de>>(
    from: D,
    expecting: &'static str,
    text: fn(&str) -> Result<T, String>,
    table: fn(M) -> Result<T, String>,
) -> Result<T, D::Error> {
    struct Either<T, M> {
        expecting: &'static str,
        text: fn(&str) -> Result<T, String>,
        table: fn(M) -> Result<T, String>,
        mirror: PhantomData<M>,
    }
    impl<'de, T, M: Deserialize<'de>> Visitor<'de> for Either<T, M> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str(self.expecting)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            (self.text)(text).map_err(E::custom)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            let mirror = M::deserialize(MapAccessDeserializer::new(map))?;
            (self.table)(mirror).map_err(A::Error::custom)
        }
    }
    from.deserialize_any(Either { expecting, text, table, mirror: PhantomData })
}
