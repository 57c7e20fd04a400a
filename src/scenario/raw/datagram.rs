//! What concerns datagrams: payloads of a load, and what the lab does to them.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::words::text_or_table;
use crate::scenario::at::At;
use crate::scenario::plan;
use crate::units::{BitRate, Bytes, Ratio, Span};

/// What is right for a payload.
const PAYLOAD: &str = "a size such as \"100B\", a list such as [\"64B\", \"1400B\"], or a table such as \
                       { distribution = \"uniform\", min = \"64B\", max = \"1400B\" }";
/// Sizes in a list at most.
const MOST_SIZES: usize = 64;

/// Sizes of payloads, not yet checked.
#[derive(Debug, Clone)]
pub enum Payload {
    /// These, in turn; one is always the same.
    Turns(Vec<Bytes>),
    /// Uniform between the two.
    Uniform(Bytes, Bytes),
    /// Exponential above the first, with this mean above it, cut at the last.
    Exponential(Option<Bytes>, Bytes, Bytes),
}

/// The distributions of payloads.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Distribution {
    /// Uniform between `min` and `max`.
    Uniform,
    /// Exponential with `mean` above `min`, cut at `max`.
    Exponential,
}

/// A payload that varies.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PayloadTable {
    /// "uniform" or "exponential". Required.
    distribution: Option<Distribution>,
    /// The smallest. Default for exponential: what the header takes, "40B".
    min: Option<Bytes>,
    /// exponential: the mean of what is above `min`.
    mean: Option<Bytes>,
    /// The largest.
    max: Option<Bytes>,
}

impl PayloadTable {
    fn resolve(self) -> Result<Payload, String> {
        match (self.distribution, self.min, self.mean, self.max) {
            (Some(Distribution::Uniform), Some(min), None, Some(max)) => {
                Ok(Payload::Uniform(min, max))
            }
            (Some(Distribution::Exponential), min, Some(mean), Some(max)) => {
                Ok(Payload::Exponential(min, mean, max))
            }
            (Some(Distribution::Exponential), ..) => {
                Err("an exponential payload takes mean and max: \
                write { distribution = \"exponential\", mean = \"300B\", max = \"1400B\" }"
                    .to_owned())
            }
            _ => Err("a payload that varies has a distribution, min and max: write \
                { distribution = \"uniform\", min = \"64B\", max = \"1400B\" }"
                .to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Shapes;
        impl<'de> Visitor<'de> for Shapes {
            type Value = Payload;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str(PAYLOAD)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Payload, E> {
                text.parse().map(|size| Payload::Turns(vec![size])).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Payload, A::Error> {
                let mut sizes = Vec::new();
                while let Some(size) = list.next_element()? {
                    sizes.push(size);
                    if sizes.len() > MOST_SIZES {
                        let why = format!("these are too many sizes: write at most {MOST_SIZES}");
                        return Err(A::Error::custom(why));
                    }
                }
                match sizes.is_empty() {
                    true => Err(A::Error::custom(format!("there are no sizes: write {PAYLOAD}"))),
                    false => Ok(Payload::Turns(sizes)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Payload, A::Error> {
                let table = PayloadTable::deserialize(MapAccessDeserializer::new(map))?;
                table.resolve().map_err(A::Error::custom)
            }
        }
        from.deserialize_any(Shapes)
    }
}

impl JsonSchema for Payload {
    fn schema_name() -> Cow<'static, str> {
        "Payload".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let size = generator.subschema_for::<Bytes>();
        let table = generator.subschema_for::<PayloadTable>();
        json_schema!({
            "description": "Sizes of payloads.",
            "anyOf": [size, { "type": "array", "items": size, "minItems": 1, "maxItems": MOST_SIZES }, table],
        })
    }
}

/// What happens to packets on their way to the target.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, [lab.impair]")]
pub struct Impair {
    /// Which are dropped: a share such as "3%" (each by chance), or { every = 10 } (the last of
    /// each ten). By a rule of nftables.
    pub loss: Option<At<Loss>>,
    /// Bits a second that the link lets through, headers included, such as "10Mbit/s" (`tbf`); with
    /// link = "veth".
    pub rate: Option<At<BitRate>>,
    /// Bytes that may wait for `rate`; what comes beyond is dropped. Default: "64KiB".
    pub queue: Option<At<Bytes>>,
    /// How long each is held, such as "10ms" (`netem`); with link = "veth".
    pub delay: Option<At<Span>>,
    /// By how much `delay` varies, more or less, uniformly. Datagrams overtake each other then.
    /// Default: "0s".
    pub jitter: Option<At<Span>>,
    /// Share that is sent twice (`netem`); with link = "veth".
    pub duplicate: Option<At<Ratio>>,
    /// Share that is not held, and so overtakes what is (`netem`); needs `delay`.
    pub reorder: Option<At<Ratio>>,
}

/// Which datagrams are dropped.
#[derive(Debug, Clone, Copy)]
pub struct Loss(pub plan::Loss);

/// Which datagrams are dropped, by their number.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LossTable {
    /// The last of each so many.
    every: Option<u32>,
}

impl<'de> Deserialize<'de> for Loss {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text_or_table(
            from,
            "a share such as \"3%\", or { every = 10 }",
            |text| {
                let ratio = text.parse().map_err(|e: crate::units::UnitError| e.to_string())?;
                Ok(Self(plan::Loss::Random(ratio)))
            },
            |table: LossTable| match table.every {
                Some(every @ 1..) => Ok(Self(plan::Loss::Every(every))),
                Some(0) => Err("none is the last of each 0: write { every = 10 }".to_owned()),
                None => Err("it is not said which are dropped: write { every = 10 }".to_owned()),
            },
        )
    }
}

impl JsonSchema for Loss {
    fn schema_name() -> Cow<'static, str> {
        "Loss".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let ratio = generator.subschema_for::<Ratio>();
        let table = generator.subschema_for::<LossTable>();
        json_schema!({ "description": "Which datagrams are dropped.", "anyOf": [ratio, table] })
    }
}
