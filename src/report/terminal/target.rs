//! What the target's listeners did, in one cell.

use super::cell::{counts, say};
use super::{Sheet, Tone};
use crate::measure::TargetEnding;
use crate::measure::result::{CellResult, QueueInterval, RestartResult, TargetResult};
use crate::report::text::thousands;

/// Writes the queues, the restarts and how accepted connections ended.
pub fn lines(sheet: &mut Sheet, cell: &CellResult) {
    queue(sheet, cell);
    if cell.timeline.queues.len() > 1 {
        listeners(sheet, cell);
    }
    if let Some(seconds) = cell.target.defer_accept_s {
        say(sheet, Tone::Plain, "deferred", &format!("accept waits for data, up to {seconds} s"));
    }
    cell.target.restarts.iter().for_each(|restart| restarted(sheet, restart));
    if !cell.target.accept_errors.is_empty() {
        let errors = cell.target.accept_errors.iter();
        let text = counts(errors.map(|(name, count)| (name.as_str(), *count)));
        say(sheet, Tone::Bad, "accept", &format!("failed at the target: {text}"));
    }
    let endings = &cell.ledger.target_endings;
    // That all ended as planned goes without saying.
    if endings.iter().any(|(ending, count)| *ending != TargetEnding::Done && *count > 0) {
        let text = counts(endings.iter().map(|(ending, count)| (ending.name(), *count)));
        say(sheet, Tone::Plain, "accepted", &format!("{text}, as the target saw it"));
    }
}

fn queue(sheet: &mut Sheet, cell: &CellResult) {
    let target = &cell.target;
    let longest = cell.timeline.target.iter().filter_map(|t| t.accept_queue).max();
    let (Some(longest), Some(limit)) = (longest, target.backlog_effective) else {
        return say(sheet, Tone::Doubtful, "queue", "the accept queue was not observed");
    };
    // Of all listeners together, as the depth is.
    let whole = cell.timeline.target.iter().filter_map(|t| t.accept_limit).max().unwrap_or(limit);
    let mut text = format!("longest {} of {}", thousands(longest), thousands(whole));
    text.push_str(&backlog(target, limit));
    let tone = if target.clamped { Tone::Doubtful } else { Tone::Plain };
    say(sheet, tone, "queue", &text);
}

fn backlog(target: &TargetResult, limit: u32) -> String {
    let Some(asked) = target.backlog_asked else { return String::new() };
    let clamped = if target.clamped { ": CLAMPED" } else { "" };
    let each = if target.listeners > 1 { " for each listener" } else { "" };
    format!(" (backlog asked {}, effective {}{clamped}{each})", thousands(asked), thousands(limit))
}

/// How evenly the kernel spread the clients.
fn listeners(sheet: &mut Sheet, cell: &CellResult) {
    let queues = &cell.timeline.queues;
    let longest = queues.iter().map(|one| one.iter().filter_map(|q| q.accept_queue).max());
    let longest: Vec<_> = longest.map(|l| l.map_or("-".to_owned(), thousands)).collect();
    let mut text = format!("{}; longest queue {}", queues.len(), longest.join(" / "));
    if queues.iter().flatten().any(|interval| interval.accepted.is_some()) {
        let sum = |one: &Vec<QueueInterval>| {
            one.iter().filter_map(|seen| seen.accepted).fold(0, u64::saturating_add)
        };
        let accepted: Vec<_> = queues.iter().map(|one| thousands(sum(one))).collect();
        text.push_str(&format!("; accepted {}", accepted.join(" / ")));
    }
    say(sheet, Tone::Plain, "listeners", &text);
}

fn restarted(sheet: &mut Sheet, restart: &RestartResult) {
    let mut text = match restart.closed_at_s {
        Some(closed) => format!("listeners closed at {closed:.3} s"),
        None => format!("wanted at {:.3} s, and nobody could take over", restart.at_s),
    };
    if restart.closed_at_s.is_some() {
        text.push_str(&match restart.gap_s {
            Some(gap) if gap > 0.0 => format!(", nobody listened for {gap:.3} s"),
            Some(_) => ", handed over".to_owned(),
            None => ", and nobody listened again".to_owned(),
        });
        text.push_str(&format!("; reset in the queue {}", thousands(restart.queue_reset)));
    }
    if restart.migrated > 0 {
        text.push_str(&format!(", moved to the new listeners {}", thousands(restart.migrated)));
    }
    if restart.half_open > 0 {
        text.push_str(&format!(", half-open then {}", thousands(restart.half_open)));
    }
    if !restart.errors.is_empty() {
        let errors = counts(restart.errors.iter().map(|(name, n)| (name.as_str(), *n)));
        text.push_str(&format!("; failed tries: {errors}"));
    }
    let tone = if restart.listening_at_s.is_none() { Tone::Doubtful } else { Tone::Plain };
    say(sheet, tone, "restart", &text);
}
