//! On observations as they were recorded on Linux 6.18, and on those of other systems by their rules.

use super::*;
use crate::measure::card::{Instrument, Method};

fn experiment(observations: impl IntoIterator<Item = Observation>) -> Experiment {
    let method = Method { instrument: Instrument::Receive, how: String::new() };
    let mut experiment = Experiment::new("x", "?", method);
    experiment.observations.extend(observations);
    experiment
}

fn asked(bytes: i64, granted: i64) -> Observation {
    Observation::new().given("asked", bytes).seen("granted", granted)
}

fn fill(payload: i64, sent: i64, granted: i64, held: i64) -> Observation {
    let given = Observation::new().given("trial", "fill").given("payload", payload);
    let one = given.given("sent", sent).seen("granted", granted).seen("held", held);
    one.seen("first", 0).seen("last", held - 1)
}

fn smallest(payload: i64, datagrams: i64, granted: i64) -> Observation {
    let given = Observation::new().given("trial", "smallest").given("payload", payload);
    given.given("datagrams", datagrams).seen("granted", granted)
}

fn table(of: &str, unit: &str, pairs: &[(i64, i64)]) -> Value {
    points(of, unit, pairs.to_vec())
}

#[track_caller]
fn tells(experiment: &Experiment, name: &str, value: Value, confidence: Confidence) {
    let found = experiment.inferred.iter().find(|one| one.name == name);
    let found = found.unwrap_or_else(|| panic!("no {name} in {:?}", experiment.inferred));
    assert_eq!((&found.value, found.confidence), (&value, confidence), "{}", found.because);
    let known = |at: &usize| *at < experiment.observations.len();
    assert!(!found.from.is_empty() && found.from.iter().all(known), "{:?}", found.from);
}

#[test]
fn sizes_are_doubled_raised_and_cut() {
    let default = Observation::new().seen("granted", 212_992);
    let all = [asked(1, 2304), asked(2, 2304), asked(1024, 2304), asked(4096, 8192)];
    let more = [asked(65_536, 131_072), asked(1 << 30, 8_388_608)];
    let mut linux = experiment([default].into_iter().chain(all).chain(more));
    size(&mut linux);
    tells(&linux, "default", Value::count(212_992, "bytes"), Confidence::Medium);
    tells(&linux, "smallest", Value::count(2304, "bytes"), Confidence::High);
    tells(&linux, "largest", Value::count(8_388_608, "bytes"), Confidence::Medium);
    tells(&linux, "rule", Value::word("2n"), Confidence::High);
}

#[test]
fn what_a_bsd_grants_is_what_was_asked_for_or_nothing() {
    let refused = Observation::new().given("asked", 1 << 30).seen("refused", "ENOBUFS");
    let mut bsd = experiment([asked(1, 1), asked(4096, 4096), asked(65_536, 65_536), refused]);
    size(&mut bsd);
    tells(&bsd, "rule", Value::word("n"), Confidence::High);
    assert_eq!((bsd.value("largest"), bsd.value("smallest")), (None, None));
}

#[test]
fn a_charge_is_told_and_found_alike() {
    let seen = [
        fill(100, 528, 131_072, 157).seen("charged", 157 * 832).seen("drops", 371),
        smallest(100, 16, 13_312),
        smallest(100, 32, 26_624),
        fill(8192, 32, 131_072, 7).seen("charged", 7 * 16_640),
        smallest(8192, 3, 49_920),
        smallest(8192, 7, 116_480),
    ];
    let mut linux = experiment(seen);
    capacity(&mut linux);
    let held = [(100, 157), (8192, 7)];
    tells(&linux, "capacity", table("payload", "datagrams", &held), Confidence::High);
    let charged = [(100, 832), (8192, 16_640)];
    tells(&linux, "charge", table("payload", "bytes", &charged), Confidence::High);
    tells(&linux, "dropped", Value::word("newest"), Confidence::High);
    assert!(linux.missing.is_empty());
}

#[test]
fn without_meminfo_the_growth_of_buffers_tells_it() {
    // Before 6.18, one more was taken: that falls out of the difference.
    let linux =
        [fill(512, 528, 131_072, 103), smallest(512, 16, 19_200), smallest(512, 32, 39_680)];
    let mut linux = experiment(linux);
    capacity(&mut linux);
    tells(&linux, "charge", table("payload", "bytes", &[(512, 1280)]), Confidence::Medium);
    // Payload and address, as FreeBSD has it: not divisible by chance, and rounded.
    let bsd = [fill(100, 528, 65_536, 564), smallest(100, 16, 1856), smallest(100, 32, 3711)];
    let mut bsd = experiment(bsd.map(|one| one.given("sent", 4000)));
    capacity(&mut bsd);
    tells(&bsd, "charge", table("payload", "bytes", &[(100, 116)]), Confidence::Low);
}

#[test]
fn where_very_many_fit_size_and_number_tell_it() {
    // gVisor charges the payload.
    let mut gvisor = experiment([fill(1, 300_000, 65_536, 65_536)]);
    capacity(&mut gvisor);
    tells(&gvisor, "charge", table("payload", "bytes", &[(1, 1)]), Confidence::Low);
}

#[test]
fn what_differs_is_not_sure_and_what_was_not_dropped_is_missing() {
    let seen = [
        fill(100, 528, 131_072, 157).seen("charged", 157 * 800),
        smallest(100, 16, 13_312),
        smallest(100, 32, 26_624),
    ];
    let mut odd = experiment(seen);
    capacity(&mut odd);
    tells(&odd, "charge", table("payload", "bytes", &[(100, 800)]), Confidence::Low);
    let mut endless = experiment([fill(100, 528, 131_072, 528)]);
    capacity(&mut endless);
    assert!(endless.inferred.is_empty());
    let missing: Vec<_> = endless.missing.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(missing, ["capacity", "charge"]);
}

