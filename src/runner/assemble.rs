//! A cell's result, put together from what its parts left.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::capture::Captured;
use super::clients_side::ClientsTold;
use super::engines::Drive;
use super::external::LastLook;
use super::path::PathTold;
use super::series::TargetTold;
use super::side::Side;
use crate::engine::WorkerReport;
use crate::explain::{self, Occasion};
use crate::load::Schedule;
use crate::measure::attempts::Attempts;
use crate::measure::book::{Book, LoadBook};
use crate::measure::ledger::{ClientSide, Evidence, TargetSide, reconcile};
use crate::measure::result::{
    CellResult, CounterResult, LoadResult, LoadSeries, MemoryResult, Place, RestartResult,
    SamplerResult, SocketsResult, Status, TargetResult, Timeline, Validity,
};
use crate::measure::{Metric, Outcome, empty, percentile};
use crate::scenario::plan::{Cell, Client, Lifecycle, Load, Plan, Target};
use crate::sys::errno;
use crate::sys::permit::PermittedAddr;
use crate::verdict::{Offer, generator_limited, sampler_lossy};

mod classes;
mod metrics;

pub use self::metrics::metric_result;
use self::metrics::metrics;

/// Everything that a cell left.
pub struct Parts<'a> {
    /// The whole plan.
    pub plan: &'a Plan,
    /// The cell.
    pub cell: &'a Cell,
    /// Where it ran.
    pub place: Place,
    /// Whether it ran to its end.
    pub status: Status,
    /// Kernel settings where the target's side is.
    pub settings: BTreeMap<String, String>,
    /// Where the clients connected to.
    pub address: PermittedAddr,
    /// The target's side.
    pub side: Side,
    /// The last look at an external target.
    pub look: LastLook,
    /// The books.
    pub book: Book,
    /// Seed and start of the schedule.
    pub occasion: Occasion,
    /// What the lab's path lost.
    pub path: PathTold,
    /// What each worker said.
    pub reports: Vec<WorkerReport>,
    /// How each load was driven.
    pub drives: Vec<Drive>,
    /// What the target told while it ran.
    pub target: TargetTold,
    /// What the kernel held of the clients' side.
    pub beside: ClientsTold,
    /// Packets of the lab's link, where they were recorded.
    pub captured: Option<Captured>,
    /// Counters of the clients' own namespace.
    pub client_counters: Vec<CounterResult>,
    /// When the workers were told to stop, in nanoseconds since the schedule's start.
    pub cut_at: Option<u64>,
    /// CPU time that the host took from this machine.
    pub steal: Duration,
    /// CPU seconds (user, system) of the runner.
    pub cpu: (f64, f64),
}

/// Puts a cell's result together; its attempts are joined as far as they can be.
pub fn assemble(parts: Parts, attempts: Attempts) -> CellResult {
    let counters = counters(&parts);
    let classes = classes::of(&parts, attempts, &counters);
    let grown = |name: &str| {
        let found = counters.iter().find(|c| c.namespace == "target" && c.counter == name);
        found.map_or(0, |counter| counter.after.saturating_sub(counter.before))
    };
    let loads: Vec<LoadResult> = parts
        .cell
        .loads
        .iter()
        .zip(&parts.book.loads)
        .enumerate()
        .map(|(index, (load, book))| load_result(&parts, index, load, book))
        .collect();
    let ledger = reconcile(&client_side(&loads), target_side(&parts, grown));
    let target = target_result(&parts);
    let wire = parts.captured.as_ref().map(|captured| {
        let mut wire = captured.result.clone();
        wire.compare(&loads, &ledger);
        wire
    });
    let mut cell = CellResult {
        name: parts.cell.name.clone(),
        axes: parts.cell.axes.clone(),
        duration_s: parts.book.loads.iter().map(|load| load.last).max().unwrap_or(0) as f64 / 1e9,
        status: parts.status.clone(),
        place: parts.place.clone(),
        settings: parts.settings.clone(),
        validity: validity(&loads, target.sampler.as_ref(), &means(&parts)),
        target,
        metrics: metrics(&parts),
        ledger,
        timeline: timeline(&parts),
        datagrams: None,
        sockets: sockets(&parts),
        memory: memory(&parts),
        loads,
        counters,
        classes: Some(classes),
        prediction: None,
        wire,
        turn: None,
        trial: None,
        findings: Vec::new(),
    };
    cell.prediction = explain::prediction(parts.occasion, parts.cell, &cell);
    cell.findings = explain::findings(parts.cell, &cell);
    cell
}

/// All loads together.
fn client_side(loads: &[LoadResult]) -> ClientSide {
    let mut side = ClientSide::default();
    for load in loads {
        side.attempts += load.attempts;
        for (outcome, count) in &load.outcomes {
            *side.outcomes.entry(*outcome).or_default() += count;
        }
        for (ending, count) in &load.endings {
            *side.endings.entry(*ending).or_default() += count;
        }
    }
    side
}

