//! Who lost the datagrams: counts along their way, divided so that they add up to the loss. Pure.

use std::collections::BTreeMap;

use super::Outcome;
use super::datagrams::{Cause, ImpairmentResult, LossCause};

/// What was counted on the datagrams' way, each `None` where nobody could count.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// What the lab and its link dropped.
    pub impairments: Vec<ImpairmentResult>,
    /// Drops of the sending interface's queue that the sender was told of, and did not count as sent.
    pub told_drops: u64,
    /// Growth of `NoPorts`: nobody was bound.
    pub no_ports: Option<u64>,
    /// Datagrams of which an ICMP error told the sender that nobody was bound.
    pub refused: u64,
    /// Growth of the receivers' own `drops` (SK_MEMINFO_DROPS), filters left out.
    pub drops: Option<u64>,
    /// Growth of `RcvbufErrors` in the target's namespace.
    pub rcvbuf_errors: Option<u64>,
    /// The last value of SO_RXQ_OVFL, summed over the receivers.
    pub rxq_ovfl: Option<u64>,
    /// Growth of `MemErrors`.
    pub mem_errors: Option<u64>,
    /// Growth of `InCsumErrors`.
    pub csum_errors: Option<u64>,
    /// What was in buffers that a restart closed.
    pub discarded: u64,
    /// What was in buffers at the end.
    pub unread: u64,
    /// What was read and damaged.
    pub corrupt: u64,
    /// Datagrams that one drop of a buffer may stand for: above 1 where they were sent in bulk.
    pub bulk: u64,
    /// Receivers that miss what is dropped before it is copied for each: multicast, broadcast.
    pub copies: u64,
}

/// Divides what was not sent, and what was `lost`, by cause. Causes of losses add up to `lost`: what
/// more was dropped (a duplicate, a closing marker, somebody else's datagram) cost nothing, and what
/// nobody counted is unexplained.
pub fn attribute(
    unsent: &BTreeMap<Outcome, u64>,
    lost: u64,
    evidence: &Evidence,
) -> Vec<LossCause> {
    let mut causes: Vec<LossCause> = unsent_by_cause(unsent);
    let counted: Vec<Counted> =
        counted(evidence).into_iter().filter(|one| one.packets > 0).collect();
    let mut rest = lost;
    // First each packet stands for one datagram.
    let mut counts: Vec<u64> = counted
        .iter()
        .map(|one| {
            let count = one.packets.min(rest);
            rest -= count;
            count
        })
        .collect();
    // What is left was in packets that carried many: nobody knows how many each.
    let room: Vec<u64> =
        counted.iter().map(|one| one.packets.saturating_mul(one.each - 1)).collect();
    for (count, share) in counts.iter_mut().zip(shares(rest, &room)) {
        *count += share;
        rest -= share;
    }
    for (one, count) in counted.iter().zip(counts) {
        let beyond = match one.packets.saturating_sub(count) {
            0 => String::new(),
            n => format!("; {n} of these were no loss: duplicates, markers or foreign"),
        };
        let evidence = format!("{}{beyond}", one.told);
        causes.push(LossCause { side: one.cause.side(), cause: one.cause, count, evidence });
    }
    causes.push(LossCause {
        side: Cause::Unexplained.side(),
        cause: Cause::Unexplained,
        count: rest,
        evidence: "what no counter tells of".to_owned(),
    });
    causes
}

fn unsent_by_cause(unsent: &BTreeMap<Outcome, u64>) -> Vec<LossCause> {
    let mut by_cause: BTreeMap<Cause, (u64, Vec<String>)> = BTreeMap::new();
    for (outcome, count) in unsent.iter().filter(|(_, count)| **count > 0) {
        let (sum, told) = by_cause.entry(cause_of(*outcome)).or_default();
        *sum += count;
        told.push(format!("{outcome} {count}"));
    }
    let cause = |(cause, (count, told)): (Cause, (u64, Vec<String>))| LossCause {
        side: cause.side(),
        cause,
        count,
        evidence: format!("errors of send(): {}", told.join(", ")),
    };
    by_cause.into_iter().map(cause).collect()
}

/// What an error of sending means.
fn cause_of(outcome: Outcome) -> Cause {
    match outcome {
        Outcome::Again => Cause::SendBuffer,
        Outcome::NoBuffer => Cause::SendQueue,
        _ => Cause::SendError,
    }
}

