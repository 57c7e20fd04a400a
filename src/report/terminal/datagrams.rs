//! What became of a cell's datagrams.

use super::cell::{counts, say};
use super::{Sheet, Tone};
use crate::measure::result::{
    Cause, CellResult, DatagramsResult, LossCause, ReceiverResult, SentResult, Side,
};
use crate::report::text::thousands;

/// Most values that are written one by one.
const FEW: usize = 16;

/// Writes how a load sent, and what replied to it.
pub fn sent(sheet: &mut Sheet, sent: &SentResult) {
    if sent.sending == "gso" {
        let text = "many datagrams in one call (gso): losses come in bursts of many; for \
                    throughput, not for loss or delay";
        say(sheet, Tone::Doubtful, "BULK", text);
    }
    let text =
        format!("{} bytes of payload in {} calls", thousands(sent.bytes), thousands(sent.calls));
    say(sheet, Tone::Plain, "sent", &text);
    let replies = [
        ("in time", sent.replies),
        ("again", sent.reply_duplicates),
        ("late", sent.reply_late),
        ("foreign", sent.reply_foreign),
    ];
    if replies.iter().any(|(_, count)| *count > 0) {
        say(sheet, Tone::Plain, "replies", &counts(replies.into_iter()));
    }
}

/// Writes the ledger, each loss by its cause, and the buffers.
pub fn lines(sheet: &mut Sheet, cell: &CellResult, ledger: &DatagramsResult) {
    balance(sheet, ledger);
    ledger.causes.iter().for_each(|cause| loss(sheet, ledger, cause));
    beside(sheet, ledger);
    buffers(sheet, ledger);
    for charge in &ledger.charges {
        let fit = charge.fit.map_or(String::new(), |fit| format!("; {} fit", thousands(fit)));
        let (size, charged) = (thousands(charge.size), thousands(charge.charged));
        let text = format!("{charged} bytes for a datagram of {size}{fit}");
        say(sheet, Tone::Plain, "charge", &text);
    }
    for done in &ledger.impairments {
        let seen = done.seen.map_or(String::new(), |seen| format!(" of {}", thousands(seen)));
        let text = format!("{}: {}{seen} packets dropped", done.what, thousands(done.dropped));
        say(sheet, Tone::Plain, "lab", &text);
    }
    let faults = &cell.target.client_faults;
    if !faults.is_empty() {
        let text = counts(faults.iter().map(|(name, count)| (name.as_str(), *count)));
        say(sheet, Tone::Doubtful, "errors", &format!("at the target: {text}"));
    }
    for restart in &ledger.restarts {
        let text = format!(
            "receivers closed at {:.3} s, {}; {} discarded in their buffers",
            restart.closed_s,
            restart.bound_s.map_or_else(
                || "not bound again before the end".to_owned(),
                |bound| format!("bound again at {bound:.3} s")
            ),
            thousands(restart.discarded)
        );
        say(sheet, Tone::Plain, "restart", &text);
    }
}

/// What was sent and what came: the sums that must add up.
fn balance(sheet: &mut Sheet, ledger: &DatagramsResult) {
    let mut text = format!("{} sent", thousands(ledger.sent));
    if ledger.copies > 1 {
        let (copies, expected) = (thousands(ledger.copies), thousands(ledger.expected));
        text.push_str(&format!(" x {copies} receivers = {expected} expected"));
    }
    if !ledger.is_known() {
        if ledger.lost > 0 {
            text.push_str(&format!(", at least {} lost", thousands(ledger.lost)));
        }
        text.push_str("; the target tells nothing of what it got");
        return say(sheet, Tone::Doubtful, "ledger", &text);
    }
    let came = if ledger.counted { "received" } else { "replied to" };
    text.push_str(&format!(
        " = {} {came} + {} late + {} lost",
        thousands(ledger.received),
        thousands(ledger.late),
        thousands(ledger.lost)
    ));
    let told = |one: &&LossCause| one.count > 0 || one.cause == Cause::Unexplained;
    let lost = ledger.causes.iter().filter(|one| one.side != Side::Sender).filter(told);
    let causes: Vec<_> =
        lost.map(|one| format!("{} {}", thousands(one.count), one.cause.name())).collect();
    if !causes.is_empty() {
        text.push_str(&format!("; lost = {}", causes.join(" + ")));
    }
    let whole = ledger.of(Cause::Unexplained) == 0 && ledger.surplus == 0;
    say(sheet, if whole { Tone::Plain } else { Tone::Bad }, "ledger", &text);
    if ledger.surplus > 0 {
        let text = format!("{} more received than were sent", thousands(ledger.surplus));
        say(sheet, Tone::Bad, "ledger", &text);
    }
}

