//! `run.json`: everything, for programs.

use crate::measure::result::RunResult;

/// The result as pretty-printed JSON with a final newline; keys are in the order of the fields of
/// [`RunResult`], maps in the order of their keys, so that two runs can be compared line by line.
pub fn run(result: &RunResult) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(result)
        .expect("every map of a result has keys that are text, and memory takes every byte");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_result_survives_its_file() {
        for result in [sample::backlog(), sample::datagrams(), sample::empty()] {
            let bytes = run(&result);
            assert_eq!(bytes.last(), Some(&b'\n'));
            let read: RunResult = serde_json::from_slice(&bytes).expect("our own JSON");
            assert_eq!(read, result);
            assert_eq!(run(&read), bytes, "stable");
        }
    }
}
