//! Values with a unit, as users write them: `"250ms"`, `"2000/s"`, `"64KiB"`, `"1%"`.
//!
//! Every type here has one checked constructor ([`std::str::FromStr`]), prints what it would
//! parse again, and serialises as that text. A parse error says what would have been right.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not a value of the wanted unit; the text names the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnitError(String);

/// Implements serde and JSON Schema for a type whose text form is its truth.
macro_rules! textual {
    ($type:ty, $expects:literal, $pattern:literal, $example:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                        f.write_str($expects)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                from.deserialize_str(Text)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "description": $expects,
                    "pattern": $pattern,
                    "examples": [$example],
                })
            }
        }
    };
}
use textual;

mod bit_rate;
mod quantity;
mod unix;

pub use bit_rate::BitRate;
pub use quantity::Quantity;
pub use unix::{Transport, UnixKind, UnixName};

/// A length of time of at most a year, in whole nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(Duration);

impl Span {
    /// The longest span that a scenario may name.
    pub const MAX: Duration = Duration::from_secs(366 * 24 * 3600);

    /// `millis` milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// The span as the standard library's type.
    pub const fn get(self) -> Duration {
        self.0
    }

    /// The span in nanoseconds; [`Span::MAX`] fits.
    pub const fn nanos(self) -> u64 {
        self.0.as_nanos() as u64
    }

    /// Whether nothing is waited for.
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(duration.min(Self::MAX))
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = |why: &str| {
            UnitError(format!(
                "{why}: write a number and its unit, such as \"250ms\", \"1.5s\" or \"2min\""
            ))
        };
        let unit_missing = text.trim().parse::<f64>().is_ok();
        if unit_missing {
            return Err(wrong(&format!("\"{text}\" has no unit")));
        }
        let signed: jiff::SignedDuration =
            text.trim().parse().map_err(|_| wrong(&format!("\"{text}\" is not a duration")))?;
        let span =
            Duration::try_from(signed).map_err(|_| wrong(&format!("\"{text}\" is negative")))?;
        if span > Self::MAX {
            return Err(wrong(&format!("\"{text}\" is longer than a year")));
        }
        Ok(Self(span))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let nanos = self.nanos();
        let (divisor, unit) = match nanos {
            0 => return f.write_str("0s"),
            1..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "us"),
            1_000_000..1_000_000_000 => (1_000_000, "ms"),
            _ => (1_000_000_000, "s"),
        };
        let whole = nanos / divisor;
        let rest = nanos % divisor;
        if rest == 0 {
            return write!(f, "{whole}{unit}");
        }
        let digits = divisor.ilog10() as usize;
        let fraction = format!("{rest:0digits$}");
        write!(f, "{whole}.{}{unit}", fraction.trim_end_matches('0'))
    }
}

textual!(
    Span,
    "a duration with its unit, such as \"250ms\", \"1.5s\" or \"2min\"",
    r"^\s*[0-9]",
    "250ms"
);

/// Events a second, finite and above zero.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(f64);

impl Rate {
    /// The highest rate that a scenario may name: one event a nanosecond.
    pub const MAX: f64 = 1e9;

    /// `per_second` events a second, if that is a rate.
    pub fn new(per_second: f64) -> Option<Self> {
        (per_second.is_finite() && per_second > 0.0 && per_second <= Self::MAX)
            .then_some(Self(per_second))
    }

    /// Events a second.
    pub const fn per_second(self) -> f64 {
        self.0
    }

    /// Nanoseconds between two events.
    pub fn period_nanos(self) -> f64 {
        1e9 / self.0
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = |why: String| {
            UnitError(format!("{why}: write events per time, such as \"2000/s\" or \"90/min\""))
        };
        let (number, unit) =
            text.split_once('/').ok_or_else(|| wrong(format!("\"{text}\" is not a rate")))?;
        let per_second = match unit.trim() {
            "s" => 1.0,
            "ms" => 1e3,
            "min" => 1.0 / 60.0,
            other => return Err(wrong(format!("\"/{other}\" is not a unit of a rate"))),
        };
        let count: f64 =
            number.trim().parse().map_err(|_| wrong(format!("\"{number}\" is not a number")))?;
        if count < 0.0 {
            return Err(wrong(format!("\"{text}\" is negative")));
        }
        Self::new(count * per_second)
            .ok_or_else(|| wrong(format!("\"{text}\" is not between zero and 1e9/s")))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

textual!(
    Rate,
    "a rate, such as \"2000/s\" or \"90/min\"",
    r"^\s*[0-9.]+(e[0-9]+)?\s*/\s*(s|ms|min)\s*$",
    "2000/s"
);

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        text.parse::<bytesize::ByteSize>().map(|size| Self(size.0)).map_err(|_| {
            UnitError(format!(
                "\"{text}\" is not a size: write a number and its unit, such as \"100B\" or \"64KiB\""
            ))
        })
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let unit = UNITS.iter().find(|(unit, _)| self.0 != 0 && self.0.is_multiple_of(*unit));
        match unit {
            Some((unit, name)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}B", self.0),
        }
    }
}

textual!(Bytes, "a size, such as \"100B\" or \"64KiB\"", r"^\s*[0-9]", "64KiB");

/// A range of local ports, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    first: u16,
    last: u16,
}

impl Ports {
    /// The lowest port.
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    pub const fn last(self) -> u16 {
        self.last
    }

