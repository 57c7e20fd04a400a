//! The receiving target as the runner starts it.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Readers, Receivers, Reception, Seen, Totals, sample};
use crate::measure::result::{DatagramsResult, SamplerResult, TargetInterval};
use crate::observe::counters::{self, Counters};
use crate::observe::cpu::process_cpu;
use crate::observe::memory::resident;
use crate::observe::ticker::Sampling;
use crate::scenario::plan::Receive;
use crate::sys::{clock, errno};
use crate::target::protocol::{FromTarget, Interval, Received, Receiving, TargetPlan, ToTarget};
use crate::target::stdio::{Talk, Trouble, at, local_epoch};

/// Longest time that draining may take.
const DRAIN: Duration = Duration::from_secs(10);
/// From one look whether all is drained to the next.
const LOOK: Duration = Duration::from_millis(1);

/// Receives for one plan and returns; `Ok` as well when the runner went away.
pub(in crate::target) async fn attend(
    plan: &TargetPlan,
    (receive, sizes, interface): (&Receive, &[u16], Option<IpAddr>),
    talk: &mut Talk,
) -> Result<(), Trouble> {
    let receivers = Receivers::bind(plan.address, receive, interface)
        .map_err(at(format!("receive at {}", plan.address)))?;
    let mut notices = Vec::new();
    let charges = receivers.charges(sizes).unwrap_or_else(|error| {
        notices.push(format!("no charge of datagrams: {}", errno::describe(&error)));
        Vec::new()
    });
    let before = Counters::read();
    let time_line = clock::time_line();
    let one_clock = !time_line.is_empty() && time_line == plan.time_line;
    let receiving = Receiving {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        addresses: receivers.addresses(),
        effective: receivers.effective,
        charges,
        one_clock,
    };
    talk.say(&FromTarget::Receiving(receiving)).await.map_err(at("write"))?;
    let (monotonic, realtime) = match talk.next().await.map_err(at("read"))? {
        Some(ToTarget::Start { monotonic, realtime }) => (monotonic, realtime),
        _ => return Ok(()),
    };
    let epoch = if one_clock { monotonic } else { local_epoch(realtime) };
    // Headers carry the lower half of the run's identity.
    let reception = Reception { epoch, run: Some(plan.run as u32), one_clock };
    let readers = receivers.start(reception).map_err(at("start readers"))?;
    let when = Sampling { epoch, period: receive.sample.nanos(), interval: plan.interval };
    let mut work = Work::start(readers, when).map_err(at("start the sampler"))?;
    let mut draining: Option<Instant> = None;
    loop {
        tokio::select! {
            Some(interval) = work.intervals.recv() => {
                talk.say(&interval).await.map_err(at("write"))?;
            }
            message = talk.next() => match message.map_err(at("read"))? {
                Some(ToTarget::Drain) => {
                    work.readers.drain().map_err(at("wake readers"))?;
                    draining = Some(Instant::now() + DRAIN);
                }
                Some(ToTarget::Stop) => break,
                Some(_) => {}
                None => return Ok(()),
            },
            () = tokio::time::sleep(LOOK), if draining.is_some() => {
                let drained = work.readers.are_drained();
                if drained || draining.is_some_and(|until| Instant::now() >= until) {
                    if !drained {
                        notices.push("the buffers were not empty within 10 s".to_owned());
                    }
                    draining = None;
                    talk.say(&FromTarget::Drained).await.map_err(at("write"))?;
                }
            }
        }
    }
    let received = work.finish(before, notices, talk).await?;
    talk.say(&FromTarget::Received(Box::new(received))).await.map_err(at("write"))
}

/// Readers and sampler at work.
struct Work {
    readers: Readers,
    stop: Arc<AtomicBool>,
    sampler: JoinHandle<SamplerResult>,
    intervals: mpsc::UnboundedReceiver<FromTarget>,
}

impl Work {
    fn start(readers: Readers, when: Sampling) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, intervals) = mpsc::unbounded_channel();
        let (shared, places) = (readers.shared(), readers.places().to_vec());
        let stopping = Arc::clone(&stop);
        let sampling = move || {
            sample(&places, &shared, when, &stopping, |seen: Seen| {
                let interval = Interval {
                    index: seen.index,
                    seen: TargetInterval { resident: resident().ok(), ..Default::default() },
                    queues: Vec::new(),
                    metrics: seen.metrics,
                    datagrams: Some(seen.datagrams),
                };
                // Nobody listens only when we are about to end.
                let _ = sender.send(FromTarget::Interval(Box::new(interval)));
            })
        };
        let sampler = std::thread::Builder::new().name("sampler".to_owned()).spawn(sampling)?;
        Ok(Self { readers, stop, sampler, intervals })
    }

    async fn finish(
        mut self,
        before: io::Result<Counters>,
        mut notices: Vec<String>,
        talk: &mut Talk,
    ) -> Result<Received, Trouble> {
        // What the books come to is in the sampler's last interval.
        let totals = self.readers.halt().map_err(at("stop readers"))?;
        let after = Counters::read();
        self.stop.store(true, Ordering::Relaxed);
        let sampler = self.sampler.join().unwrap_or_default();
        while let Some(interval) = self.intervals.recv().await {
            talk.say(&interval).await.map_err(at("write"))?;
        }
        let counters = match (before, after) {
            (Ok(before), Ok(after)) => counters::results("target", &before, &after),
            (Err(error), _) | (_, Err(error)) => {
                notices.push(format!("no kernel counters: {}", errno::describe(&error)));
                Vec::new()
            }
        };
        Ok(received(totals, sampler, counters, notices))
    }
}

fn received(
    totals: Totals,
    sampler: SamplerResult,
    counters: Vec<crate::measure::result::CounterResult>,
    notices: Vec<String>,
) -> Received {
    let mut streams: Vec<_> = totals.streams.into_iter().map(|(_, stream)| stream).collect();
    streams.truncate(DatagramsResult::MOST_STREAMS);
    let cpu = process_cpu().unwrap_or_default();
    Received {
        streams,
        foreign: totals.foreign,
        corrupt: totals.corrupt,
        beyond: totals.beyond,
        receivers: totals.receivers,
        restarts: totals.restarts,
        errors: totals.errors,
        unread: totals.unread,
        cpu_s: (cpu.0.as_secs_f64(), cpu.1.as_secs_f64()),
        sampler,
        counters,
        notices,
    }
}