/// One cause: its count, its share and who counted.
fn loss(sheet: &mut Sheet, ledger: &DatagramsResult, one: &LossCause) {
    if one.count == 0 {
        return;
    }
    let (word, all) = match one.side {
        Side::Sender => ("unsent", ledger.wanted),
        Side::Path | Side::Receiver | Side::Unexplained => ("lost", ledger.expected),
    };
    let (count, share) = (thousands(one.count), one.count as f64 / all.max(1) as f64 * 100.0);
    let mut text = format!("{}: {count}, {share:.3} %", one.cause.name());
    if !one.evidence.is_empty() {
        text.push_str(&format!(" ({})", one.evidence));
    }
    let tone = if one.cause == Cause::Unexplained { Tone::Bad } else { Tone::Plain };
    say(sheet, tone, word, &text);
}

/// What does not belong to the sum, where there was any.
fn beside(sheet: &mut Sheet, ledger: &DatagramsResult) {
    let seen = [
        ("duplicates", ledger.duplicates),
        ("reordered", ledger.reordered),
        ("corrupt", ledger.corrupt),
        ("foreign", ledger.foreign),
        ("outside (too old to know whether they had come)", ledger.outside),
    ];
    if seen.iter().any(|(_, count)| *count > 0) {
        say(sheet, Tone::Plain, "besides", &counts(seen.into_iter()));
    }
}

/// The receivers' buffers; receivers of one kind in one line.
fn buffers(sheet: &mut Sheet, ledger: &DatagramsResult) {
    let Some(first) = ledger.receivers.first() else { return };
    let alike = |one: &ReceiverResult| {
        (one.rcvbuf_asked, one.rcvbuf_effective) == (first.rcvbuf_asked, first.rcvbuf_effective)
    };
    let peak = ledger.receivers.iter().map(|one| one.queue_peak).max().unwrap_or(0);
    let each = if ledger.receivers.len() > 1 { " for each receiver" } else { "" };
    if ledger.receivers.iter().all(alike) {
        buffer(sheet, first, peak, each);
    } else {
        ledger.receivers.iter().for_each(|one| buffer(sheet, one, one.queue_peak, ""));
    }
    let reads: Vec<u64> = ledger.receivers.iter().flat_map(|one| &one.read_by).copied().collect();
    if reads.len() > 1 {
        let mut texts: Vec<_> = reads.iter().take(FEW).map(thousands_of).collect();
        texts.extend((reads.len() > FEW).then(|| "..".to_owned()));
        let text = format!("{}; read {}", reads.len(), texts.join(" / "));
        say(sheet, Tone::Plain, "readers", &text);
    }
}

fn thousands_of(count: &u64) -> String {
    thousands(*count)
}

fn buffer(sheet: &mut Sheet, one: &ReceiverResult, peak: u64, each: &str) {
    let Some(effective) = one.rcvbuf_effective else { return };
    let asked = one.rcvbuf_asked.map_or("kernel's default".to_owned(), |asked| {
        format!("SO_RCVBUF asked {}", thousands(asked))
    });
    let clamped = one.is_clamped();
    let mut text = format!(
        "fullest {} of {} bytes ({asked}{}{each})",
        thousands(peak),
        thousands(effective),
        if clamped { ": CLAMPED" } else { "" }
    );
    if let Some(drops) = one.drops.filter(|drops| *drops > 0) {
        text.push_str(&format!("; {} dropped{each}", thousands(drops)));
    }
    say(sheet, if clamped { Tone::Doubtful } else { Tone::Plain }, "buffer", &text);
}
