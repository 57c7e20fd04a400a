//! Packets that no queue of the target dropped: of handshakes, and of what follows them.

use super::case::{Case, percent};
use crate::measure::Outcome;
use crate::measure::result::{Class, Finding, NetworkLosses};
use crate::units::thousands;

/// Attempts that lost a packet on the way.
pub fn findings(case: &Case) -> Option<Finding> {
    let count = case.some(Class::NetworkLoss)?;
    let attempts: u64 = case.cell.loads.iter().map(|load| load.attempts).sum();
    let repeated: u64 = case.cell.loads.iter().map(|load| load.syn_retransmits).sum();
    let lost = case.lost(Class::NetworkLoss);
    let all = attempts.saturating_add(repeated);
    let share = lost.as_ref().filter(|_| all > 0).map(|(lost, _)| lost.count as f64 / all as f64);
    let share = share.map_or(String::new(), |share| {
        format!(" {} of all SYNs, repeated ones included, brought nothing.", percent(share))
    });
    let text = format!(
        "{} lost a packet in the network{}, and took {} on average: no queue of the target dropped \
         it.{share}",
        case.told(count),
        which(&case.classes.network),
        case.mean(Class::NetworkLoss)
    );
    let impaired = case.plan.lab.impair.is_some();
    let evidence = vec![
        lost.map_or(String::new(), |(_, told)| told),
        case.outcomes(&[Outcome::OkRetried, Outcome::Timeout]),
        if impaired { "the lab impairs the path".to_owned() } else { String::new() },
    ];
    let remedy = match impaired {
        true => "That is what [lab.impair] asks for.",
        false => "Look at the counters of the interfaces and firewalls on the way.",
    };
    Some(case.finding(count, text, evidence, remedy.to_owned()))
}

/// Which packets, each with the attempts that lost it first.
fn which(losses: &NetworkLosses) -> String {
    let parts = [
        (losses.syn, "its SYN or the answer"),
        (losses.ack, "the final ACK of its handshake"),
        (losses.data, "data after the handshake"),
    ];
    let some = parts.iter().filter(|(count, _)| *count > 0);
    let told: Vec<_> = some.map(|(count, what)| format!("{} {what}", thousands(*count))).collect();
    if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cell_with, only};
    use super::*;
    use crate::measure::result::LostSyns;

    #[test]
    fn lost_data_is_no_handshake() {
        let (plan, mut cell) = cell_with(&[(Class::NetworkLoss, 30, 0.2)]);
        let network = NetworkLosses { syn: 0, ack: 4, data: 26 };
        cell.classes.as_mut().expect("classes").network = network;
        let found = only(&plan, &cell);
        let told = "(4 the final ACK of its handshake, 26 data after the handshake)";
        assert!(found.text.contains(told), "{}", found.text);
        assert!(!found.text.contains("lost a packet of their handshake"), "{}", found.text);
    }

    #[test]
    fn the_share_of_lost_packets_is_told() {
        let (plan, mut cell) = cell_with(&[(Class::NetworkLoss, 30, 1.02)]);
        let attempts = cell.loads[0].attempts;
        cell.loads[0].syn_retransmits = 40;
        let lost =
            LostSyns { class: Class::NetworkLoss, count: 40, doubtful: 0, span_s: (0.5, 7.25) };
        cell.classes.as_mut().expect("classes").lost_syns = vec![lost];
        let found = only(&plan, &cell);
        assert!(found.text.contains("took 1.02s on average"), "{}", found.text);
        let share = percent(40.0 / (attempts + 40) as f64);
        assert!(found.text.contains(&format!("{share} of all SYNs")), "{}", found.text);
        assert!(found.evidence.starts_with("40 SYNs lost so, between t=0.5 s and t=7.2 s"));
    }
}
