//! The result of a cell of datagrams, put together from what its parts left.

use std::collections::BTreeMap;
use std::time::Duration;

use super::external::ExternalTold;
use super::join::{Joined, join};
use super::side::Own;
use super::timeline::timeline;
use crate::engine::datagram::SenderReport;
use crate::explain;
use crate::load::Schedule;
use crate::measure::attribution::{Evidence, attribute};
use crate::measure::result::{
    Cause, CellResult, CounterResult, DatagramsResult, Ledger, LoadInterval, LoadResult,
    LoadSeries, MetricResult, ReceiverResult, SamplerResult, SentResult, SocketsResult, Status,
    StreamResult, TargetResult, WireResult,
};
use crate::measure::sent::{SentBook, SentInterval, SentLoad};
use crate::measure::{Metric, Outcome, empty};
use crate::runner::assemble::{Means, metric_result, refused_intervals, validity};
use crate::runner::ground::Ground;
use crate::runner::path::PathTold;
use crate::runner::series::TargetTold;
use crate::scenario::plan::{Bulk, Client, DatagramReply, Datagrams, Load, Receive, Target};
use crate::sys::datagram::send::{MOST_BYTES, MOST_SEGMENTS};
use crate::sys::endpoint::Endpoint;
use crate::sys::errno;
use crate::sys::permit::PermittedAddr;

/// Everything that a cell of datagrams left.
pub struct Parts<'a> {
    /// Where it ran.
    pub ground: &'a Ground<'a>,
    /// Whether it ran to its end.
    pub status: Status,
    /// Where datagrams went to.
    pub addresses: Vec<PermittedAddr>,
    /// Our own target.
    pub own: Option<Own>,
    /// What was seen of a server of the user.
    pub external: Option<ExternalTold>,
    /// The books.
    pub book: SentBook,
    /// What each worker said.
    pub reports: Vec<SenderReport>,
    /// What the target told while it ran.
    pub target: TargetTold,
    /// What was lost on the lab's path.
    pub path: PathTold,
    /// Packets of the lab's link, where they were recorded.
    pub wire: Option<WireResult>,
    /// Counters of the clients' own namespace.
    pub client_counters: Vec<CounterResult>,
    /// When the workers were told to stop, in nanoseconds since the schedule's start.
    pub cut_at: Option<u64>,
    /// CPU time that the host took from this machine.
    pub steal: Duration,
    /// CPU seconds (user, system) of the runner.
    pub cpu: (f64, f64),
}

/// Puts a cell's result together.
pub fn assemble(parts: Parts) -> CellResult {
    let cell = parts.ground.cell;
    let counters = counters(&parts);
    let loads: Vec<LoadResult> = (0..)
        .zip(cell.loads.iter().zip(&parts.book.loads))
        .filter_map(|(index, (load, book))| load_result(&parts, index, load, book))
        .collect();
    let datagrams = datagrams(&parts, &loads, &counters);
    let target = target_result(&parts);
    let timeline = timeline(&parts);
    let attempts = loads.iter().map(|load| load.attempts).sum();
    let classified = loads.iter().flat_map(|load| load.outcomes.values()).sum::<u64>();
    let mut result = CellResult {
        name: cell.name.clone(),
        axes: cell.axes.clone(),
        duration_s: timeline.interval_s * timeline.datagrams.len() as f64,
        status: parts.status.clone(),
        place: parts.ground.place(),
        settings: parts.ground.settings(),
        validity: validity(&loads, target.sampler.as_ref(), &means(&parts)),
        target,
        metrics: metrics(&parts),
        ledger: Ledger {
            attempts,
            classified,
            unclassified: attempts as i64 - classified as i64,
            target_source: "none".to_owned(),
            ..Ledger::default()
        },
        timeline,
        datagrams: Some(datagrams),
        sockets: SocketsResult::default(),
        memory: None,
        loads,
        counters,
        classes: None,
        prediction: None,
        wire: parts.wire,
        turn: None,
        trial: None,
        findings: Vec::new(),
    };
    result.findings = explain::findings(cell, &result);
    result
}

fn counters(parts: &Parts) -> Vec<CounterResult> {
    let received = parts.own.as_ref().and_then(|own| own.received.as_ref());
    let of_target = match (received, &parts.external) {
        (Some(received), _) => received.counters.clone(),
        (None, Some(told)) => told.counters.clone(),
        (None, None) => Vec::new(),
    };
    of_target.into_iter().chain(parts.client_counters.iter().cloned()).collect()
}

