use super::*;
use crate::measure::Metric;
use crate::measure::result::{
    Cause, Class, ClassResult, ClassesResult, Finding, FlowResult, LedgerStep, MemoryResult, Place,
    PredictionResult, QueueInterval, ReceiverRestart, RestartResult, SocketStates, SocketsResult,
    StatesResult,
};
use crate::measure::{Outcome, TargetEnding};
use crate::report::sample;
use crate::report::text::thousands;

fn fits(text: &str) {
    for line in text.lines() {
        assert!(columns(line) <= WIDEST, "{} columns: {line}", columns(line));
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

#[test]
fn a_sweep_is_summed_up() {
    let text = summary(&sample::backlog(), 200, false);
    fits(&text);
    for part in [
        "backlog=5 (lab, loopback, 11.1s)",
        "connect_service",
        "longest 6 of 5 (backlog asked 5, effective 5)",
        "ListenOverflows 6,160",
        "unexplained 0",
        "resolution 58.0us",
        "all cells",
        "broken  backlog=5 clients: connect.p99 <= 5ms, measured 3.01s",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert_eq!(text.lines().last(), Some("verdict: fail: 1 of 1 limits broken"));
}

#[test]
fn a_knee_comes_first_and_in_words() {
    let mut result = sample::knee();
    let text = summary(&result, 80, false);
    fits(&text);
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "knee: load.rate = 494/s is the highest value at which counters.ListenOverflows == 0 held \
         each time; above, at 504/s, it broke each time held in 2 of 2 runs",
        "note: the accept queue's 129 places",
        "tried held broke unclear measured 300/s 1 0 0 0",
        "494/s 2 0 0 0, 0 504/s 0 2 0 12, 14",
        "8000/s 0 0 1 70912",
    ] {
        assert!(flat.contains(part), "{part} is missing in\n{text}");
    }
    assert!(flat.starts_with("knee: "), "{text}");
    let knee = result.knee.as_mut().expect("a knee");
    knee.breaks = None;
    knee.confidence = "the limit held from 300/s to 600/s".to_owned();
    knee.steps.iter_mut().for_each(|step| step.text = "x".repeat(400));
    knee.until = "y".repeat(400);
    fits(&summary(&result, 60, false));
    let words = summary(&result, 80, false);
    assert!(words.starts_with("knee: none was found over load.rate"), "{words}");
}

#[test]
fn repeated_runs_are_told_as_sides() {
    let mut result = sample::repeats(12);
    let told = summary(&result, 80, false);
    fits(&told);
    assert!(told.starts_with("Worse: the candidate is worse in 3 of 4"), "{told}");
    assert!(told.lines().count() < 35, "{told}");
    insta::assert_snapshot!(told);
    result.cells[3].validity.reasons.push("the schedule was not kept".to_owned());
    result.repeats.as_mut().expect("repeats").comparison = None;
    let told = summary(&result, 80, false);
    let flat = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("base run 2 does not count: the schedule was not kept"), "{told}");
}

#[test]
fn many_cells_are_compared_and_not_told_one_by_one() {
    let backlogs: Vec<_> = (1..=13).collect();
    let text = summary(&sample::sweep(&backlogs), 80, false);
    fits(&text);
    assert!(text.contains("all cells") && !text.contains("connect_service"), "{text}");
    let text = summary(&sample::sweep(&backlogs[..12]), 80, false);
    assert!(text.contains("connect_service"), "{text}");
}

#[test]
fn a_resumed_run_says_what_has_changed_since() {
    let mut result = sample::backlog();
    let part = |differs: &[&str]| crate::measure::result::Resumed {
        environment: crate::measure::result::Environment {
            started_at: "2026-11-23T03:00:00.000Z".to_owned(),
            ..Default::default()
        },
        differs: differs.iter().map(|one| one.to_string()).collect(),
    };
    result.resumed = vec![part(&[]), part(&["the kernel was 6.1, and is 6.18"])];
    let text = summary(&result, 80, false);
    fits(&text);
    assert!(text.contains("resumed: at 2026-11-23T03:00:00.000Z; nothing that is"), "{text}");
    assert!(text.contains("the kernel was 6.1, and is 6.18"), "{text}");
}

#[test]
fn sockets_and_memory_are_told_where_there_were_any() {
    let mut result = sample::churn();
    let text = summary(&result, 80, false);
    fits(&text);
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "sockets at most SYN_SENT 120; SYN_RECV 97; FIN_WAIT2 client 12, target 0; \
         CLOSE_WAIT client 0, target 12; TIME_WAIT client 1,600, target 0",
        "memory per connection at 100,000 open: kernel 7,900 B (both ends), runner 410 B, \
         target 164 B",
    ] {
        assert!(flat.contains(part), "{part} is missing in\n{text}");
    }
    result.cells[0].sockets.client = None;
    if let Some(memory) = &mut result.cells[0].memory {
        (memory.both_ends, memory.target_bytes) = (false, None);
        memory.client_bytes = -100_000;
    }
    let flat = summary(&result, 80, false).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("sockets at most SYN_RECV 97; CLOSE_WAIT target 12 "), "{flat}");
    assert!(flat.contains("kernel 7,900 B (clients' end), runner -1 B "), "{flat}");
    let quiet = summary(&sample::backlog(), 80, false);
    assert!(!quiet.contains("sockets") && !quiet.contains("memory"), "{quiet}");
}