/// Parts of `whole` in proportion to `room`, and none above it.
fn shares(whole: u64, room: &[u64]) -> Vec<u64> {
    let all = room.iter().fold(0u128, |sum, one| sum + u128::from(*one));
    let whole = u128::from(whole).min(all);
    let (mut before, mut given) = (0u128, 0u128);
    let share = |one: &u64| {
        before += u128::from(*one);
        // By the running sum, so that what is rounded off is not lost.
        let upto = (whole * before).checked_div(all).unwrap_or(0);
        let share = upto - given;
        given = upto;
        share as u64
    };
    room.iter().map(share).collect()
}

/// Packets that were dropped at one place.
struct Counted {
    cause: Cause,
    /// Dropped, once for each receiver that missed it.
    packets: u64,
    /// Most datagrams in one of them.
    each: u64,
    told: String,
}

/// Counts along the way, each with what tells of it.
fn counted(evidence: &Evidence) -> Vec<Counted> {
    let mut all = Vec::new();
    let queue = sending_queue(&evidence.impairments);
    for one in &evidence.impairments {
        let told = if Some(one.cause) == queue { evidence.told_drops.min(one.dropped) } else { 0 };
        let each = bulk_of(one.cause, evidence);
        let copies = evidence.copies.max(1);
        let mut text = format!("{}: dropped {}", one.what, one.dropped);
        if let Some(seen) = one.seen {
            text.push_str(&format!(" of {seen}"));
        }
        if told > 0 {
            text.push_str(&format!("; {told} told to the sender, and not sent"));
        }
        if copies > 1 {
            text.push_str(&format!("; each missed by {copies} receivers"));
        }
        if each > 1 {
            text.push_str(&format!("; each up to {each} datagrams"));
        }
        let packets = (one.dropped - told).saturating_mul(copies);
        all.push(Counted { cause: one.cause, packets, each, told: text });
    }
    // What ICMP told of is among `NoPorts`, unless the target's host is another.
    let closed = evidence.no_ports.unwrap_or(0).max(evidence.refused);
    let told = match evidence.no_ports {
        Some(count) => {
            format!("NoPorts, IgnoredMulti +{count}; ICMP told the sender of {}", evidence.refused)
        }
        None => format!("ICMP told the sender of {}", evidence.refused),
    };
    let mut add = |cause, packets, each, told| all.push(Counted { cause, packets, each, told });
    let bulk = evidence.bulk.max(1);
    add(Cause::NoSocket, closed, 1, told);
    let memory = evidence.mem_errors.unwrap_or(0);
    add(Cause::Memory, memory, bulk, format!("MemErrors +{memory}"));
    let checksum = evidence.csum_errors.unwrap_or(0);
    add(Cause::Checksum, checksum, 1, format!("InCsumErrors +{checksum}"));
    // A socket counts all that it drops, whatever the reason.
    let own = evidence.drops.map(|drops| drops.saturating_sub(memory).saturating_sub(checksum));
    let full = own.or(evidence.rcvbuf_errors).unwrap_or(0);
    add(Cause::ReceiveBuffer, full, bulk, buffer_told(evidence));
    let discarded = evidence.discarded;
    add(Cause::Discarded, discarded, 1, format!("read from closing sockets: {discarded}"));
    let unread = evidence.unread;
    add(Cause::Unread, unread, 1, format!("left in buffers: {unread}"));
    let corrupt = evidence.corrupt;
    add(Cause::Corrupt, corrupt, 1, format!("read and damaged: {corrupt}"));
    all
}

/// What counts the drops of the sending interface's own queue, of which the sender is told: `netem`
/// where it stands in front of `tbf`, which drops unseen then.
pub fn sending_queue(impairments: &[ImpairmentResult]) -> Option<Cause> {
    let queues = [Cause::LabDelay, Cause::LabRate];
    queues.into_iter().find(|cause| impairments.iter().any(|one| one.cause == *cause))
}

/// Datagrams that one dropped packet may carry. A bulk is cut before a rate is kept (`tbf_segment`,
/// `net/sched/sch_tbf.c`).
fn bulk_of(cause: Cause, evidence: &Evidence) -> u64 {
    match cause {
        Cause::LabRate => 1,
        _ => evidence.bulk.max(1),
    }
}

