use proptest::prelude::*;

use super::segment::tests::framed;
use super::segment::{FIN, PSH};
use super::*;

const MS: u64 = 1_000_000;

/// Packets between a client and its target, in milliseconds.
struct Line {
    wire: Wire,
    times: Vec<u64>,
    client: SocketAddr,
    target: SocketAddr,
}

impl Line {
    fn new(room: usize) -> Self {
        let wire = Wire::with_room(room);
        let [client, target] = ["198.18.0.1:40000", "198.18.128.1:80"].map(|a| a.parse().unwrap());
        Self { wire, times: Vec::new(), client, target }
    }

    fn send(&mut self, at: u64, segment: Segment) {
        let frame = framed(&segment);
        let time = self.wire.enter(at * MS, frame.len() as u32, &frame);
        self.times.extend(time.map(|answer| answer.time / MS));
    }

    fn segment(&self, flags: u8, seq: u32, ack: u32) -> Segment {
        let (from, to) = (self.client, self.target);
        Segment { from, to, seq, ack, flags, bytes: 0, timestamps: None }
    }

    fn client(&mut self, at: u64, flags: u8, seq: u32, ack: u32) {
        self.send(at, self.segment(flags, seq, ack));
    }

    fn target(&mut self, at: u64, flags: u8, seq: u32, ack: u32) {
        let (from, to) = (self.target, self.client);
        self.send(at, Segment { from, to, ..self.segment(flags, seq, ack) });
    }

    /// A handshake that takes so long, and its end by RST.
    fn whole(&mut self, port: u16, at: u64, took: u64) {
        self.client.set_port(port);
        self.client(at, SYN, 7, 0);
        self.target(at + took, SYN | ACK, 9, 8);
        self.client(at + took, ACK, 8, 10);
        self.client(at + took + 1, RST | ACK, 8, 10);
    }
}

fn flags(result: &WireResult, ladder: usize) -> Vec<&str> {
    result.ladders[ladder].steps.iter().map(|step| step.flags.as_str()).collect()
}

#[test]
fn a_handshake_is_three_packets() {
    let mut line = Line::new(10);
    let x = u32::MAX;
    line.client(0, SYN, x, 0);
    line.target(3, SYN | ACK, 5, 0);
    line.client(4, ACK, 0, 6);
    let data = Segment { bytes: 10, ..line.segment(ACK | PSH, 0, 6) };
    line.send(5, data);
    line.send(6, data);
    line.client(7, FIN | ACK, 10, 6);
    line.target(8, FIN | ACK, 6, 11);
    line.client(9, ACK, 11, 7);
    assert_eq!(line.times, [3]);
    let result = line.wire.finish();
    let WireResult { syn, syn_again, syn_ack, syn_ack_again, rst, handshakes, .. } = result;
    assert_eq!([syn, syn_again, syn_ack, syn_ack_again, rst, handshakes], [1, 0, 1, 0, 0, 1]);
    let ladder = &result.ladders[0];
    assert_eq!(ladder.title, "slowest of 1 handshakes: 3.00ms");
    let wanted = ["SYN", "SYN+ACK", "ACK", "PSH+ACK", "PSH+ACK", "FIN+ACK", "FIN+ACK", "ACK"];
    assert_eq!(flags(&result, 0), wanted);
    let again: Vec<bool> = ladder.steps.iter().map(|step| step.again).collect();
    assert_eq!(again, [false, false, false, false, true, false, false, false]);
    assert_eq!((ladder.steps[0].ack, ladder.steps[1].ack), (None, Some(0)));
    assert_eq!((ladder.steps[1].at_s, ladder.steps[1].from_client), (0.003, false));
}

#[test]
fn what_is_sent_again_is_no_other_connection() {
    let mut line = Line::new(10);
    line.client(0, SYN, 7, 0);
    line.client(1000, SYN, 7, 0);
    line.target(1004, SYN | ACK, 5, 8);
    line.client(1005, ACK, 8, 6);
    // The final ACK met a full queue: the target asks again.
    line.target(2004, SYN | ACK, 5, 8);
    line.client(2005, ACK, 8, 6);
    assert_eq!(line.times, [4], "from the SYN that was answered");
    // Another number on the same ports is another connection.
    line.client(3000, SYN, 700, 0);
    line.target(3001, RST | ACK, 0, 701);
    let result = line.wire.finish();
    let WireResult { syn, syn_again, syn_ack, syn_ack_again, rst, handshakes, .. } = result;
    assert_eq!([syn, syn_again, syn_ack, syn_ack_again, rst, handshakes], [2, 1, 1, 1, 1, 1]);
    assert_eq!(result.ladders.len(), 1, "one that was refused is none of them");
    assert_eq!(result.ladders[0].title, "slowest of 1 handshakes: 1.00s");
    assert_eq!(result.ladders[0].steps.iter().filter(|step| step.again).count(), 2);
}

