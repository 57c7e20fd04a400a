//! Clients of AF_UNIX listeners whose queue is full.

use std::thread;
use std::time::{Duration, Instant};

use super::harness::{Case, MS, Run, connect, request};
use super::peers::Peer;
use super::{burst, closed};
use crate::engine::room::MOST;
use crate::measure::{Ending, Outcome};
use crate::scenario::plan::WhenFull;
use crate::units::UnixKind;

const KINDS: [UnixKind; 2] = [UnixKind::Stream, UnixKind::Seqpacket];

/// So many at once, of whom each waits at most for `timeout` milliseconds.
fn waiting(size: u64, timeout: u64) -> Case {
    let mut case = Case::new(connect(0), burst(size));
    case.when_full = WhenFull::Wait;
    case.timeout = timeout * MS;
    case
}

#[test]
fn one_more_than_the_backlog_fits_and_the_rest_is_told_at_once() {
    for kind in KINDS {
        let peer = Peer::unix(kind, 5);
        let run = Case::new(connect(200), burst(10)).run(peer.address);
        assert_eq!(run.outcomes(), [(Outcome::Ok, 6), (Outcome::Again, 4)]);
        assert_eq!(run.endings(), [(Ending::Done, 6)]);
        let again: Vec<_> =
            run.connects().into_iter().filter(|c| c.outcome == Outcome::Again).collect();
        assert!(again.iter().all(|c| c.errno == libc::EAGAIN && c.at - c.issued < 100 * MS));
    }
}

#[test]
fn whoever_waits_in_vain_times_out() {
    for kind in KINDS {
        let peer = Peer::unix(kind, 0);
        let run = waiting(5, 100).run(peer.address);
        assert_eq!(run.outcomes(), [(Outcome::Ok, 1), (Outcome::Timeout, 4)]);
        for late in run.connects().iter().filter(|c| c.outcome == Outcome::Timeout) {
            let waited = late.at - late.issued;
            assert!((100 * MS..2000 * MS).contains(&waited), "{waited} ns");
        }
    }
}

#[test]
fn whoever_waits_gets_in_when_there_is_room() {
    for kind in KINDS {
        let peer = Peer::unix(kind, 0);
        let run = taking_one_every(Duration::from_millis(20), &peer, || {
            waiting(6, 5000).run(peer.address)
        });
        assert_eq!(run.outcomes(), [(Outcome::Ok, 6)]);
        let last = run.connects().iter().map(|c| c.at - c.issued).max().expect("six");
        assert!(last > 50 * MS, "the last of them has waited: {last} ns");
    }
}

#[test]
fn threads_are_used_again() {
    let peer = Peer::unix(UnixKind::Stream, 0);
    let mut case = waiting(1, 5000);
    case.schedule = closed(4, 0, 2000, Some(40));
    let run = taking_one_every(Duration::from_millis(5), &peer, || case.run(peer.address));
    assert_eq!(run.outcomes(), [(Outcome::Ok, 40)]);
}

#[test]
fn a_wish_to_stop_cuts_short_whoever_waits() {
    let peer = Peer::unix(UnixKind::Stream, 0);
    let mut case = waiting(5, 60_000);
    case.stop_after = Some(Duration::from_millis(200));
    let began = Instant::now();
    let run = case.run(peer.address);
    assert_eq!(run.outcomes(), [(Outcome::Ok, 1), (Outcome::Cut, 4)]);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn there_is_a_thread_for_so_many_and_no_more() {
    let peer = Peer::unix(UnixKind::Stream, 0);
    let mut case = waiting(MOST as u64 + 10, 1000);
    (case.slots, case.descriptors) = (2 * MOST, 2 * MOST as u64);
    let run = case.run(peer.address);
    let (timeout, no_buffer) = ((Outcome::Timeout, MOST), (Outcome::NoBuffer, 9));
    assert_eq!(run.outcomes(), [(Outcome::Ok, 1), timeout, no_buffer]);
}

#[test]
fn an_echo_goes_round() {
    let peer = Peer::echoing_on_unix();
    let run = Case::new(request(3, 1), burst(10)).run(peer.address);
    assert_eq!(run.outcomes(), [(Outcome::Ok, 10)]);
    assert_eq!((run.endings(), run.replies()), (vec![(Ending::Done, 10)], 30));
}

/// Runs while a connection is taken from the queue every `time`.
fn taking_one_every(time: Duration, peer: &Peer, run: impl FnOnce() -> Run) -> Run {
    let done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                thread::sleep(time);
                peer.take_one();
            }
        });
        let ran = run();
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        ran
    })
}
