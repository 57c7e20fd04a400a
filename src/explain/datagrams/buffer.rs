//! The receive buffer: how many datagrams it held, and how many it should have.

use super::{Found, found, lost, percent};
use crate::measure::result::{Cause, CellResult, Charge, DatagramsResult, Timeline};

/// A buffer filled less than this at most has been emptied by its reader in between.
const EMPTY: f64 = 0.1;

/// Datagrams that the receive buffer had no room for.
pub fn overflow(cell: &CellResult, ledger: &DatagramsResult) -> Found {
    let (count, told) = lost(ledger, Cause::ReceiveBuffer)?;
    let mut text = format!(
        "{count} of {} datagrams ({}) found the receive buffer full.",
        ledger.expected,
        percent(count, ledger.expected)
    );
    let mut evidence = told;
    // Sizes differ: the largest takes most room.
    let charge = ledger.charges.iter().max_by_key(|charge| charge.charged);
    if let Some(Charge { size, charged, fit: Some(fit) }) = charge {
        let largest = if ledger.charges.len() > 1 { ", the largest" } else { "" };
        text.push_str(&format!(
            " It holds {fit} datagrams of {size} bytes{largest}, each charged with {charged} bytes."
        ));
        evidence.push_str(&format!("; truesize {charged} of {size} bytes"));
    }
    if let Some(effective) = ledger.receivers.iter().filter_map(|r| r.rcvbuf_effective).min() {
        evidence.push_str(&format!("; buffer {effective} bytes"));
    }
    if let Some(worst) = Spell::worst(&cell.timeline) {
        text.push_str(&worst.told(cell, charge));
    }
    found(count, text, evidence)
}

/// Intervals in which the reader did not keep up, until it had emptied the buffer again.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Spell {
    /// When it began, in seconds since the start of the schedule.
    from_s: f64,
    /// From its first loss to its last.
    length_s: f64,
    lost: u64,
    received: u64,
}

impl Spell {
    /// The one that lost most.
    fn worst(timeline: &Timeline) -> Option<Self> {
        let mut spells = vec![Self::default()];
        // Read since the last loss: part of the spell only if another loss follows.
        let mut since = 0;
        for (index, seen) in timeline.datagrams.iter().enumerate() {
            let lost = seen.lost.get(&Cause::ReceiveBuffer).copied().unwrap_or(0);
            let at = index as f64 * timeline.interval_s;
            let spell = spells.last_mut()?;
            if lost > 0 {
                if spell.lost == 0 {
                    (spell.from_s, since) = (at, 0);
                }
                spell.lost += lost;
                spell.length_s = at + timeline.interval_s - spell.from_s;
                spell.received += seen.received.unwrap_or(0) + std::mem::take(&mut since);
                continue;
            }
            since += seen.received.unwrap_or(0);
            let share = |bytes: u64, limit: u64| bytes as f64 / limit.max(1) as f64;
            let filled = seen.queue_bytes.zip(seen.queue_limit).map(|(b, l)| share(b, l));
            if spell.lost > 0 && filled.is_some_and(|filled| filled < EMPTY) {
                spells.push(Self::default());
            }
        }
        spells.into_iter().filter(|spell| spell.lost > 0).max_by_key(|spell| spell.lost)
    }

    /// What happened in it, and what would have held it.
    fn told(&self, cell: &CellResult, charge: Option<&Charge>) -> String {
        let length = self.length_s.max(1e-9);
        let read = self.received as f64 / length;
        let came = (self.received + self.lost) as f64 / length;
        let worst = format!(
            " In the worst {length:.1} s, from {:.1} s on, {} were lost",
            self.from_s, self.lost
        );
        if !cell.datagrams.as_ref().is_some_and(|ledger| ledger.counted) {
            // Nobody knows what a server of the user read.
            return worst + ".";
        }
        let mut text = format!("{worst}: {came:.0}/s came, and {read:.0}/s were read.");
        let Some(Charge { charged, fit: Some(fit), .. }) = charge else { return text };
        let receivers = cell.datagrams.iter().map(|ledger| ledger.receivers.len()).sum::<usize>();
        if receivers != 1 {
            return text;
        }
        // What was lost would have waited behind what already waited.
        let bytes = fit.saturating_add(self.lost).saturating_mul(*charged);
        let asked = bytes.div_ceil(2);
        text.push_str(&format!(
            " Reading {came:.0}/s would have kept them; so would a buffer for {} of them, had \
             arrivals and reads been the same: SO_RCVBUF {asked} (the kernel doubles it)",
            fit.saturating_add(self.lost)
        ));
        match rmem_max(cell).filter(|most| *most < asked) {
            Some(most) => text
                .push_str(&format!(", for which net.core.rmem_max, {most} here, must be raised.")),
            None => text.push('.'),
        }
        text
    }
}

/// What no SO_RCVBUF gets beyond; `None` where it was not read.
fn rmem_max(cell: &CellResult) -> Option<u64> {
    cell.settings.get("net.core.rmem_max")?.trim().parse().ok()
}

/// A buffer that the kernel made smaller than it was asked to.
pub fn clamped(cell: &CellResult, ledger: &DatagramsResult) -> Found {
    let one = ledger.receivers.iter().find(|receiver| receiver.is_clamped())?;
    let (asked, effective) = (one.rcvbuf_asked?, one.rcvbuf_effective?);
    let most = rmem_max(cell).map_or(String::new(), |most| format!(", {most} here"));
    let text = format!(
        "SO_RCVBUF was cut: {asked} asked for, which the kernel doubles, and {effective} granted. \
         Raise net.core.rmem_max{most}."
    );
    // It stands below the losses that it made, and above what lost nothing.
    let concerned = ledger.of(Cause::ReceiveBuffer);
    found(concerned, text, format!("SK_MEMINFO_RCVBUF {effective}"))
}
