use super::*;
use crate::measure::result::{ImpairmentResult, LossCause, ReceiverRestart};
use crate::report::sample;

/// The plan and result of the cell with the smallest buffer.
fn sample() -> (Cell, CellResult) {
    let mut run = sample::datagrams();
    (run.scenario.cells.remove(0), run.cells.remove(0))
}

fn ledger(cell: &mut CellResult) -> &mut DatagramsResult {
    cell.datagrams.as_mut().expect("datagrams")
}

fn with(cell: &mut CellResult, cause: Cause, count: u64) {
    let one = LossCause { side: cause.side(), cause, count, evidence: String::new() };
    ledger(cell).causes.retain(|other| other.cause != cause);
    ledger(cell).causes.push(one);
}

fn texts(plan: &Cell, cell: &CellResult) -> Vec<String> {
    crate::explain::findings(plan, cell).into_iter().map(|finding| finding.text).collect()
}

#[test]
fn an_overflow_tells_what_would_have_held() {
    let (plan, cell) = sample();
    let found = crate::explain::findings(&plan, &cell);
    let overflow = &found[0];
    for part in [
        "found the receive buffer full. It holds 158 datagrams of 100 bytes, each charged with 832",
        "In the worst 0.5 s, from 1.0 s on, 1786 were lost: 3572/s came, and 0/s were read. Reading ",
        "SO_RCVBUF ",
        "had arrivals and reads been the same",
    ] {
        assert!(overflow.text.contains(part), "{part}: {}", overflow.text);
    }
    assert!(overflow.evidence.contains("RcvbufErrors"), "{}", overflow.evidence);
    assert!(overflow.evidence.contains("buffer 131072 bytes"), "{}", overflow.evidence);
    assert!(!overflow.text.contains("rmem_max"), "it suffices: {}", overflow.text);
    let concerned = |text: &str| text.split(' ').next().and_then(|n| n.parse::<u64>().ok());
    assert_eq!(
        concerned(&overflow.text),
        Some(cell.datagrams.expect("datagrams").of(Cause::ReceiveBuffer))
    );
}

#[test]
fn the_buffer_that_is_advised_would_have_held() {
    let (plan, cell) = sample();
    let text = texts(&plan, &cell).remove(0);
    let advised = text.split("SO_RCVBUF ").nth(1).expect("advice");
    let advised: u64 = advised.split(' ').next().expect("a number").parse().expect("a number");
    let run = sample::datagram_sweep(&[advised]);
    let better = run.cells[0].datagrams.as_ref().expect("datagrams");
    assert_eq!(better.of(Cause::ReceiveBuffer), 0, "the same load, the same reader");
}

#[test]
fn a_cut_buffer_names_the_setting() {
    let (plan, mut cell) = sample();
    cell.settings.insert("net.core.rmem_max".to_owned(), "60000".to_owned());
    ledger(&mut cell).receivers[0].rcvbuf_effective = Some(120_000);
    let texts = texts(&plan, &cell);
    assert!(texts[0].contains("net.core.rmem_max, 60000 here, must be raised"), "{}", texts[0]);
    assert!(texts[1].starts_with("SO_RCVBUF was cut: 65536 asked for"), "{}", texts[1]);
}

#[test]
fn what_the_sender_s_kernel_refused_is_told_by_its_queue() {
    let (mut plan, mut cell) = sample();
    let found = texts(&plan, &cell);
    assert!(found.iter().any(|text| text.starts_with("80 of 16000 datagrams (0.500 %) were not")));
    with(&mut cell, Cause::SendBuffer, 20_000);
    assert!(texts(&plan, &cell)[0].contains("wmem_default"));
    plan.target = crate::scenario::plan::Target::External {
        address: "unix-dgram:@x".to_owned(),
        transport: Transport::UnixDgram,
        sample: Default::default(),
    };
    assert!(texts(&plan, &cell)[0].contains("net.unix.max_dgram_qlen + 1"));
}

#[test]
fn the_lab_is_held_to_what_was_asked() {
    let (mut plan, mut cell) = sample();
    let lab = |plan: &Cell, cell: &CellResult| {
        texts(plan, cell).into_iter().find(|text| text.starts_with("The lab dropped"))
    };
    let text = lab(&plan, &cell).expect("asked");
    assert!(text.contains("3% was asked for") && !text.contains("did not do"), "{text}");
    let rule = |dropped| ImpairmentResult {
        what: "one of 10 lost".to_owned(),
        cause: Cause::LabLoss,
        dropped,
        seen: Some(4005),
    };
    ledger(&mut cell).impairments = vec![rule(400)];
    assert!(lab(&plan, &cell).expect("asked").contains("did not do"), "10 % are not 3 %");
    plan.lab.impair.as_mut().expect("impaired").loss = Some(Loss::Every(10));
    let text = lab(&plan, &cell).expect("asked");
    assert!(text.contains("which is 400.") && !text.contains("did not do"), "{text}");
    ledger(&mut cell).impairments = vec![rule(401)];
    assert!(lab(&plan, &cell).expect("asked").contains("did not do"));
    plan.lab.impair = None;
    assert_eq!(lab(&plan, &cell), None);
}

#[test]
fn odd_classes_are_told_and_the_worst_comes_first() {
    let (plan, mut cell) = sample();
    let books = ledger(&mut cell);
    (books.late, books.outside, books.foreign, books.surplus) = (1, 2, 3, 4);
    books.restarts = vec![ReceiverRestart { closed_s: 1.0, bound_s: Some(1.5), discarded: 0 }];
    with(&mut cell, Cause::NoSocket, 90_000);
    with(&mut cell, Cause::Unexplained, 5);
    cell.loads[0].datagrams.as_mut().expect("datagrams").sending = "gso".to_owned();
    let texts = texts(&plan, &cell);
    assert!(texts[0].contains("nobody was bound") && texts[0].contains("1.000 s to 1.500 s"));
    let tail: Vec<_> = texts.iter().rev().take(5).map(|text| &text[..1]).collect();
    assert_eq!(tail, ["1", "2", "3", "4", "5"], "{texts:#?}");
    assert!(texts.iter().any(|text| text.starts_with("senders sent in bulk (gso)")));
}

#[test]
fn nothing_is_said_of_nothing() {
    let (plan, mut cell) = sample();
    cell.datagrams = Some(DatagramsResult { counted: true, ..DatagramsResult::default() });
    assert_eq!(texts(&plan, &cell), [""; 0]);
    let run = sample::backlog();
    assert_eq!(texts(&run.scenario.cells[0], &run.cells[0]), [""; 0]);
}