#[test]
fn what_is_not_resolved_is_not_called_fast() {
    let mut result = sample::sweep(&[1024]);
    result.cells[0].validity.resolution = 80_000;
    let text = summary(&result, 80, false);
    let line = |name: &str| {
        text.lines().find(|l| l.trim_start().starts_with(name)).expect(name).to_owned()
    };
    assert!(line("connect ").contains("<80.0us"), "{text}");
    assert!(text.contains("<80.0us: not resolved by this run"), "{text}");
    assert!(!line("lag").contains('<'), "lag is the tool's own error: {text}");
}

#[test]
fn an_invalid_run_says_why() {
    let mut result = sample::backlog();
    let why = "The generator issued 61 % of the offered rate.".to_owned();
    result.cells[1].validity.reasons = vec![why.clone()];
    result.verdict = Verdict::Invalid { reasons: vec![why] };
    result.status = Status::Partial { reason: "interrupted".to_owned() };
    let text = summary(&result, 80, false);
    fits(&text);
    assert!(text.contains("INVALID   The generator issued 61 %"), "{text}");
    assert!(text.contains(" !backlog=128"), "{text}");
    assert!(text.contains("partial: interrupted"), "{text}");
    assert!(text.lines().last().is_some_and(|l| l.starts_with("verdict: INVALID: The")), "{text}");
}

