//! A comparison for programs.

use crate::measure::comparison::ComparisonResult;

/// Pretty-printed JSON with a final newline, in the order of its fields.
pub fn json(found: &ComparisonResult) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(found)
        .expect("a comparison has no maps, and memory takes every byte");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_comparison_survives_its_json() {
        for found in sample::comparison::all() {
            let bytes = json(&found);
            assert_eq!(bytes.last(), Some(&b'\n'));
            let read: ComparisonResult = serde_json::from_slice(&bytes).expect("our own JSON");
            assert_eq!(read, found);
        }
    }
}