fn means(parts: &Parts) -> Means {
    let all = |metric| {
        let mut all = empty();
        for load in &parts.book.loads {
            if let Some(recorder) = load.metrics.get(&metric) {
                all.add(&recorder.total).expect("all histograms have one shape");
            }
        }
        all
    };
    Means {
        lag: all(Metric::Lag),
        observer_error: all(Metric::ObserverError),
        steal: parts.steal,
        run_delay_s: parts.reports.iter().map(|report| report.run_delay_s).sum(),
        cpu_s: parts.cpu,
    }
}

/// A load of datagrams, if it is one.
fn load_result(parts: &Parts, index: u16, load: &Load, book: &SentLoad) -> Option<LoadResult> {
    let Client::Datagram { datagrams } = &load.client else { return None };
    let counts = &book.counts;
    let reported = parts.reports.iter().flat_map(|report| &report.parts);
    let reported = reported.map(|part| part.report).filter(|part| part.load == index);
    let (attempts, unissued) =
        reported.fold((0, 0), |sum, part| (sum.0 + part.taken, sum.1 + part.unissued));
    let offered = attempts + unissued;
    let window = window_s(parts, load);
    let in_window = match load.schedule {
        Schedule::Open { .. } => counts.punctual as f64,
        Schedule::Closed { .. } => counts.attempts as f64,
    };
    let workers =
        parts.reports.iter().filter(|r| r.parts.iter().any(|p| p.report.load == index)).count();
    Some(LoadResult {
        name: load.name.clone(),
        client: load.client.kind().to_owned(),
        lifecycle: "fresh".to_owned(),
        engine: "mio".to_owned(),
        arrivals: match load.schedule {
            Schedule::Open { .. } => "open",
            Schedule::Closed { .. } => "closed",
        }
        .to_owned(),
        workers: workers as u16,
        notices: Vec::new(),
        offered,
        attempts,
        unissued,
        offered_rate: offered as f64 / window,
        achieved_rate: in_window / window,
        achieved_ratio: if offered == 0 { 1.0 } else { in_window / offered as f64 },
        outcomes: Outcome::ALL.iter().map(|outcome| (*outcome, counts.of(*outcome))).collect(),
        endings: BTreeMap::new(),
        errors: counts.errors.iter().map(|(number, n)| (errno::name(*number), *n)).collect(),
        replies: counts.replies,
        order: None,
        syn_retransmits: 0,
        retransmitted_established: 0,
        fast_open: None,
        datagrams: Some(SentResult {
            streams: datagrams.streams,
            bytes: counts.bytes,
            sending: match datagrams.bulk {
                None => "per-datagram",
                Some(Bulk::Gso) => "gso",
            }
            .to_owned(),
            calls: counts.calls,
            replies: counts.replies,
            reply_duplicates: counts.reply_duplicates,
            reply_late: counts.reply_late,
            reply_foreign: counts.reply_foreign,
        }),
    })
}

/// Seconds of a load's window that were run.
fn window_s(parts: &Parts, load: &Load) -> f64 {
    let window = load.schedule.window().nanos();
    let run = parts.cut_at.map_or(window, |cut| window.min(cut.saturating_sub(load.start.nanos())));
    run.max(1) as f64 / 1e9
}

fn receive<'a>(parts: &'a Parts) -> Option<&'a Receive> {
    match &parts.ground.cell.target {
        Target::Receiver { receive, .. } => Some(receive),
        _ => None,
    }
}

fn datagrams(parts: &Parts, loads: &[LoadResult], counters: &[CounterResult]) -> DatagramsResult {
    let wanted = loads.iter().map(|load| load.attempts).sum();
    let sent: u64 = parts.book.loads.iter().map(|load| load.counts.sent).sum();
    let received = parts.own.as_ref().and_then(|own| own.received.as_ref());
    let copies = receive(parts).map_or(1, Receive::copies);
    let Joined { streams, received: came, late, surplus, foreign } = match received {
        Some(received) => join(parts, &received.streams, copies),
        None => external(parts),
    };
    let expected = sent.saturating_mul(u64::from(copies));
    let counted = received.is_some();
    let evidence = evidence(parts, counters);
    let lost = match counted || awaits_echo(parts) {
        true => streams.iter().map(|stream| stream.lost).sum(),
        // Nobody counts what came: what is certain is what somebody told of.
        false => told_lost(&evidence).min(expected),
    };
    let mut unsent: BTreeMap<Outcome, u64> = BTreeMap::new();
    for (outcome, count) in parts.book.loads.iter().flat_map(|load| &load.counts.unsent) {
        *unsent.entry(*outcome).or_default() += count;
    }
    let over = |count: fn(&StreamResult) -> u64| -> u64 { streams.iter().map(count).sum() };
    DatagramsResult {
        wanted,
        unsent: unsent.values().sum(),
        sent,
        copies: u32::from(copies),
        counted,
        expected,
        received: came,
        late,
        lost,
        duplicates: over(|stream| stream.duplicates),
        reordered: over(|stream| stream.reordered),
        outside: over(|stream| stream.outside),
        foreign: received.map_or(0, |received| received.foreign).saturating_add(foreign),
        corrupt: received.map_or(0, |received| received.corrupt),
        surplus,
        causes: attribute(&unsent, lost, &evidence),
        receivers: receivers(parts),
        charges: parts.own.as_ref().map(|own| own.receiving.charges.clone()).unwrap_or_default(),
        impairments: parts.path.impairments.clone(),
        restarts: received.map(|received| received.restarts.clone()).unwrap_or_default(),
        streams,
    }
}