#[test]
fn nothing_is_too_wide_and_nothing_steers_the_terminal() {
    let nasty = "\x1b[2J宽".repeat(90);
    let mut result = sample::backlog();
    result.limits[0].cell = nasty.clone();
    result.limits[0].subject = "x".repeat(300);
    result.status = Status::Partial { reason: nasty.clone() };
    result.verdict = Verdict::Inconclusive { reasons: vec![nasty.clone(); 3] };
    for cell in &mut result.cells {
        cell.name = nasty.clone();
        cell.duration_s = f64::MAX;
        cell.place = Place::Host { reason: nasty.clone() };
        cell.target.notices = vec![nasty.clone()];
        cell.target.backlog_asked = Some(i32::MIN);
        cell.target.backlog_effective = Some(u32::MAX);
        cell.target.clamped = true;
        cell.timeline.target[0].accept_queue = Some(u32::MAX);
        cell.target.restarts = vec![RestartResult {
            closed_at_s: Some(f64::MAX),
            gap_s: Some(f64::MAX),
            queue_reset: u64::MAX,
            errors: [(nasty.clone(), u64::MAX)].into(),
            ..RestartResult::default()
        }];
        let interval = QueueInterval { accepted: Some(u64::MAX), ..QueueInterval::default() };
        cell.timeline.queues = vec![vec![interval; 3]; 64];
        cell.ledger.target_endings = TargetEnding::ALL.iter().map(|e| (*e, u64::MAX)).collect();
        cell.findings = vec![Finding {
            text: nasty.clone(),
            evidence: "y".repeat(99),
            remedy: nasty.clone(),
            impact: f64::NAN,
        }];
        let class = |class| ClassResult {
            load: nasty.clone(),
            class,
            count: u64::MAX,
            latency_s: f64::MAX,
        };
        cell.classes = Some(ClassesResult {
            classes: Class::ALL.into_iter().map(class).collect(),
            ..ClassesResult::default()
        });
        cell.prediction = Some(PredictionResult {
            method: nasty.clone(),
            model: nasty.clone(),
            measured: FlowResult { blocking: f64::MAX, mean_wait_s: Some(f64::NAN) },
            ..prediction()
        });
        cell.ledger.steps = vec![LedgerStep { why: nasty.clone(), count: i64::MIN }];
        cell.ledger.unexplained = Some(i64::MIN);
        cell.counters.iter_mut().for_each(|c| (c.before, c.after) = (0, u64::MAX));
        cell.validity.resolution = u64::MAX;
        let most = SocketStates {
            syn_recv: u64::MAX,
            closing: u64::MAX,
            time_wait: u64::MAX,
            ..SocketStates::default()
        };
        let most = Some(StatesResult { peak: most, ..StatesResult::default() });
        cell.sockets = SocketsResult { target: most, client: most };
        cell.memory = Some(MemoryResult {
            kernel_bytes: i64::MIN,
            client_bytes: i64::MAX,
            ..MemoryResult::default()
        });
        for metric in &mut cell.metrics {
            metric.summary.count = u64::MAX;
            metric.summary.max = u64::MAX;
            metric.two_clocks = true;
        }
        let mut second = cell.loads[0].clone();
        second.name = nasty.clone();
        second.outcomes.insert(Outcome::Other, u64::MAX);
        second.errors.insert(nasty.clone(), u64::MAX);
        cell.metrics[0].load = nasty.clone();
        cell.loads.push(second);
    }
    for width in [0, 60, 79, 80, 10_000] {
        fits(&summary(&result, width, false));
    }
}

#[test]
fn a_restart_and_a_group_have_their_lines() {
    let mut result = sample::sweep(&[5]);
    let cell = &mut result.cells[0];
    let one = cell.timeline.queues[0].clone();
    cell.timeline.queues.push(one);
    cell.ledger.target_endings.insert(TargetEnding::Reset, 3);
    let mut restart = RestartResult {
        at_s: 3.0,
        closed_at_s: Some(3.001),
        listening_at_s: Some(3.5),
        gap_s: Some(0.499),
        queue_reset: 6,
        errors: [("EADDRINUSE".to_owned(), 7)].into(),
        ..RestartResult::default()
    };
    cell.target.restarts.push(restart.clone());
    (restart.listening_at_s, restart.gap_s) = (None, None);
    cell.target.restarts.push(restart);
    let text = summary(&result, 80, false);
    fits(&text);
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "listeners 2; longest queue 6 / 6; accepted 3,330 / 3,330",
        "listeners closed at 3.001 s, nobody listened for 0.499 s; reset in the queue 6; failed \
         tries: 7 EADDRINUSE",
        "listeners closed at 3.001 s, and nobody listened again",
        "3 reset, as the target saw it",
    ] {
        assert!(flat.contains(part), "{part} is missing in\n{text}");
    }
}

fn prediction() -> PredictionResult {
    PredictionResult {
        method: "simulation".to_owned(),
        model: "M/D/1/52, 51 of the places in the accept queue".to_owned(),
        places: 51,
        acceptors: 1,
        arrival_rate: 300.0,
        accept_rate: 200.0,
        predicted: FlowResult { blocking: 0.4251, mean_wait_s: Some(0.25) },
        spread: FlowResult::default(),
        measured: FlowResult { blocking: 0.431, mean_wait_s: None },
        assumptions: vec![],
    }
}