#[test]
fn the_oldest_and_others_may_be_dropped() {
    let kept =
        |first: i64, last: i64| fill(100, 528, 1, 100).seen("first", first).seen("last", last);
    for (seen, word) in [(kept(428, 527), "oldest"), (kept(0, 527), "others")] {
        let mut one = experiment([seen]);
        capacity(&mut one);
        tells(&one, "dropped", Value::word(word), Confidence::High);
    }
    let mut both = experiment([kept(428, 527), kept(0, 99)]);
    capacity(&mut both);
    tells(&both, "dropped", Value::word("others"), Confidence::Low);
}

#[test]
fn counters_are_exact_silent_or_shared_with_others() {
    let trial = |held: i64| Observation::new().given("sent", 500).seen("held", held);
    let seen = [(400, 100, 130), (450, 50, 50)].map(|(held, lost, shared)| {
        trial(held)
            .seen("socket_drops", lost)
            .seen("rcvbuf_errors", shared)
            .seen("in_errors", 0)
            .seen("rxq_ovfl", lost)
            .seen("told_by_those_before", 0)
    });
    let mut all = experiment(seen);
    counters(&mut all);
    tells(&all, "socket_drops", Value::word("exact"), Confidence::High);
    tells(&all, "rcvbuf_errors", Value::word("more"), Confidence::Low);
    tells(&all, "in_errors", Value::word("silent"), Confidence::High);
    tells(&all, "rxq_ovfl_of_the_last", Value::word("untold"), Confidence::High);
    let mut none = experiment([trial(400)]);
    counters(&mut none);
    assert!(none.inferred.is_empty());
    assert_eq!(none.missing.len(), 4);
}

fn filled(backlog: i64, accepted: i64, error: &str) -> Observation {
    let one = Observation::new().given("trial", "fill").given("backlog", backlog);
    one.seen("accepted", accepted).seen("error", error)
}

fn waited(took: f64, error: &str) -> Observation {
    let one = Observation::new().given("trial", "blocking").given("patience_s", 0.2);
    one.seen("took_s", took).seen("error", error)
}

fn accepted(numbers: &str) -> Observation {
    Observation::new().given("trial", "order").seen("accepted", numbers)
}

#[test]
fn a_queue_of_linux_holds_one_more_and_then_says_again() {
    let held = [(-1, 4097), (0, 1), (1, 2), (16, 17), (128, 129)];
    let fills = held.map(|(n, held)| filled(n, held, "EAGAIN"));
    let rest = [waited(0.203, "ETIMEDOUT"), accepted("0 1 2 3 4 5 6 7")];
    let mut linux = experiment(fills.into_iter().chain(rest));
    queue(&mut linux);
    tells(&linux, "capacity", table("backlog", "connections", &held), Confidence::High);
    tells(&linux, "rule", Value::word("n + 1"), Confidence::High);
    tells(&linux, "beyond", Value::word("again"), Confidence::High);
    tells(&linux, "blocking", Value::word("waits"), Confidence::Medium);
    tells(&linux, "order", Value::word("fifo"), Confidence::Medium);
}

#[test]
fn a_queue_of_freebsd_holds_half_as_much_again_and_then_refuses() {
    let held = [(-1, 193), (0, 1), (1, 2), (5, 8), (16, 25), (128, 193), (1000, 193)];
    let fills = held.map(|(n, held)| filled(n, held, "ECONNREFUSED"));
    let rest = [waited(0.0001, "ECONNREFUSED"), accepted("0 1 2 3 4 5 6")];
    let mut bsd = experiment(fills.into_iter().chain(rest));
    queue(&mut bsd);
    tells(&bsd, "rule", Value::word("floor(3n/2) + 1"), Confidence::High);
    tells(&bsd, "beyond", Value::word("refused"), Confidence::High);
    tells(&bsd, "blocking", Value::word("refused"), Confidence::Medium);
}

#[test]
fn what_fits_no_rule_has_none() {
    let mut odd = experiment(
        [(1, 2), (5, 9), (16, 17), (128, 300)].map(|(n, held)| filled(n, held, "EAGAIN")),
    );
    queue(&mut odd);
    assert_eq!(odd.value("rule"), None);
    let mut early = experiment([waited(0.001, "ETIMEDOUT"), accepted("7 6 5"), accepted("1")]);
    queue(&mut early);
    tells(&early, "blocking", Value::word("again"), Confidence::Medium);
    tells(&early, "order", Value::word("lifo"), Confidence::Medium);
    let mut few = experiment([accepted("1 2")]);
    queue(&mut few);
    assert_eq!((few.inferred.len(), few.missing.len()), (0, 1));
}

#[test]
fn datagrams_of_linux_wait_by_their_number() {
    let one = |held: i64, error: &str| {
        let one = Observation::new().given("trial", "fill").seen("held", held);
        one.seen("error", error)
    };
    let mut linux = experiment([one(11, "EAGAIN"), one(11, "EAGAIN")]);
    datagrams(&mut linux);
    tells(&linux, "capacity", Value::count(11, "datagrams"), Confidence::High);
    tells(&linux, "beyond", Value::word("again"), Confidence::High);
    let mut bsd = experiment([one(120, "ENOBUFS"), one(119, "ENOBUFS")]);
    datagrams(&mut bsd);
    tells(&bsd, "capacity", Value::count(120, "datagrams"), Confidence::Low);
    tells(&bsd, "beyond", Value::word("no_buffer"), Confidence::High);
}