fn awaits_echo(parts: &Parts) -> bool {
    let echoes = |load: &Load| match &load.client {
        Client::Datagram { datagrams } => datagrams.reply == DatagramReply::Echo,
        _ => false,
    };
    parts.ground.cell.loads.iter().all(echoes)
}

/// Towards a server of the user, the replies are what is known to have come.
fn external(parts: &Parts) -> Joined {
    if !awaits_echo(parts) {
        return Joined::default();
    }
    let over = |count: fn(&SentLoad) -> u64| -> u64 { parts.book.loads.iter().map(count).sum() };
    let (sent, came) = (over(|load| load.counts.sent), over(|load| load.counts.replies));
    let late = over(|load| load.counts.reply_late);
    let stream = StreamResult {
        sent,
        received: came,
        late,
        lost: sent.saturating_sub(came).saturating_sub(late),
        duplicates: over(|load| load.counts.reply_duplicates),
        ..StreamResult::default()
    };
    Joined { streams: vec![stream], received: came, late, surplus: 0, foreign: 0 }
}

fn receivers(parts: &Parts) -> Vec<ReceiverResult> {
    let asked = receive(parts).and_then(|receive| receive.rcvbuf).map(|size| size.0);
    match (&parts.own, &parts.external) {
        (Some(own), _) => match &own.received {
            Some(received) => received.receivers.clone(),
            None => {
                let effective = own.receiving.effective;
                let one = |address: &Endpoint| ReceiverResult {
                    address: address.to_string(),
                    rcvbuf_asked: asked,
                    rcvbuf_effective: effective,
                    ..ReceiverResult::default()
                };
                own.receiving.addresses.iter().map(one).collect()
            }
        },
        (None, Some(told)) => told.receivers.clone(),
        (None, None) => Vec::new(),
    }
}

/// What was counted on the way.
fn evidence(parts: &Parts, counters: &[CounterResult]) -> Evidence {
    let received = parts.own.as_ref().and_then(|own| own.received.as_ref());
    let ipv6 =
        parts.addresses.first().and_then(|a| a.get().socket_addr()).is_some_and(|a| a.is_ipv6());
    let udp = parts.addresses.first().is_some_and(|a| a.get().socket_addr().is_some());
    // In the host's network others may be the cause of a count.
    let alone = parts.ground.lab.is_some() && udp;
    let grown = |v4: &str, v6: &str| {
        let name = if ipv6 { v6 } else { v4 };
        let found = counters.iter().find(|c| c.namespace == "target" && c.counter == name);
        found.map(|counter| counter.after.saturating_sub(counter.before)).filter(|_| alone)
    };
    let of = |receivers: &[ReceiverResult], count: fn(&ReceiverResult) -> Option<u64>| {
        receivers.iter().filter_map(count).reduce(u64::saturating_add)
    };
    let receivers = receivers(parts);
    let copies = receive(parts).map_or(1, |receive| u64::from(receive.copies()));
    Evidence {
        impairments: parts.path.impairments.clone(),
        told_drops: parts.book.loads.iter().map(|load| load.counts.told_drops()).sum(),
        no_ports: grown("NoPorts", "Udp6NoPorts").map(|count| {
            // What goes to all and finds nobody counts by itself.
            let ignored = grown("IgnoredMulti", "Udp6IgnoredMulti").unwrap_or(0);
            count.saturating_add(ignored.saturating_mul(copies))
        }),
        refused: parts.book.loads.iter().map(refused).sum(),
        drops: of(&receivers, |receiver| receiver.drops).or_else(|| interval_drops(parts)),
        rcvbuf_errors: grown("RcvbufErrors", "Udp6RcvbufErrors"),
        rxq_ovfl: of(&receivers, |receiver| receiver.rxq_ovfl),
        mem_errors: grown("MemErrors", "Udp6MemErrors"),
        csum_errors: grown("Udp:InCsumErrors", "Udp6InCsumErrors"),
        discarded: received
            .map_or(0, |received| received.restarts.iter().map(|restart| restart.discarded).sum()),
        unread: received.map_or(0, |received| received.unread),
        corrupt: received.map_or(0, |received| received.corrupt),
        bulk: bulk(parts),
        copies,
    }
}