/// What the workers say of one load's schedule: attempts handed out, and attempts that they did
/// not get to.
fn scheduled(reports: &[WorkerReport], index: usize) -> (u64, u64) {
    let parts = reports.iter().flat_map(|report| &report.parts);
    let parts = parts.filter(|part| usize::from(part.load) == index);
    parts.fold((0, 0), |(taken, unissued), part| (taken + part.taken, unissued + part.unissued))
}

fn load_result(parts: &Parts, index: usize, load: &Load, book: &LoadBook) -> LoadResult {
    let drive = &parts.drives[index];
    let (attempts, unissued) = scheduled(&parts.reports, index);
    let offered = attempts + unissued;
    let open = matches!(load.schedule, Schedule::Open { .. });
    let window = window_s(parts, load);
    let ratio = match offered {
        0 => 1.0,
        offered => book.issued_in_window as f64 / offered as f64,
    };
    LoadResult {
        name: load.name.clone(),
        client: load.client.kind().to_owned(),
        lifecycle: lifecycle(load.lifecycle).to_owned(),
        engine: drive.driver.name().to_owned(),
        arrivals: if open { "open" } else { "closed" }.to_owned(),
        workers: drive.workers,
        notices: drive.notices.clone(),
        offered,
        attempts,
        unissued,
        offered_rate: offered as f64 / window,
        achieved_rate: book.issued_in_window as f64 / window,
        achieved_ratio: ratio,
        outcomes: book.outcomes.clone(),
        endings: book.endings.clone(),
        errors: book.errors.iter().map(|(number, n)| (errno::name(*number), *n)).collect(),
        replies: book.replies,
        order: book.order(),
        syn_retransmits: book.syn_retransmits,
        retransmitted_established: book.retransmitted_established,
        fast_open: load.fast_open.then_some(book.syn_data),
        datagrams: None,
    }
}

/// Seconds of a load's window that were run.
fn window_s(parts: &Parts, load: &Load) -> f64 {
    let window = load.schedule.window().nanos();
    let run = parts.cut_at.map_or(window, |cut| window.min(cut.saturating_sub(load.start.nanos())));
    run.max(1) as f64 / 1e9
}

fn lifecycle(lifecycle: Lifecycle) -> &'static str {
    match lifecycle {
        Lifecycle::Fresh => "fresh",
        Lifecycle::Recycle => "recycle",
    }
}

fn counters(parts: &Parts) -> Vec<CounterResult> {
    let target = match &parts.side {
        Side::Own(own) => own.finished.as_ref().map(|f| f.counters.clone()).unwrap_or_default(),
        Side::External(_) => parts.look.counters.clone(),
    };
    target.into_iter().chain(parts.client_counters.iter().cloned()).collect()
}

/// SYNs that brought nothing, as far as the clients know: those that were sent again, and the last
/// one of each attempt that was not established. Half-open clients cannot know.
fn futile_syns(parts: &Parts) -> u64 {
    let unanswered = |load: &LoadBook| -> u64 {
        // The SYNs of the others were answered (by a RST), or never sent.
        let lost = [Outcome::Timeout, Outcome::Reset, Outcome::Cut, Outcome::Other];
        lost.iter().filter_map(|class| load.outcomes.get(class)).sum()
    };
    let loads = parts.cell.loads.iter().zip(&parts.book.loads);
    let whole = loads.filter(|(load, _)| !matches!(load.client, Client::HalfOpen { .. }));
    let all: u64 = whole.map(|(_, book)| book.syn_retransmits + unanswered(book)).sum();
    // What a restart dropped is in none of the kernel's counters.
    all.saturating_sub(restarts(&parts.side).iter().fold(0, |n, one| n.saturating_add(one.dropped)))
}

/// The restarts of our own target.
fn restarts(side: &Side) -> &[RestartResult] {
    match side {
        Side::Own(own) => own.finished.as_ref().map_or(&[], |finished| &finished.restarts),
        Side::External(_) => &[],
    }
}