#[test]
fn a_late_answer_is_that_of_the_syn_that_it_names() {
    let mut line = Line::new(10);
    let stamped =
        |line: &Line, stamp| Segment { timestamps: Some((stamp, 0)), ..line.segment(SYN, 7, 0) };
    line.send(0, stamped(&line, 100));
    line.send(1000, stamped(&line, 1100));
    let (from, to) = (line.target, line.client);
    let answer = line.segment(SYN | ACK, 9, 8);
    line.send(1200, Segment { from, to, timestamps: Some((5, 100)), ..answer });
    assert_eq!(line.times, [1200]);
}

#[test]
fn cookies_of_another_number_complete_a_handshake() {
    let mut line = Line::new(10);
    line.client(0, SYN, 7, 0);
    line.target(1, SYN | ACK, 500, 8);
    line.client(1000, SYN, 7, 0);
    line.target(1001, SYN | ACK, 90, 8);
    line.client(1002, ACK, 8, 91);
    let result = line.wire.finish();
    assert_eq!((result.syn_ack, result.syn_ack_again, result.handshakes), (1, 1, 1));
}

#[test]
fn half_a_handshake_and_what_nobody_opened_are_none() {
    let mut line = Line::new(10);
    line.client(0, ACK, 1, 1);
    line.target(1, SYN | ACK, 1, 1);
    line.client(2, RST, 1, 0);
    line.client(3, SYN, 7, 0);
    line.target(4, SYN | ACK, 9, 8);
    line.client(5, RST, 8, 0);
    line.client(6, ACK, 8, 9);
    let result = line.wire.finish();
    assert_eq!((result.syn, result.syn_ack, result.handshakes, result.rst), (1, 1, 0, 2));
}

#[test]
fn the_typical_the_slowest_and_the_unanswered_are_drawn() {
    let mut line = Line::new(100_000);
    for port in 1..=2001u16 {
        line.whole(port, u64::from(port), u64::from(port));
    }
    for (port, syns) in [(3001, 1), (3002, 3), (3003, 2)] {
        line.client.set_port(port);
        (0..syns).for_each(|again| line.client(again * 1000, SYN, 7, 0));
    }
    let result = line.wire.finish();
    assert_eq!((result.handshakes, result.syn, result.syn_again), (2001, 2004, 3));
    let [typical, slowest, unanswered] = &result.ladders[..] else { panic!("{result:?}") };
    assert_eq!(slowest.client, "198.18.0.1:2001");
    assert_eq!(unanswered.client, "198.18.0.1:3002");
    assert_eq!(unanswered.title, "never answered, as 3 in all");
    let port: u64 = typical.client.rsplit(':').next().unwrap().parse().unwrap();
    assert!((900..1100).contains(&port), "far from the median: {}", typical.title);
    assert!(typical.title.starts_with("typical of 2,001 handshakes: "), "{}", typical.title);
}

#[test]
fn room_is_bounded() {
    let mut line = Line::new(3);
    (1..=20).for_each(|port| line.whole(port, 0, 1));
    assert!(line.wire.open.len() <= 3, "those that ended make room");
    for port in 101..=110 {
        line.client.set_port(port);
        line.client(0, SYN, 7, 0);
    }
    let result = line.wire.finish();
    assert_eq!((result.syn, result.handshakes), (30, 20));
    assert!(result.notices[0].starts_with("7 connections were opened"), "{:?}", result.notices);
}

#[test]
fn a_long_talk_is_drawn_with_its_end() {
    let mut line = Line::new(10);
    line.client(0, SYN, 7, 0);
    line.target(1, SYN | ACK, 9, 8);
    line.client(2, ACK, 8, 10);
    for n in 0..100 {
        line.send(3 + u64::from(n), Segment { bytes: 1, ..line.segment(ACK, 8 + n, 10) });
    }
    line.client(200, FIN | ACK, 108, 10);
    let result = line.wire.finish();
    assert_eq!(result.ladders[0].steps.len(), 21);
    assert_eq!(flags(&result, 0)[20], "FIN+ACK");
    assert_eq!(result.ladders[0].left_out, 103 - 20);
}

proptest! {
    #[test]
    fn no_packets_make_it_panic_or_grow(
        packets in prop::collection::vec(
            (1u16..4, any::<bool>(), any::<u8>(), 0u32..4, 0u32..4, 0u32..3),
            0..300,
        ),
    ) {
        let mut line = Line::new(2);
        for (at, (port, from_client, flags, seq, ack, bytes)) in packets.iter().enumerate() {
            line.client.set_port(*port);
            let mut segment = Segment { bytes: *bytes, ..line.segment(*flags, *seq, *ack) };
            if !from_client {
                std::mem::swap(&mut segment.from, &mut segment.to);
            }
            line.send(at as u64, segment);
            prop_assert!(line.wire.open.len() <= 2);
        }
        let all = packets.len() as u64;
        let result = line.wire.finish();
        prop_assert!(result.handshakes <= result.syn_ack && result.syn_ack <= result.syn);
        prop_assert!(result.syn + result.syn_again + result.syn_ack + result.syn_ack_again <= all);
        prop_assert!(result.ladders.iter().all(|ladder| ladder.steps.len() <= 28));
    }
}