/// What the target told of its buffers before it went away without a last word.
fn interval_drops(parts: &Parts) -> Option<u64> {
    let told = parts.target.datagrams.iter();
    let drops = told.filter_map(|seen| seen.lost.get(&Cause::ReceiveBuffer).copied());
    drops.reduce(u64::saturating_add)
}

/// What is lost for certain where nobody says what came.
fn told_lost(evidence: &Evidence) -> u64 {
    let evidence = Evidence { bulk: 1, ..evidence.clone() };
    let all = attribute(&BTreeMap::new(), u64::MAX, &evidence);
    let known = all.iter().filter(|one| one.cause != Cause::Unexplained).map(|one| one.count);
    known.fold(0, u64::saturating_add)
}

/// Datagrams that were sent, and of which ICMP said that nobody was bound.
fn refused(load: &SentLoad) -> u64 {
    let unsent = load.counts.unsent.get(&Outcome::Refused).copied().unwrap_or(0);
    load.counts.of(Outcome::Refused).saturating_sub(unsent)
}

/// Most datagrams that one packet of the lab may stand for.
fn bulk(parts: &Parts) -> u64 {
    let of = |load: &Load| match &load.client {
        Client::Datagram { datagrams: Datagrams { bulk: Some(Bulk::Gso), sizes, .. } } => {
            let largest = usize::from(sizes.largest()).max(1);
            MOST_SEGMENTS.min(MOST_BYTES / largest).max(1) as u64
        }
        _ => 1,
    };
    parts.ground.cell.loads.iter().map(of).max().unwrap_or(1)
}

fn metrics(parts: &Parts) -> Vec<MetricResult> {
    let of_loads =
        parts.ground.cell.loads.iter().zip(&parts.book.loads).flat_map(|(load, book)| {
            let kept = book.metrics.iter().filter(|(_, recorder)| !recorder.total.is_empty());
            kept.map(|(metric, one)| metric_result(&load.name, *metric, &one.total, false))
        });
    let two_clocks = parts.own.as_ref().is_some_and(|own| !own.receiving.one_clock);
    let of_target = parts.target.metrics.iter().filter(|(_, one)| !one.total.is_empty());
    let of_target = of_target.map(|(metric, recorder)| {
        metric_result("target", *metric, &recorder.total, two_clocks && metric.is_one_way())
    });
    of_loads.chain(of_target).collect()
}

fn target_result(parts: &Parts) -> TargetResult {
    let received = parts.own.as_ref().and_then(|own| own.received.as_ref());
    let external = parts.external.as_ref();
    let mut notices: Vec<String> = match (received, external) {
        (Some(received), _) => received.notices.clone(),
        (None, Some(told)) => told.notices.clone(),
        (None, None) => Vec::new(),
    };
    notices.extend(refused_intervals(&parts.target));
    if let Some(beyond @ 1..) = received.map(|received| received.beyond) {
        notices.push(format!("{beyond} datagrams came from more streams than are counted"));
    }
    let unclosed = received.map_or(0, |r| r.streams.iter().filter(|s| !s.closed).count());
    if unclosed > 0 {
        notices.push(format!(
            "no closing marker of {unclosed} streams came: losses at their ends are in no burst"
        ));
    }
    let sampler: Option<SamplerResult> = received
        .map(|received| received.sampler.clone())
        .or_else(|| external.and_then(|told| told.sampler.clone()));
    let addresses: Vec<String> = parts.addresses.iter().map(PermittedAddr::to_string).collect();
    TargetResult {
        kind: if parts.own.is_some() { "own" } else { "external" }.to_owned(),
        address: addresses.join(", "),
        backlog_asked: None,
        backlog_effective: None,
        clamped: false,
        listeners: 0,
        defer_accept_s: None,
        engine: None,
        accepted_by: Vec::new(),
        restarts: Vec::new(),
        accept_errors: BTreeMap::new(),
        client_faults: received.map(|received| received.errors.clone()).unwrap_or_default(),
        cpu_s: received.map(|received| received.cpu_s),
        sampler,
        notices,
    }
}

/// The loads' own intervals.
pub fn series(load: &Load, book: &SentLoad) -> LoadSeries {
    let interval = |one: &SentInterval| {
        let failed = one.counts.outcomes.iter().filter(|(outcome, _)| outcome.failed());
        LoadInterval {
            attempts: one.counts.attempts,
            ok: one.counts.of(Outcome::Ok),
            errors: failed.map(|(outcome, _)| one.counts.of(*outcome)).sum(),
            lag_p99: one.lag.p99,
            replies: one.counts.replies,
            ..LoadInterval::default()
        }
    };
    LoadSeries { load: load.name.clone(), intervals: book.intervals.iter().map(interval).collect() }
}
