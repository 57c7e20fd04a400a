//! The heat map's rows: the logarithm of a latency, coarse enough for a picture.

use hdrhistogram::Histogram;

use super::timeline::Heat;

/// Rows for each factor of ten of latency.
pub const ROWS_PER_DECADE: u32 = 20;

/// The row of a latency.
pub fn row(nanos: u64) -> u32 {
    ((nanos.max(1) as f64).log10() * f64::from(ROWS_PER_DECADE)) as u32
}

impl Heat {
    /// Adds the values of interval `column`, which comes after those that were entered before.
    pub fn enter(&mut self, column: usize, values: &Histogram<u64>) {
        self.rows_per_decade = ROWS_PER_DECADE;
        let column = column as u32;
        for value in values.iter_recorded() {
            let (row, count) = (row(value.value_iterated_to()), value.count_at_value());
            match self.places.last_mut() {
                Some((c, r, sum)) if (*c, *r) == (column, row) => *sum += count,
                _ => self.places.push((column, row, count)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{empty, record};

    #[test]
    fn values_of_one_row_are_one_place() {
        let (mut heat, mut values) = (Heat::default(), empty());
        for nanos in [1_000_000, 1_000_500, 50_000_000] {
            record(&mut values, nanos);
        }
        heat.enter(3, &values);
        heat.enter(4, &values);
        assert_eq!(heat.places, [(3, 120, 2), (3, 153, 1), (4, 120, 2), (4, 153, 1)]);
    }
}
