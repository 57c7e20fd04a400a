//! The engine against small listeners on loopback. Every run's records must add up.

mod harness;
mod peers;
mod room;

use std::time::{Duration, Instant};

use harness::{Kind, MS, connect, hold, request, until_close};
use peers::Peer;

use crate::load::{Schedule, Shape};
use crate::measure::{Ending, Event, Outcome};
use crate::scenario::plan::Lifecycle;
use crate::sys::socket::Dialer;
use crate::sys::standing::Standing;
use crate::sys::tcp_info::TcpInfo;
use crate::units::{Rate, Span};

/// Makes a test of each case for each engine.
macro_rules! on_each_engine {
    ($($case:ident,)+) => {
        mod mio {
            $(#[test] fn $case() { super::$case(super::Kind::Mio); })+
        }

        mod io_uring {
            $(#[test] fn $case() {
                if crate::sys::uring::tests::can_run(stringify!($case)) {
                    super::$case(super::Kind::IoUring);
                }
            })+
        }
    };
}

on_each_engine! {
    an_open_loop_makes_every_attempt,
    nothing_is_issued_before_the_epoch,
    attempts_of_an_open_loop_do_not_wait_for_each_other,
    a_closed_port_refuses,
    a_full_backlog_times_out,
    requests_are_answered,
    a_missing_reply_times_out,
    a_flood_times_out_and_others_have_their_turn,
    bytes_that_come_do_not_move_the_deadline,
    bytes_that_go_do_not_move_the_deadline,
    a_reset_while_holding_is_told,
    a_reset_before_anybody_looked_is_an_end_and_no_failure,
    an_early_close_is_told_at_once,
    a_close_that_comes_with_a_reply_ends_the_pause,
    connections_are_held_as_long_as_wanted,
    recycled_sockets_hold_and_connect_again,
    closed_clients_think_after_their_own_end,
    a_stop_cuts_what_is_open,
    a_stop_cuts_what_still_connects,
    a_stop_is_noticed_at_once,
    workers_share_an_open_loop,
    workers_share_a_closed_loop,
    an_attempt_without_a_place_sends_nothing,
    workers_share_the_descriptors,
    clients_without_a_place_do_not_spin,
    records_come_in_the_order_of_their_instants,
}

fn constant(per_second: f64, millis: u64) -> Schedule {
    let rate = Rate::new(per_second).expect("a rate");
    let shape = Shape::Constant { rate };
    Schedule::Open { shape, window: Span::from_millis(millis), attempts: None }
}

fn burst(size: u64) -> Schedule {
    let shape = Shape::Burst { size, every: Span::from_millis(1000) };
    Schedule::Open { shape, window: Span::from_millis(1), attempts: None }
}

fn closed(clients: u32, think: u64, window: u64, attempts: Option<u64>) -> Schedule {
    let (think, window) = (Span::from_millis(think), Span::from_millis(window));
    Schedule::Closed { clients, think, window, attempts }
}

fn an_open_loop_makes_every_attempt(engine: Kind) {
    let peer = Peer::accepting();
    let run = engine.case(connect(0), constant(200.0, 300)).run(peer.address);
    assert_eq!(run.outcomes(), [(Outcome::Ok, 60)]);
    assert_eq!(run.endings(), [(Ending::Done, 60)]);
    assert_eq!(run.unissued(), 0);
    assert_eq!(run.numbers(), (0..60).collect::<Vec<_>>());
    assert!(run.connects().iter().all(|c| c.intended == c.attempt * 5 * MS));
}

fn nothing_is_issued_before_the_epoch(engine: Kind) {
    let peer = Peer::accepting();
    let mut case = engine.case(connect(0), burst(20));
    case.lead = Duration::from_millis(50);
    let run = case.run(peer.address);
    assert_eq!(run.outcomes(), [(Outcome::Ok, 20)]);
    // An instant before the epoch would be a huge number, or none at all.
    assert!(run.connects().iter().all(|c| c.issued < 1000 * MS && c.at < 1000 * MS));
}

/// However many are due, each is looked at before the next is issued.
fn attempts_of_an_open_loop_do_not_wait_for_each_other(engine: Kind) {
    let peer = Peer::accepting();
    let run = engine.case(connect(0), burst(20)).run(peer.address);
    let connects = run.connects();
    let in_turn = connects.windows(2).filter(|pair| pair[0].at <= pair[1].issued).count();
    // A busy machine may leave a handshake to another thread.
    assert!(in_turn >= 15, "{in_turn} of 19");
}