fn buffer_told(evidence: &Evidence) -> String {
    let named = [
        ("sockets' drops", evidence.drops),
        ("RcvbufErrors", evidence.rcvbuf_errors),
        ("SO_RXQ_OVFL", evidence.rxq_ovfl),
    ];
    let parts = named.iter().filter_map(|(name, count)| Some(format!("{name} +{}", (*count)?)));
    let mut told = parts.collect::<Vec<_>>().join(", ");
    if evidence.bulk > 1 {
        told.push_str(&format!("; each up to {} datagrams sent in bulk", evidence.bulk));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::super::datagrams::Side;
    use super::*;
    use proptest::prelude::*;

    fn of(causes: &[LossCause], cause: Cause) -> u64 {
        causes.iter().filter(|one| one.cause == cause).map(|one| one.count).sum()
    }

    #[test]
    fn a_full_buffer_explains_all() {
        let evidence = Evidence {
            drops: Some(3929),
            rcvbuf_errors: Some(3929),
            rxq_ovfl: Some(0),
            ..Evidence::default()
        };
        let causes = attribute(&BTreeMap::new(), 3929, &evidence);
        assert_eq!(of(&causes, Cause::ReceiveBuffer), 3929);
        assert_eq!(of(&causes, Cause::Unexplained), 0);
        let told = &causes[0].evidence;
        assert_eq!(told, "sockets' drops +3929, RcvbufErrors +3929, SO_RXQ_OVFL +0");
    }

    #[test]
    fn drops_that_cost_nothing_are_told() {
        let evidence = Evidence { drops: Some(12), ..Evidence::default() };
        let causes = attribute(&BTreeMap::new(), 10, &evidence);
        assert_eq!(of(&causes, Cause::ReceiveBuffer), 10);
        assert!(causes[0].evidence.contains("2 of these were no loss"), "{causes:?}");
    }

    #[test]
    fn errors_of_sending_are_the_sender_s() {
        let unsent = [(Outcome::Again, 3), (Outcome::NoBuffer, 4), (Outcome::Unreachable, 5)];
        let causes = attribute(&unsent.into(), 0, &Evidence::default());
        assert_eq!(of(&causes, Cause::SendBuffer), 3);
        assert_eq!(of(&causes, Cause::SendQueue), 4);
        assert_eq!(of(&causes, Cause::SendError), 5);
    }

    #[test]
    fn what_the_sender_was_told_of_is_not_lost_as_well() {
        let rate = ImpairmentResult {
            what: "rate".to_owned(),
            cause: Cause::LabRate,
            dropped: 5000,
            seen: None,
        };
        let evidence = Evidence {
            impairments: vec![rate],
            told_drops: 5000,
            drops: Some(3000),
            ..Evidence::default()
        };
        let causes = attribute(&[(Outcome::NoBuffer, 5000)].into(), 3000, &evidence);
        assert_eq!(of(&causes, Cause::SendQueue), 5000);
        assert_eq!((of(&causes, Cause::LabRate), of(&causes, Cause::ReceiveBuffer)), (0, 3000));
    }

    #[test]
    fn bulks_are_counted_as_packets_first() {
        let loss = ImpairmentResult {
            what: "loss".to_owned(),
            cause: Cause::LabLoss,
            dropped: 986,
            seen: None,
        };
        let evidence = Evidence {
            impairments: vec![loss],
            drops: Some(8831),
            bulk: 64,
            ..Evidence::default()
        };
        let causes = attribute(&BTreeMap::new(), 9936, &evidence);
        let found = (of(&causes, Cause::LabLoss), of(&causes, Cause::ReceiveBuffer));
        assert_eq!((found.0 + found.1, of(&causes, Cause::Unexplained)), (9936, 0));
        assert!(found.0 >= 986 && found.1 >= 8831 && found.1 <= 8950, "{found:?}");
    }

    #[test]
    fn no_memory_counts_once() {
        let evidence = Evidence { drops: Some(10), mem_errors: Some(4), ..Evidence::default() };
        let causes = attribute(&BTreeMap::new(), 10, &evidence);
        assert_eq!((of(&causes, Cause::Memory), of(&causes, Cause::ReceiveBuffer)), (4, 6));
    }

    proptest! {
        #[test]
        fn causes_add_up_to_the_loss(
            lost in 0u64..10_000,
            n in prop::array::uniform8(prop_oneof![0u64..5000, Just(u64::MAX)]),
            bulk in 0u64..65,
        ) {
            let evidence = Evidence {
                impairments: vec![ImpairmentResult {
                    what: "loss 3%".to_owned(),
                    cause: Cause::LabLoss,
                    dropped: n[0],
                    seen: None,
                }],
                no_ports: Some(n[1]),
                refused: n[2],
                drops: Some(n[3]),
                mem_errors: Some(n[4]),
                discarded: n[5],
                unread: n[6],
                corrupt: n[7],
                bulk,
                ..Evidence::default()
            };
            let causes = attribute(&[(Outcome::Again, 7)].into(), lost, &evidence);
            let all = causes.iter().filter(|one| one.side != Side::Sender).map(|one| one.count);
            prop_assert_eq!(all.sum::<u64>(), lost);
        }
    }
}
