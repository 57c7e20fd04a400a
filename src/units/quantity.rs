//! A value of any unit as a number that can be varied.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{BitRate, Bytes, Rate, Span, UnitError};

/// A number above 0 with its unit, as a scenario writes it: `128`, `"500/s"`, `"250ms"`, `"64KiB"`,
/// `"10Mbit/s"`, `"1%"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantity {
    kind: Kind,
    value: f64,
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Things.
    Whole,
    /// A factor.
    Real,
    /// Events a second.
    Rate,
    /// Nanoseconds.
    Span,
    /// Bytes.
    Size,
    /// Bits a second.
    BitRate,
    /// Percent.
    Share,
}

impl Quantity {
    /// The value: things, events a second, nanoseconds, bytes, bits a second, or percent.
    pub fn value(self) -> f64 {
        self.value
    }

    /// Another value of the same unit; whole where the unit is.
    pub fn with(self, value: f64) -> Self {
        let value = if self.is_whole() { value.round() } else { value };
        let (least, most) = self.range();
        Self { value: value.clamp(least, most), ..self }
    }

    /// The lowest and the highest value that any key of this unit may have.
    pub fn range(self) -> (f64, f64) {
        match self.kind {
            Kind::Whole => (1.0, f64::from(i32::MAX)),
            Kind::Real => (1e-6, 1e12),
            Kind::Rate => (1e-3, Rate::MAX),
            Kind::Span => (1.0, Span::MAX.as_nanos() as f64),
            Kind::Size => (1.0, 2f64.powi(40)),
            Kind::BitRate => (8e3, 1e12),
            Kind::Share => (1e-6, 100.0),
        }
    }

    /// Whether only whole numbers of the unit make sense.
    pub fn is_whole(self) -> bool {
        matches!(self.kind, Kind::Whole | Kind::Span | Kind::Size | Kind::BitRate)
    }

    /// Whether these are events a second.
    pub fn is_rate(self) -> bool {
        self.kind == Kind::Rate
    }

    /// Whether both have one unit, so that they can be compared.
    pub fn is_like(self, other: Self) -> bool {
        self.kind == other.kind
    }
}

impl FromStr for Quantity {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        let plain = || {
            let digits = text.replace('_', "");
            let kind = if digits.contains(['.', 'e', 'E']) { Kind::Real } else { Kind::Whole };
            Some((kind, digits.parse::<f64>().ok()?))
        };
        let share = || Some((Kind::Share, text.strip_suffix('%')?.trim().parse().ok()?));
        let rate = || Some((Kind::Rate, text.parse::<Rate>().ok()?.per_second()));
        let bits = || Some((Kind::BitRate, text.parse::<BitRate>().ok()?.get() as f64));
        let span = || Some((Kind::Span, text.parse::<Span>().ok()?.nanos() as f64));
        let size = || Some((Kind::Size, text.parse::<Bytes>().ok()?.0 as f64));
        let found = plain().or_else(share).or_else(rate).or_else(bits).or_else(span).or_else(size);
        // Units refuse what is below 0 by themselves, and then it seems to have none.
        let rest = text.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
        let below = rest.is_some_and(|rest| rest.parse::<Self>().is_ok());
        match found {
            None if below => {
                Err(UnitError(format!("\"{text}\" is below 0: write a value above 0")))
            }
            Some((kind, value)) if value.is_finite() && value > 0.0 => Ok(Self { kind, value }),
            Some(_) => Err(UnitError(format!(
                "\"{text}\" cannot be doubled and halved: write a value above 0"
            ))),
            None => Err(UnitError(format!(
                "\"{text}\" is no number: write one as the scenario does, such as 128, \"500/s\" or \
                 \"250ms\""
            ))),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let value = self.value;
        match self.kind {
            Kind::Whole => write!(f, "{value:.0}"),
            // A number without a point would be a whole one.
            Kind::Real => write!(f, "{value:?}"),
            Kind::Rate => write!(f, "{value}/s"),
            Kind::Span => Span::from(Duration::from_nanos(value as u64)).fmt(f),
            Kind::Size => Bytes(value as u64).fmt(f),
            Kind::BitRate => {
                let text = format!("{value:.0}bit/s");
                match text.parse::<BitRate>() {
                    Ok(rate) => rate.fmt(f),
                    Err(_) => f.write_str(&text),
                }
            }
            Kind::Share => write!(f, "{value}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_can_be_halved_and_is_written_as_it_is_read() {
        for (text, value, halved) in [
            ("128", 128.0, "64"),
            ("1_024", 1024.0, "512"),
            ("0.5", 0.5, "0.25"),
            ("500/s", 500.0, "250/s"),
            ("90/min", 1.5, "0.75/s"),
            ("250ms", 250e6, "125ms"),
            ("64KiB", 65536.0, "32KiB"),
            ("10Mbit/s", 1e7, "5Mbit/s"),
            ("1%", 1.0, "0.5%"),
        ] {
            let quantity: Quantity = text.parse().expect(text);
            assert_eq!(quantity.value(), value, "{text}");
            let half = quantity.with(value / 2.0);
            assert_eq!(half.to_string(), halved, "{text}");
            let again: Quantity = half.to_string().parse().expect("its own text");
            assert_eq!(again, half);
            assert!(again.is_like(quantity));
        }
    }

    #[test]
    fn what_cannot_be_varied_is_refused() {
        for text in ["asap", "", "-5", "0", "0/s", "inf", "nan", "echo", "5 parsecs"] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }

    #[test]
    fn values_stay_in_range() {
        let quantity: Quantity = "3".parse().expect("a number");
        assert_eq!(quantity.with(0.2).to_string(), "1");
        assert_eq!(quantity.with(1e300).to_string(), i32::MAX.to_string());
        let share: Quantity = "3%".parse().expect("a share");
        assert_eq!(share.with(400.0).to_string(), "100%");
    }
}
