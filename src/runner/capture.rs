//! Records the packets of a lab's link while a cell runs: to a file, to counts, and to a metric.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::RunError;
use super::collect::Logs;
use super::ground::{Ground, Start};
use super::side::no_threads;
use crate::lab::{SNAP, Tap};
use crate::measure::result::{MetricResult, WireResult};
use crate::measure::{Metric, Recorder, Summary, empty, record};
use crate::observe::cpu::thread_cpu;
use crate::observe::wire::{Answer, Wire};
use crate::report::files::{CaptureFile, FolderError};
use crate::report::text::thousands;
use crate::runner::assemble::metric_result;
use crate::sys::clock;
use crate::sys::packet::{Frame, Ring};

/// Where rows of the wire stand in tables: over all loads.
const LOAD: &str = "wire";
/// Longest wait for packets before somebody may want it to end.
const PATIENCE: Duration = Duration::from_millis(100);

/// A recorder at work.
pub struct Capturing {
    /// It ends when this does.
    goes_on: mpsc::Sender<()>,
    thread: JoinHandle<Captured>,
}

/// What was recorded.
#[derive(Debug)]
pub struct Captured {
    /// Counts and ladders.
    pub result: WireResult,
    /// From SYN to SYN+ACK, in nanoseconds, where no SYN was sent again: so `kernel_rtt` has it.
    pub times: Histogram<u64>,
    /// The first error of writing a file.
    pub failed: Option<FolderError>,
}

impl Captured {
    /// The metric, where something was measured.
    pub fn metric(&self) -> Option<MetricResult> {
        let metric = Metric::WireRtt;
        (!self.times.is_empty()).then(|| metric_result(LOAD, metric, &self.times, false))
    }
}

impl Ground<'_> {
    /// Begins to record, where the cell wants that.
    ///
    /// # Errors
    /// Where the system does not give the packets, or the file cannot be made.
    pub fn capture(&self, start: Start) -> Result<Option<Capturing>, RunError> {
        let (Some(wanted), Some(lab)) = (self.cell.lab.capture, self.lab) else { return Ok(None) };
        let tap = Tap::open(lab).map_err(|error| RunError::Environment(error.to_string()))?;
        // A search and repeated runs choose their cells on the way: their plans have none.
        let one_of_many = !self.cell.axes.is_empty() || self.setup.plan.cells.is_empty();
        let cell = one_of_many.then_some(self.cell.name.as_str());
        let file = self.setup.folder.capture(cell, (tap.interface, SNAP), wanted.size.0)?;
        let recorder = CaptureRecorder {
            ring: tap.ring,
            file,
            wire: Wire::default(),
            times: Recorder::default(),
            all_times: empty(),
            index: 0,
            start: (start.realtime * 1e9) as u64,
            interval: self.setup.plan.interval.nanos().max(1),
            logs: self.logs(start.realtime, vec![LOAD.to_owned()]),
        };
        let (goes_on, over) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || recorder.run(&over))
            .map_err(|error| no_threads(&error))?;
        Ok(Some(Capturing { goes_on, thread }))
    }
}

impl Capturing {
    /// Ends it, with all packets that have passed until now.
    ///
    /// # Panics
    /// Where the recorder did.
    pub fn finish(self) -> Captured {
        drop(self.goes_on);
        self.thread.join().expect("the recorder has no reason to panic")
    }
}

struct CaptureRecorder {
    ring: Ring,
    file: CaptureFile,
    wire: Wire,
    /// Of handshakes without a retry, and of all.
    times: Recorder,
    all_times: Histogram<u64>,
    /// Number of the interval in progress.
    index: usize,
    /// Start of the schedule, in nanoseconds since 1970.
    start: u64,
    interval: u64,
    logs: Logs,
}

impl CaptureRecorder {
    fn run(mut self, over: &mpsc::Receiver<()>) -> Captured {
        let began = clock::monotonic();
        let mut error = None;
        loop {
            let last = over.try_recv() == Err(mpsc::TryRecvError::Disconnected);
            match last {
                // What has passed is handed over by then.
                true => std::thread::sleep(Ring::PATIENCE),
                false => error = self.ring.wait(PATIENCE).err(),
            }
            while self.read() {}
            if last || error.is_some() {
                return self.finish(began, error);
            }
        }
    }

    /// Takes a block of packets; whether there was one.
    fn read(&mut self) -> bool {
        let Self { ring, file, wire, times, all_times, index, logs, .. } = self;
        let (start, interval) = (self.start, self.interval);
        let was = ring.read(|Frame { at, length, bytes }| {
            file.packet(at, length, bytes);
            let Some(answer) = wire.enter(at, length, bytes) else { return };
            record(all_times, answer.time);
            let Answer { time, retried: false } = answer else { return };
            let now = (at.saturating_sub(start) / interval) as usize;
            if now > *index {
                logs.append(*index, 0, Metric::WireRtt, &times.interval);
                times.finish_interval();
                *index = now;
            }
            record(&mut times.interval, time);
        });
        if was {
            file.flush();
        }
        was
    }

    fn finish(mut self, began: u64, error: Option<std::io::Error>) -> Captured {
        self.logs.append(self.index, 0, Metric::WireRtt, &self.times.interval);
        self.times.finish_interval();
        let missed = self.ring.dropped().unwrap_or(0);
        let mut result = self.wire.finish();
        result.file = self.file.name.clone();
        let ((packets, beyond), failed) = self.file.finish(clock::realtime(), missed);
        (result.packets, result.beyond, result.missed) = (packets, beyond, missed);
        let times = self.times.total;
        let all = self.all_times;
        result.handshake_time = (!all.is_empty()).then(|| Summary::of(&all));
        let lasted = clock::monotonic().saturating_sub(began);
        result.notices.extend(notices(&result, lasted));
        if let Some(error) = error {
            result.notices.push(format!("recording ended early: {error}"));
        }
        Captured { result, times, failed: failed.or(self.logs.failed) }
    }
}

/// What recording cost, and what is missing.
fn notices(result: &WireResult, lasted: u64) -> Vec<String> {
    let spent = thread_cpu().unwrap_or_default();
    let share = spent.as_secs_f64() * 1e11 / lasted.max(1) as f64;
    let cost = format!(
        "recording packets took {share:.1} % of one CPU, and some of the kernel's own time for each"
    );
    let missed = (result.missed > 0).then(|| {
        format!(
            "{} packets came faster than they could be read: they are missing in the file and in \
             all counts",
            thousands(result.missed)
        )
    });
    let beyond = (result.beyond > 0).then(|| {
        format!(
            "{} of {} packets are not in {}, which is full; raise lab.capture",
            thousands(result.beyond),
            thousands(result.seen()),
            result.file
        )
    });
    [Some(cost), missed, beyond].into_iter().flatten().collect()
}
