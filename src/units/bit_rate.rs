//! Bits a second: `"10Mbit/s"`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::UnitError;

/// Bits a second; at least 8000, at most 10^12.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BitRate(u64);

/// Units from the largest on; decimal, as link rates are.
const UNITS: [(&str, u64); 4] =
    [("Gbit/s", 1_000_000_000), ("Mbit/s", 1_000_000), ("kbit/s", 1000), ("bit/s", 1)];

impl BitRate {
    /// Bits a second.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for BitRate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        let of_unit = |(unit, factor): &(&str, u64)| {
            let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
            Some(number * *factor as f64)
        };
        let bits = UNITS.iter().find_map(of_unit).filter(|bits| (8e3..=1e12).contains(bits));
        bits.map(|bits| Self(bits as u64)).ok_or_else(|| {
            UnitError(format!(
                "\"{text}\" is not a rate of bits: write from \"8kbit/s\" to \"1000Gbit/s\", such as \
                 \"10Mbit/s\""
            ))
        })
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let whole = UNITS.iter().find(|(_, factor)| self.0.is_multiple_of(*factor));
        let (unit, factor) = whole.unwrap_or(&UNITS[3]);
        write!(f, "{}{unit}", self.0 / factor)
    }
}

super::textual!(
    BitRate,
    "a rate of bits, such as \"10Mbit/s\"",
    r"^\s*[0-9.]+\s*[GMk]?bit/s\s*$",
    "10Mbit/s"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_bits_are_read_and_printed() {
        for (text, bits, printed) in [
            ("10Mbit/s", 10_000_000, "10Mbit/s"),
            ("1.5 Mbit/s", 1_500_000, "1500kbit/s"),
            ("1Gbit/s", 1_000_000_000, "1Gbit/s"),
            ("8001bit/s", 8001, "8001bit/s"),
        ] {
            let rate: BitRate = text.parse().expect(text);
            assert_eq!((rate.get(), rate.to_string().as_str()), (bits, printed));
            assert_eq!(rate.to_string().parse(), Ok(rate));
        }
        for text in ["", "5", "10Mbit", "10MB/s", "-1Mbit/s", "1bit/s", "nanMbit/s", "9e9Gbit/s"] {
            let error = text.parse::<BitRate>().expect_err(text).to_string();
            assert!(error.contains("10Mbit/s"), "{error}");
        }
    }
}
