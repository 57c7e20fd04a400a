//! Taking up a run that was cut short: what is kept of it.

use std::collections::HashSet;

use crate::measure::result::{RunResult, Status};

/// What is kept of a run: its complete cells and their limits. A cell that was cut short is measured
/// again from its start.
pub fn take_up(mut earlier: RunResult) -> RunResult {
    let planned: HashSet<_> = earlier.scenario.cells.iter().map(|cell| &cell.name).collect();
    earlier.cells.retain(|cell| cell.status == Status::Complete && planned.contains(&cell.name));
    let kept: HashSet<_> = earlier.cells.iter().map(|cell| &cell.name).collect();
    earlier.limits.retain(|limit| kept.contains(&limit.cell));
    earlier
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn only_complete_cells_are_kept() {
        let mut run = sample::backlog();
        run.cells[1].status = Status::Partial { reason: "interrupted".to_owned() };
        run.cells[2].name = "a stranger".to_owned();
        let mut limit = run.limits[0].clone();
        limit.cell = run.cells[1].name.clone();
        run.limits.push(limit);
        let kept = take_up(run);
        let names: Vec<_> = kept.cells.iter().map(|cell| cell.name.as_str()).collect();
        assert_eq!(names, ["backlog=5"]);
        assert_eq!(kept.limits.len(), 1);
    }
}