fn target_side(parts: &Parts, grown: impl Fn(&str) -> u64) -> TargetSide {
    let tcp = parts.cell.target.transport().is_tcp();
    let evidence = |syn_recv_at_end| match tcp {
        true => Evidence {
            syn_recv_at_end,
            // A SYN that is dropped counts in ListenDrops, be the SYN queue full or the accept
            // queue; an ACK that is dropped counts in ListenOverflows as well.
            acks_dropped: grown("ListenDrops")
                .saturating_sub(futile_syns(parts))
                .min(grown("ListenOverflows")),
            half_open_reset: grown("EmbryonicRsts"),
            cookies_received: grown("SyncookiesRecv"),
            cookies_failed: grown("SyncookiesFailed"),
            ..Evidence::default()
        },
        // What these counters tell of happens to TCP only.
        false => Evidence::default(),
    };
    match &parts.side {
        Side::Own(own) => match &own.finished {
            Some(finished) => {
                let evidence = evidence(finished.syn_recv_at_end.unwrap_or(0));
                let deferring = own.listening.defer_accept_s.is_some();
                TargetSide::Own {
                    outcomes: finished.outcomes.clone(),
                    endings: finished.endings.clone(),
                    evidence: Evidence {
                        deferred: if deferring { grown("TCPDeferAcceptDrop") } else { 0 },
                        ..restart_evidence(&finished.restarts, resets(parts), evidence)
                    },
                }
            }
            None => TargetSide::Unseen,
        },
        Side::External(external) => match external.queue {
            Some(_) if tcp && !parts.look.counters.is_empty() => TargetSide::Kernel {
                passive_opens: grown("PassiveOpens"),
                queued_at_end: parts.look.queued,
                evidence: evidence(parts.look.syn_recv),
            },
            _ => TargetSide::Unseen,
        },
    }
}

/// Attempts that were reset before their client saw them established.
fn resets(parts: &Parts) -> u64 {
    parts.book.loads.iter().filter_map(|load| load.outcomes.get(&Outcome::Reset)).sum()
}

/// Adds what the target's restarts explain.
fn restart_evidence(restarts: &[RestartResult], resets: u64, evidence: Evidence) -> Evidence {
    let over = |count: fn(&RestartResult) -> u64| -> u64 {
        restarts.iter().fold(0, |sum, restart| sum.saturating_add(count(restart)))
    };
    Evidence {
        half_open_at_close: over(|restart| restart.half_open.saturating_add(restart.dropped)),
        reset_unseen: over(|restart| restart.queue_reset).min(resets),
        ..evidence
    }
}

fn target_result(parts: &Parts) -> TargetResult {
    let address = parts.address.get().to_string();
    match &parts.side {
        Side::Own(own) => {
            let asked = match &parts.cell.target {
                Target::Own { serve, .. } => Some(serve.backlog.0),
                Target::Receiver { .. } | Target::External { .. } => None,
            };
            let effective = own.listening.effective;
            let finished = own.finished.clone();
            let cpu_s = finished.as_ref().map(|finished| finished.cpu_s);
            let sampler = finished.as_ref().map(|finished| finished.sampler.clone());
            let finished = finished.unwrap_or_default();
            TargetResult {
                kind: "own".to_owned(),
                address,
                backlog_asked: asked,
                backlog_effective: effective,
                clamped: clamped(asked, effective),
                listeners: parts.target.listeners(),
                defer_accept_s: own.listening.defer_accept_s,
                engine: Some(finished.engine).filter(|engine| !engine.is_empty()),
                accepted_by: finished.accepted_by,
                restarts: finished.restarts,
                accept_errors: finished.accept_errors,
                client_faults: finished.client_faults,
                cpu_s,
                sampler,
                notices: finished
                    .notices
                    .into_iter()
                    .chain(refused_intervals(&parts.target))
                    .collect(),
            }
        }
        Side::External(external) => TargetResult {
            kind: "external".to_owned(),
            address,
            backlog_asked: None,
            backlog_effective: external.queue.map(|queue| queue.limit),
            clamped: false,
            listeners: external.queue.map_or(0, |queue| queue.listeners),
            defer_accept_s: None,
            engine: None,
            accepted_by: Vec::new(),
            restarts: Vec::new(),
            accept_errors: BTreeMap::new(),
            client_faults: BTreeMap::new(),
            cpu_s: None,
            sampler: parts.look.sampler.clone(),
            notices: external.notices.clone(),
        },
    }
}

/// What the target told that cannot be.
pub fn refused_intervals(told: &TargetTold) -> Option<String> {
    (told.refused > 0).then(|| {
        format!("{} intervals of the target were out of order, and are left out", told.refused)
    })
}

/// Whether the kernel granted less than was asked for. A negative backlog asks for all there is.
fn clamped(asked: Option<i32>, effective: Option<u32>) -> bool {
    match (asked.map(u32::try_from), effective) {
        (Some(Ok(asked)), Some(effective)) => effective < asked,
        _ => false,
    }
}

