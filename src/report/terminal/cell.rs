//! The table of one cell.

use super::{Sheet, Tone, datagrams, metrics, sockets, target, why, wire};
use crate::measure::TargetOutcome;
use crate::measure::result::{CellResult, LoadResult, Place, Status};
use crate::report::text::thousands;
use crate::units::human_nanos;

/// Where the values of a line begin.
const FIRST: usize = 10;

/// Writes everything of one cell.
pub fn table(sheet: &mut Sheet, cell: &CellResult) {
    let place = match &cell.place {
        Place::Lab { link, .. } => format!("lab, {link}"),
        Place::Host { reason } => format!("host's network: {reason}"),
    };
    let heading = format!("{} ({place}, {:.1}s)", cell.name, cell.duration_s);
    sheet.say(Tone::Heading, "", &heading);
    if let Status::Partial { reason } = &cell.status {
        say(sheet, Tone::Doubtful, "partial", reason);
    }
    cell.loads.iter().for_each(|load| load_lines(sheet, load));
    metrics::tables(sheet, cell);
    match &cell.datagrams {
        Some(ledger) => datagrams::lines(sheet, cell, ledger),
        None => connections(sheet, cell),
    }
    if let Some(seen) = &cell.wire {
        wire::lines(sheet, cell, seen);
    }
    why::lines(sheet, cell);
    trust(sheet, cell);
    for notice in &cell.target.notices {
        say(sheet, Tone::Doubtful, "notice", notice);
    }
    cell.findings.iter().for_each(|finding| why::finding(sheet, finding));
}

fn connections(sheet: &mut Sheet, cell: &CellResult) {
    target::lines(sheet, cell);
    sockets::line(sheet, cell);
    sockets::memory(sheet, cell);
    counters(sheet, cell);
    ledger(sheet, cell);
}

/// A line with a word in front.
pub fn say(sheet: &mut Sheet, tone: Tone, word: &str, text: &str) {
    sheet.say(tone, &format!("  {word:FIRST$}"), text);
}

/// `count name` of what is not zero.
pub fn counts<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> String {
    let some: Vec<_> = counts
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{} {name}", thousands(count)))
        .collect();
    if some.is_empty() { "none".to_owned() } else { some.join(", ") }
}

fn load_lines(sheet: &mut Sheet, load: &LoadResult) {
    let how = match &load.datagrams {
        Some(sent) => format!("{} stream(s), {}", thousands(sent.streams), sent.sending),
        None => load.lifecycle.clone(),
    };
    let mut text = format!(
        "{} ({}, {how}): attempts {} of {} offered",
        load.name,
        load.client,
        thousands(load.attempts),
        thousands(load.offered)
    );
    if load.unissued > 0 {
        text.push_str(&format!(", not issued {}", thousands(load.unissued)));
    }
    if load.engine != "mio" && load.datagrams.is_none() {
        text.push_str(&format!("; {} x {}", load.workers, load.engine));
    }
    say(sheet, Tone::Plain, "load", &text);
    for notice in &load.notices {
        say(sheet, Tone::Doubtful, "notice", notice);
    }
    let outcomes = counts(load.outcomes.iter().map(|(class, n)| (class.name(), *n)));
    say(sheet, Tone::Plain, "outcomes", &outcomes);
    let endings = counts(load.endings.iter().map(|(class, n)| (class.name(), *n)));
    if load.endings.values().any(|count| *count > 0) {
        say(sheet, Tone::Plain, "sessions", &endings);
    }
    if !load.errors.is_empty() {
        let errors = counts(load.errors.iter().map(|(name, n)| (name.as_str(), *n)));
        say(sheet, Tone::Plain, "errors", &errors);
    }
    if let Some(sent) = &load.datagrams {
        datagrams::sent(sheet, sent);
    }
    if let Some(order) = load.order {
        let served = thousands(order.served);
        let text = match (order.overtaken, order.overtaken_resent) {
            (0, _) => format!("{served} served, first in first out"),
            (overtaken, resent) => format!(
                "{served} served, {} of them after one that came later ({} of these because the \
                 target did not hold them at first: their bytes were sent again)",
                thousands(overtaken),
                thousands(resent),
            ),
        };
        say(sheet, Tone::Plain, "order", &text);
    }
}

fn counters(sheet: &mut Sheet, cell: &CellResult) {
    let always = ["ListenOverflows", "ListenDrops", "SyncookiesSent"];
    let where_any =
        ["SyncookiesRecv", "SyncookiesFailed", "TCPReqQFullDrop", "TCPReqQFullDoCookies"];
    let grown = |name| Some((name, cell.counter(name)?));
    let any = where_any.into_iter().filter_map(grown).filter(|(_, growth)| *growth > 0);
    let known: Vec<_> = always
        .into_iter()
        .filter_map(grown)
        .chain(any)
        .map(|(name, growth)| format!("{name} {}", thousands(growth)))
        .collect();
    let text = if known.is_empty() { "not observed".to_owned() } else { known.join(", ") };
    say(sheet, Tone::Plain, "counters", &text);
}

fn ledger(sheet: &mut Sheet, cell: &CellResult) {
    let ledger = &cell.ledger;
    let gaps = [
        (ledger.unclassified, "attempts without an outcome"),
        (ledger.unended, "established connections without an end"),
        (ledger.unended_at_target, "accepted connections without an end at the target"),
    ];
    for (count, what) in gaps.into_iter().filter(|(count, _)| *count != 0) {
        say(sheet, Tone::Bad, "ledger", &format!("{} {what}", thousands(count)));
    }
    let established = thousands(ledger.established);
    let Some(unexplained) = ledger.unexplained else {
        let text = format!("{established} established; the target's side cannot be seen");
        return say(sheet, Tone::Doubtful, "ledger", &text);
    };
    let mut text = format!("{established} established");
    for step in ledger.steps.iter().filter(|step| step.count != 0) {
        let sign = if step.count < 0 { '-' } else { '+' };
        let count = thousands(step.count.unsigned_abs());
        text.push_str(&format!(" {sign} {count} ({})", step.why));
    }
    // A closed listener is rare, and its class of no interest without one.
    let shown = |class: TargetOutcome, n: u64| class != TargetOutcome::ResetByClose || n > 0;
    let classes = ledger.target.iter().filter(|(class, n)| shown(**class, **n));
    let classes: Vec<_> = classes.map(|(class, n)| format!("{} {class}", thousands(*n))).collect();
    text.push_str(&format!(" = {}", classes.join(" + ")));
    let tone = if unexplained == 0 { Tone::Plain } else { Tone::Bad };
    text.push_str(&format!("; unexplained {}", thousands(unexplained)));
    say(sheet, tone, "ledger", &text);
}

fn trust(sheet: &mut Sheet, cell: &CellResult) {
    let validity = &cell.validity;
    let mut resolution = human_nanos(validity.resolution);
    if validity.observer_error_p99 == 0 {
        // Of AF_UNIX the kernel tells no time of its own to compare with.
        resolution.push_str(" (of lag alone)");
    }
    if validity.is_valid() {
        let kept = validity.achieved_ratio * 100.0;
        let text = format!("resolution {resolution}, rate kept {kept:.1} %");
        return say(sheet, Tone::Good, "valid", &text);
    }
    let why = format!("{}; resolution {resolution}", validity.reasons.join("; "));
    say(sheet, Tone::Bad, "INVALID", &why);
}