#[test]
fn classes_theory_and_findings_are_told() {
    let mut result = sample::sweep(&[50]);
    let cell = &mut result.cells[0];
    let class = |class, count, latency_s| ClassResult {
        load: "clients".to_owned(),
        class,
        count,
        latency_s,
    };
    cell.classes = Some(ClassesResult {
        classes: vec![class(Class::Clean, 3000, 0.5), class(Class::AcceptQueueFull, 1000, 999.5)],
        ..ClassesResult::default()
    });
    cell.prediction = Some(prediction());
    cell.findings = vec![Finding {
        text: "1,000 met a full queue.".to_owned(),
        evidence: "ListenOverflows +1,204".to_owned(),
        remedy: "Accept faster.".to_owned(),
        impact: 0.25,
    }];
    let text = summary(&result, 80, false);
    fits(&text);
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "why attempts share of latency",
        "clean 3,000 75.00 % 0.05 %",
        "SYN dropped: accept queue full 1,000 25.00 % 99.95 %",
        "the target does not name its connections",
        "theory M/D/1/52, 51 of the places in the accept queue; simulation",
        "predicted blocked 42.51 % of SYNs, mean wait 250ms",
        "measured blocked 43.10 % of SYNs, mean wait not measured",
        "finding 1,000 met a full queue. evidence: ListenOverflows +1,204 remedy: Accept faster.",
    ] {
        assert!(flat.contains(part), "{part} is missing in\n{text}");
    }
    let older = summary(&sample::backlog(), 80, false);
    assert!(!older.contains("theory") && !older.contains("of latency"), "{older}");
}

#[test]
fn nothing_measured_is_said() {
    let text = summary(&sample::empty(), 80, false);
    assert_eq!(text, "verdict: pass\n");
    let mut silent = sample::sweep(&[5]);
    let cell = &mut silent.cells[0];
    cell.metrics.clear();
    cell.counters.clear();
    cell.timeline.target.clear();
    cell.ledger.unexplained = None;
    let text = summary(&silent, 80, false);
    assert!(text.contains("nothing was measured"), "{text}");
    assert!(text.contains("the accept queue was not observed"), "{text}");
    assert!(text.contains("the target's side cannot be seen"), "{text}");
}

#[test]
fn colour_is_only_there_when_wanted() {
    let result = sample::backlog();
    assert!(summary(&result, 80, true).contains("\x1b[1m"));
    assert!(!summary(&result, 80, false).contains('\x1b'));
    assert!(result.cells[0].metric("clients", Metric::Connect).is_some());
}