fn a_closed_port_refuses(engine: Kind) {
    let peer = Peer::refusing();
    for lifecycle in [Lifecycle::Fresh, Lifecycle::Recycle] {
        let mut case = engine.case(connect(0), constant(100.0, 100));
        case.lifecycle = lifecycle;
        let run = case.run(peer.address);
        assert_eq!(run.outcomes(), [(Outcome::Refused, 10)]);
        assert!(run.connects().iter().all(|c| c.errno == libc::ECONNREFUSED));
    }
}

fn a_full_backlog_times_out(engine: Kind) {
    let peer = Peer::never_accepting(0);
    let mut case = engine.case(connect(0), burst(5));
    case.timeout = 300 * MS;
    let run = case.run(peer.address);
    assert_eq!(run.outcomes(), [(Outcome::Ok, 1), (Outcome::Timeout, 4)]);
    let late = run.connects().into_iter().filter(|c| c.outcome == Outcome::Timeout);
    assert!(late.into_iter().all(|c| c.at - c.issued >= 300 * MS));
}

fn requests_are_answered(engine: Kind) {
    let peer = Peer::echoing();
    for lifecycle in [Lifecycle::Fresh, Lifecycle::Recycle] {
        let mut case = engine.case(request(3, 1), constant(200.0, 100));
        case.lifecycle = lifecycle;
        let run = case.run(peer.address);
        assert_eq!(run.outcomes(), [(Outcome::Ok, 20)]);
        assert_eq!(run.endings(), [(Ending::Done, 20)]);
        assert_eq!(run.replies(), 60);
    }
}

fn a_missing_reply_times_out(engine: Kind) {
    let peer = Peer::accepting();
    let mut case = engine.case(request(1, 0), burst(3));
    case.timeout = 100 * MS;
    let run = case.run(peer.address);
    assert_eq!(run.endings(), [(Ending::Timeout, 3)]);
    assert!(run.held().iter().all(|time| *time >= 100 * MS));
}

/// A reply has to be whole in time, however much of it comes, and nobody else waits for it.
fn a_flood_times_out_and_others_have_their_turn(engine: Kind) {
    let peer = Peer::flooding();
    let mut case = engine.case(until_close(5), burst(2));
    case.timeout = 300 * MS;
    let before = Instant::now();
    let run = case.run(peer.address);
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
    assert_eq!(run.outcomes(), [(Outcome::Ok, 2)]);
    assert_eq!(run.endings(), [(Ending::Timeout, 2)]);
    assert!(run.held().iter().all(|time| (300 * MS..1000 * MS).contains(time)));
    assert!(run.connects().iter().all(|c| c.at < 300 * MS), "the second had to wait");
}

fn bytes_that_come_do_not_move_the_deadline(engine: Kind) {
    let peer = Peer::trickling(Duration::from_millis(50));
    let mut case = engine.case(until_close(5), burst(2));
    case.timeout = 200 * MS;
    let run = case.run(peer.address);
    assert_eq!(run.endings(), [(Ending::Timeout, 2)]);
    assert!(run.held().iter().all(|time| (200 * MS..600 * MS).contains(time)));
}

fn bytes_that_go_do_not_move_the_deadline(engine: Kind) {
    let peer = Peer::sipping(Duration::from_millis(100));
    let mut case = engine.case(until_close(32 << 20), burst(2));
    case.timeout = 300 * MS;
    let run = case.run(peer.address);
    assert_eq!(run.endings(), [(Ending::Timeout, 2)]);
    assert!(run.held().iter().all(|time| (300 * MS..900 * MS).contains(time)));
}

fn a_reset_while_holding_is_told(engine: Kind) {
    let peer = Peer::resetting(Duration::from_millis(10));
    let run = engine.case(connect(500), constant(200.0, 50)).run(peer.address);
    assert_eq!(run.outcomes(), [(Outcome::Ok, 10)]);
    assert_eq!(run.endings(), [(Ending::Reset, 10)]);
}