    /// How many ports there are; at least one.
    pub const fn count(self) -> u64 {
        (self.last - self.first) as u64 + 1
    }
}

impl FromStr for Ports {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let port = |text: &str| text.trim().parse().ok().filter(|port: &u16| *port > 0);
        let ends = text.split_once('-').map(|(first, last)| (port(first), port(last)));
        match ends {
            Some((Some(first), Some(last))) if first <= last => Ok(Self { first, last }),
            _ => Err(UnitError(format!(
                "\"{text}\" is not a range of ports: write the first and the last, from 1 to \
                 65535, such as \"40000-40999\""
            ))),
        }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

textual!(
    Ports,
    "a range of ports, such as \"40000-40999\"",
    r"^\s*[0-9]+\s*-\s*[0-9]+\s*$",
    "40000-40999"
);

/// A share of a whole: above 0 and at most 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Ratio(f64);

impl Ratio {
    /// The share as a fraction.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl FromStr for Ratio {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let percent = text.trim().strip_suffix('%').and_then(|n| n.trim().parse::<f64>().ok());
        match percent {
            Some(percent) if percent > 0.0 && percent <= 100.0 => Ok(Self(percent / 100.0)),
            _ => Err(UnitError(format!(
                "\"{text}\" is not a share: write above 0 and up to \"100%\", such as \"5%\""
            ))),
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        // Hundredths of a percent of a fraction are not exact in binary: 0.07 * 100 is 7.000...01.
        write!(f, "{}%", (self.0 * 1e12).round() / 1e10)
    }
}

textual!(Ratio, "a share, such as \"5%\"", r"^\s*[0-9.]+\s*%\s*$", "5%");

/// The number given to `listen(2)`. The kernel may grant less; see `effective backlog`.
///
/// Linux reads it as unsigned, so that `-1` asks for as much as `net.core.somaxconn` allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Backlog(pub i32);

impl fmt::Display for Backlog {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `1204567` as `1,204,567`.
pub fn thousands(number: impl Into<i128>) -> String {
    let number: i128 = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// `nanos` in the unit that a reader grasps at once: `812ns`, `34.1us`, `1.02ms`, `3.00s`.
pub fn human_nanos(nanos: u64) -> String {
    let value = nanos as f64;
    let (scaled, unit) = match nanos {
        0..1_000 => return format!("{nanos}ns"),
        1_000..1_000_000 => (value / 1e3, "us"),
        1_000_000..1_000_000_000 => (value / 1e6, "ms"),
        _ => (value / 1e9, "s"),
    };
    let decimals = match scaled {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{scaled:.decimals$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_are_read_and_printed() {
        for (text, nanos, printed) in [
            ("250ms", 250_000_000, "250ms"),
            ("1.5s", 1_500_000_000, "1.5s"),
            ("0s", 0, "0s"),
            ("2min", 120_000_000_000, "120s"),
            ("40us", 40_000, "40us"),
            ("1s 500ms", 1_500_000_000, "1.5s"),
        ] {
            let span: Span = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(span.nanos(), nanos, "{text}");
            assert_eq!(span.to_string(), printed, "{text}");
        }
    }

    #[test]
    fn wrong_units_name_the_remedy() {
        for text in ["5", "5 parsecs", "", "-1s", "9999999h", "ms"] {
            let error = text.parse::<Span>().expect_err(text).to_string();
            assert!(error.contains("250ms"), "{text}: {error}");
        }
        for text in ["5", "-5/s", "5/fortnight", "x/s", "0/s", "1e300/s", "nan/s", "inf/s", "/s"] {
            let error = text.parse::<Rate>().expect_err(text).to_string();
            assert!(error.contains("2000/s"), "{text}: {error}");
        }
        assert!("64 furlongs".parse::<Bytes>().is_err());
        assert!("-1KiB".parse::<Bytes>().is_err());
    }

    #[test]
    fn rates_and_sizes_are_read() {
        assert_eq!("90/min".parse::<Rate>().map(Rate::per_second), Ok(1.5));
        assert_eq!("2/ms".parse::<Rate>().map(Rate::per_second), Ok(2000.0));
        assert_eq!("64KiB".parse::<Bytes>(), Ok(Bytes(65536)));
        assert_eq!(Bytes(65536).to_string(), "64KiB");
        assert_eq!(Bytes(100).to_string(), "100B");
    }

    #[test]
    fn ports_are_a_range() {
        let ports: Ports = "40000-40099".parse().expect("a range");
        assert_eq!((ports.first(), ports.last(), ports.count()), (40000, 40099, 100));
        assert_eq!(ports.to_string(), "40000-40099");
        for text in ["", "5", "0-5", "9-5", "1-70000", "a-b", "-5-6"] {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
    }

    #[test]
    fn latencies_are_printed_for_people() {
        assert_eq!(human_nanos(812), "812ns");
        assert_eq!(human_nanos(34_100), "34.1us");
        assert_eq!(human_nanos(1_020_000), "1.02ms");
        assert_eq!(human_nanos(3_000_000_000), "3.00s");
    }

    proptest! {
        #[test]
        fn a_span_survives_its_text(nanos in 0u64..u64::MAX / 600) {
            let span = Span::from(Duration::from_nanos(nanos));
            prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
        }

        #[test]
        fn a_rate_survives_its_text(per_second in 1e-3f64..1e9) {
            let rate = Rate::new(per_second).unwrap();
            prop_assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate));
        }
    }
}