/// The text as one line of words.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn datagrams_have_a_ledger_that_adds_up_and_no_lines_of_connections() {
    let result = sample::datagrams();
    let text = summary(&result, 80, false);
    fits(&text);
    let flat = flat(&text);
    let ledger = result.cells[0].datagrams.as_ref().expect("datagrams");
    let (path, buffer) = (ledger.of(Cause::LabLoss), ledger.of(Cause::ReceiveBuffer));
    for part in [
        format!(
            "ledger 15,920 sent = {} received + 0 late + {} lost; lost = {path} lab_loss + {} \
             receive_buffer + 0 unexplained",
            thousands(ledger.received),
            thousands(ledger.lost),
            thousands(buffer)
        ),
        "load senders (datagram, 4 stream(s), per-datagram): attempts 16,000 of 16,000".to_owned(),
        "unsent send_queue: 80, 0.500 % (ENOBUFS 80)".to_owned(),
        format!("% (nft counter {path})"),
        "of 131,072 bytes (SO_RCVBUF asked 65,536)".to_owned(),
        "charge 832 bytes for a datagram of 100; 158 fit".to_owned(),
        "in datagrams p50 p90 p99 max count loss_burst".to_owned(),
        "owd_service".to_owned(),
        "most by p99 burst rcvbuf=64KiB 15,920".to_owned(),
        "share of datagrams; owd p99; longest loss burst".to_owned(),
    ] {
        assert!(flat.contains(&part), "{part} is missing in\n{text}");
    }
    for part in ["established", "accept queue", "ListenOverflows", "queue ", "BULK", "besides"] {
        assert!(!flat.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn what_is_odd_about_datagrams_is_told() {
    let mut result = sample::datagrams();
    result.cells.truncate(1);
    let cell = &mut result.cells[0];
    cell.metrics[0].two_clocks = true;
    let sent = cell.loads[0].datagrams.as_mut().expect("datagrams");
    sent.sending = "gso".to_owned();
    (sent.replies, sent.reply_late) = (7000, 3);
    cell.target.client_faults = [("EAGAIN".to_owned(), 3)].into();
    let ledger = cell.datagrams.as_mut().expect("datagrams");
    (ledger.copies, ledger.expected) = (3, 3 * ledger.sent);
    (ledger.duplicates, ledger.outside, ledger.surplus) = (5, 2, 1);
    ledger.receivers[0].rcvbuf_effective = Some(100_000);
    let second = ledger.receivers[0].clone();
    ledger.receivers.push(second);
    ledger.causes.last_mut().expect("unexplained").count = 9;
    ledger.restarts = vec![ReceiverRestart { closed_s: 1.0, bound_s: Some(1.25), discarded: 17 }];
    let text = summary(&result, 80, false);
    fits(&text);
    let flat = flat(&text);
    for part in [
        "BULK many datagrams in one call (gso)",
        "replies 7,000 in time, 3 late",
        "15,920 sent x 3 receivers = 47,760 expected =",
        "ledger 1 more received than were sent",
        "lost unexplained: 9, 0.019 %",
        "besides 5 duplicates, 2 outside (too old to know whether they had come)",
        "errors at the target: 3 EAGAIN",
        "(SO_RCVBUF asked 65,536: CLAMPED for each receiver)",
        "readers 2; read ",
        "receivers closed at 1.000 s, bound again at 1.250 s; 17 discarded",
        "depends on how well two hosts' clocks agree",
    ] {
        assert!(flat.contains(part), "{part} is missing in\n{text}");
    }
}

#[test]
fn of_a_server_that_says_nothing_nothing_is_claimed() {
    let mut result = sample::datagrams();
    result.cells.truncate(1);
    let ledger = result.cells[0].datagrams.as_mut().expect("datagrams");
    ledger.counted = false;
    let replied = flat(&summary(&result, 80, false));
    assert!(replied.contains(" replied to + 0 late + "), "{replied}");
    let ledger = result.cells[0].datagrams.as_mut().expect("datagrams");
    (ledger.received, ledger.lost) = (0, 0);
    ledger.receivers.clear();
    let text = flat(&summary(&result, 80, false));
    assert!(text.contains("15,920 sent; the target tells nothing of what it got"), "{text}");
    result.cells[0].datagrams.as_mut().expect("datagrams").lost = 12;
    let text = flat(&summary(&result, 80, false));
    assert!(text.contains("15,920 sent, at least 12 lost; the target tells nothing"), "{text}");
}

#[test]
fn no_datagram_breaks_a_line() {
    let nasty = "\x1b[2J宽".repeat(90);
    let mut result = sample::datagrams();
    for cell in &mut result.cells {
        cell.name = nasty.clone();
        let sent = cell.loads[0].datagrams.as_mut().expect("datagrams");
        (sent.sending, sent.bytes) = (nasty.clone(), u64::MAX);
        let ledger = cell.datagrams.as_mut().expect("datagrams");
        (ledger.sent, ledger.expected, ledger.received) = (u64::MAX, u64::MAX, u64::MAX);
        (ledger.copies, ledger.foreign, ledger.surplus) = (u32::MAX, u64::MAX, u64::MAX);
        for cause in &mut ledger.causes {
            (cause.count, cause.evidence) = (u64::MAX, nasty.clone());
        }
        ledger.receivers[0].read_by = vec![u64::MAX; 64];
        ledger.receivers[0].rcvbuf_asked = Some(u64::MAX);
        ledger.impairments[0].what = nasty.clone();
        ledger.restarts = vec![ReceiverRestart {
            closed_s: f64::MAX,
            bound_s: Some(f64::NAN),
            discarded: u64::MAX,
        }];
    }
    for width in [0, 60, 80] {
        fits(&summary(&result, width, false));
    }
}