/// What tells a connection that was reset from one that never was.
#[test]
fn the_kernel_keeps_the_round_trip_time_of_a_connection_that_was_reset() {
    let closed = |peer: &Peer| {
        let dialer = Dialer::new(peer.address, &[], None, false);
        let socket = dialer.socket(0).expect("a socket");
        dialer.connect(&socket).expect("a connection in progress");
        std::thread::sleep(Duration::from_millis(50));
        let info = TcpInfo::of(&socket).expect("a standing");
        assert_eq!(info.standing(), Standing::Closed);
        info
    };
    assert!(closed(&Peer::resetting(Duration::ZERO)).rtt_us() > 0);
    assert_eq!(closed(&Peer::refusing()).rtt_us(), 0);
}

fn a_reset_before_anybody_looked_is_an_end_and_no_failure(engine: Kind) {
    let peer = Peer::resetting(Duration::ZERO);
    let run = engine.case(connect(500), constant(2000.0, 200)).run(peer.address);
    assert_eq!(run.outcomes(), [(Outcome::Ok, 400)]);
    assert_eq!(run.endings(), [(Ending::Reset, 400)]);
}

fn an_early_close_is_told_at_once(engine: Kind) {
    let peer = Peer::closing(Duration::from_millis(10));
    let run = engine.case(connect(500), constant(200.0, 50)).run(peer.address);
    assert_eq!(run.endings(), [(Ending::Closed, 10)]);
    assert!(run.held().iter().all(|time| *time < 400 * MS));
}

fn a_close_that_comes_with_a_reply_ends_the_pause(engine: Kind) {
    let peer = Peer::echoing_once();
    let run = engine.case(request(2, 500), burst(5)).run(peer.address);
    assert_eq!(run.replies(), 5);
    assert_eq!(run.endings(), [(Ending::Closed, 5)]);
    assert!(run.held().iter().all(|time| *time < 400 * MS));
}

fn connections_are_held_as_long_as_wanted(engine: Kind) {
    let peer = Peer::accepting();
    let run = engine.case(connect(30), constant(500.0, 40)).run(peer.address);
    assert_eq!(run.endings(), [(Ending::Done, 20)]);
    assert!(run.held().iter().all(|time| *time >= 30 * MS));
}

fn recycled_sockets_hold_and_connect_again(engine: Kind) {
    let peer = Peer::accepting();
    let mut case = engine.case(connect(5), closed(3, 0, 150, None));
    case.lifecycle = Lifecycle::Recycle;
    let run = case.run(peer.address);
    let count = run.connects().len();
    // More than the first round, and no more than the hold allows.
    assert!((6..=3 * 31).contains(&count), "{count}");
    assert_eq!(run.outcomes(), [(Outcome::Ok, count)]);
    assert_eq!(run.endings(), [(Ending::Done, count)]);
    assert!(run.held().iter().all(|time| *time >= 5 * MS));
}

fn closed_clients_think_after_their_own_end(engine: Kind) {
    let peer = Peer::accepting();
    let run = engine.case(connect(0), closed(2, 20, 200, None)).run(peer.address);
    let connects = run.connects();
    assert!((4..=22).contains(&connects.len()), "{}", connects.len());
    let ends: Vec<u64> = run.ends().collect();
    for connect in connects.iter().filter(|c| c.intended > 0) {
        assert!(ends.contains(&(connect.intended - 20 * MS)), "nobody ended then");
    }
    assert_eq!(connects.iter().filter(|c| c.intended == 0).count(), 2);
}

fn a_stop_cuts_what_is_open(engine: Kind) {
    let peer = Peer::accepting();
    let mut case = engine.case(connect(60_000), constant(500.0, 60_000));
    case.stop_after = Some(Duration::from_millis(150));
    let run = case.run(peer.address);
    let count = run.connects().len();
    assert!(count > 10, "{count}");
    assert_eq!(run.outcomes(), [(Outcome::Ok, count)]);
    assert_eq!(run.endings(), [(Ending::Cut, count)]);
}

fn a_stop_cuts_what_still_connects(engine: Kind) {
    let peer = Peer::never_accepting(0);
    let mut case = engine.case(connect(0), burst(5));
    case.stop_after = Some(Duration::from_millis(100));
    let run = case.run(peer.address);
    assert_eq!(run.outcomes(), [(Outcome::Ok, 1), (Outcome::Cut, 4)]);
}