fn timeline(parts: &Parts) -> Timeline {
    let loads: Vec<LoadSeries> = parts
        .cell
        .loads
        .iter()
        .zip(&parts.book.loads)
        .map(|(load, book)| LoadSeries { load: load.name.clone(), intervals: book.intervals() })
        .collect();
    let longest = loads.iter().map(|series| series.intervals.len()).max().unwrap_or(0);
    let mut target = parts.target.intervals.clone();
    if !target.is_empty() && longest > 0 {
        let rest = target.split_off(longest.min(target.len()));
        target.resize(longest, Default::default());
        rest.iter().for_each(|late| target[longest - 1].absorb(late));
    }
    let mut client_states = parts.beside.states.clone();
    // The last look was taken after the last attempt.
    let last = client_states.last().copied().flatten();
    client_states.resize(longest, last);
    if let Some(end) = client_states.last_mut() {
        *end = last;
    }
    let interval_s = parts.plan.interval.get().as_secs_f64();
    let queues = parts.target.queues(longest);
    let (datagrams, heat) = (Vec::new(), parts.book.heat());
    Timeline { interval_s, loads, target, queues, client_states, datagrams, heat }
}

fn sockets(parts: &Parts) -> SocketsResult {
    let target = match &parts.side {
        Side::Own(own) => own.finished.as_ref().and_then(|finished| finished.sockets),
        Side::External(_) => parts.look.sockets,
    };
    SocketsResult { target, client: parts.beside.sockets }
}

fn memory(parts: &Parts) -> Option<MemoryResult> {
    let (before, both_ends) = match &parts.side {
        Side::Own(own) => {
            let finished = own.finished.as_ref();
            (finished.and_then(|finished| finished.resident_at_start), own.listening.one_clock)
        }
        Side::External(external) => (None, external.queue.is_some()),
    };
    parts.beside.memory.result((&parts.target.intervals, before), both_ends)
}

/// What bears on how far a cell's figures can be trusted.
pub struct Means {
    /// `lag` over all loads.
    pub lag: Histogram<u64>,
    /// `observer_error` over all loads.
    pub observer_error: Histogram<u64>,
    /// CPU time that the host took from this machine.
    pub steal: Duration,
    /// Time that workers were ready to run and had no CPU, in seconds.
    pub run_delay_s: f64,
    /// CPU seconds (user, system) of the runner and its worker processes.
    pub cpu_s: (f64, f64),
}

fn means(parts: &Parts) -> Means {
    let all = |metric| {
        let mut all = empty();
        for load in &parts.book.loads {
            for (_, values) in load.metrics().filter(|(m, _)| *m == metric) {
                all.add(values).expect("all histograms have one shape");
            }
        }
        all
    };
    let cpu = parts.reports.iter().map(|report| report.cpu_s);
    Means {
        lag: all(Metric::Lag),
        observer_error: all(Metric::ObserverError),
        steal: parts.steal,
        run_delay_s: parts.reports.iter().map(|report| report.run_delay_s).sum(),
        cpu_s: cpu.fold(parts.cpu, |sum, one| (sum.0 + one.0, sum.1 + one.1)),
    }
}

/// How far a cell can be trusted.
pub fn validity(loads: &[LoadResult], sampler: Option<&SamplerResult>, means: &Means) -> Validity {
    let (lag_p99, observer_error_p99) =
        (percentile(&means.lag, 99.0), percentile(&means.observer_error, 99.0));
    let (lost, ticks) = sampler.map_or((0, 0), |sampler| (sampler.lost, sampler.ticks));
    let offers = loads.iter().map(|load| Offer {
        load: &load.name,
        offered_rate: load.offered_rate,
        achieved_rate: load.achieved_rate,
        ratio: load.achieved_ratio,
        lacking: load.outcomes.iter().filter(|(o, _)| o.lacked_means()).map(|(_, n)| n).sum(),
    });
    let reasons = offers
        .filter_map(|offer| generator_limited(&offer))
        .chain(sampler_lossy(lost, ticks))
        .collect();
    Validity {
        reasons,
        lag_p99,
        observer_error_p99,
        resolution: lag_p99 + observer_error_p99,
        achieved_ratio: loads.iter().map(|load| load.achieved_ratio).fold(1.0, f64::min),
        steal_s: means.steal.as_secs_f64(),
        run_delay_s: means.run_delay_s,
        cpu_s: means.cpu_s,
        sampler_lost: lost as f64 / ticks.max(1) as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::PartReport;

    #[test]
    fn attempts_are_those_that_the_schedule_handed_out() {
        let part = |load, taken, unissued| PartReport { load, taken, unissued };
        let report = |parts| WorkerReport { parts, ..WorkerReport::default() };
        let reports = [report(vec![part(0, 5, 1), part(1, 7, 0)]), report(vec![part(1, 3, 2)])];
        assert_eq!(scheduled(&reports, 0), (5, 1));
        assert_eq!(scheduled(&reports, 1), (10, 2));
        assert_eq!(scheduled(&reports, 2), (0, 0));
    }
}