/// However long an interval is, and before the first attempt as well.
fn a_stop_is_noticed_at_once(engine: Kind) {
    let peer = Peer::accepting();
    for lead in [0, 5000] {
        let mut case = engine.case(connect(0), constant(20.0, 5000));
        case.interval = 60_000 * MS;
        case.lead = Duration::from_millis(lead);
        case.stop_after = Some(Duration::from_millis(100));
        let before = Instant::now();
        let run = case.run(peer.address);
        assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
        assert_eq!(run.connects().is_empty(), lead > 0);
    }
}

fn workers_share_an_open_loop(engine: Kind) {
    let peer = Peer::accepting();
    let mut case = engine.case(connect(2), constant(300.0, 300));
    case.workers = 2;
    let run = case.run(peer.address);
    assert_eq!(run.numbers(), (0..90).collect::<Vec<_>>());
    assert_eq!(run.outcomes(), [(Outcome::Ok, 90)]);
}

fn workers_share_a_closed_loop(engine: Kind) {
    let peer = Peer::accepting();
    for clients in [1, 3] {
        let mut case = engine.case(connect(0), closed(clients, 0, 2000, Some(9)));
        case.workers = 2;
        let run = case.run(peer.address);
        assert_eq!(run.numbers(), (0..9).collect::<Vec<_>>());
    }
}

fn an_attempt_without_a_place_sends_nothing(engine: Kind) {
    let peer = Peer::accepting();
    let mut case = engine.case(connect(100), burst(5));
    case.slots = 2;
    let run = case.run(peer.address);
    assert_eq!(run.outcomes(), [(Outcome::Ok, 2), (Outcome::NoFd, 3)]);
    assert_eq!(peer.accepted(), 2);
}

/// The more attempts one worker has, the fewer are left for the other; none is kept back.
fn workers_share_the_descriptors(engine: Kind) {
    let peer = Peer::accepting();
    let mut case = engine.case(connect(100), closed(6, 0, 50, Some(6)));
    case.workers = 2;
    case.descriptors = 5;
    let run = case.run(peer.address);
    assert_eq!(run.outcomes(), [(Outcome::Ok, 5), (Outcome::NoFd, 1)]);
}

fn clients_without_a_place_do_not_spin(engine: Kind) {
    let peer = Peer::accepting();
    let mut case = engine.case(connect(200), closed(2, 0, 100, None));
    case.slots = 1;
    let run = case.run(peer.address);
    let count = run.connects().len();
    assert!((3..=102).contains(&count), "{count}");
    assert_eq!(run.outcomes(), [(Outcome::Ok, 1), (Outcome::NoFd, count - 1)]);
}

/// Ten times as many connections as descriptors: all are held, and all talk at once.
#[test]
fn held_connections_need_no_descriptor() {
    if !crate::sys::uring::tests::can_run("held_connections_need_no_descriptor") {
        return;
    }
    let peer = Peer::echoing();
    let mut case = Kind::IoUring.case(hold(700, 200), burst(80));
    case.descriptors = 8;
    let run = case.run(peer.address);
    assert_eq!(run.outcomes(), [(Outcome::Ok, 80)]);
    assert_eq!(run.endings(), [(Ending::Done, 80)]);
    assert!((80 * 2..=80 * 3).contains(&run.replies()), "{}", run.replies());
    assert!(run.ends().all(|end| end >= 700 * MS));
}

#[test]
fn short_pauses_are_not_worth_giving_a_descriptor_up() {
    if !crate::sys::uring::tests::can_run("short_pauses_are_not_worth_giving_a_descriptor_up") {
        return;
    }
    let peer = Peer::accepting();
    let mut case = Kind::IoUring.case(connect(50), burst(20));
    case.descriptors = 8;
    let run = case.run(peer.address);
    assert_eq!(run.outcomes(), [(Outcome::Ok, 8), (Outcome::NoFd, 12)]);
}

/// Records of one attempt come in the order of its life, whatever else happens between them.
fn records_come_in_the_order_of_their_instants(engine: Kind) {
    let peer = Peer::echoing();
    let run = engine.case(request(2, 0), closed(8, 0, 200, None)).run(peer.address);
    assert!(run.records.is_sorted_by_key(|record| record.at));
    let replies = run.records.iter().filter(|r| matches!(r.event, Event::Reply { .. })).count();
    let done = run.endings().iter().find(|(e, _)| *e == Ending::Done).map_or(0, |(_, n)| *n);
    assert_eq!(replies, 2 * done);
}
