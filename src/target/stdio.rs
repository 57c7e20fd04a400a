//! The target as the runner starts it: plan in over standard input, results out over standard
//! output. It ends when its input ends, so that it never outlives its runner.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tokio::io::{BufReader, Stdout};
use tokio::sync::mpsc;

use super::counts::Tally;
use super::door::Door;
use super::protocol::{
    Duty, Finished, FromTarget, Interval, Listening, TargetPlan, ToTarget, read_message,
    write_message,
};
use super::receiver;
use super::server::{Occasion, Server};
use crate::measure::held::{self, Held};
use crate::measure::result::SamplerResult;
use crate::observe::counters::{self, Counters};
use crate::observe::cpu::process_cpu;
use crate::observe::listen::Diag;
use crate::observe::memory::resident;
use crate::observe::sampler::{self, First, Queue, Sampling};
use crate::observe::states::StateWatch;
use crate::scenario::plan::Serve;
use crate::sys::netlink::{End, Families};
use crate::sys::{clock, errno};

/// Serves one plan and returns; `Ok` as well when the runner went away.
///
/// # Errors
/// What the runner has been told already, as far as it could be told.
pub async fn serve() -> io::Result<()> {
    let mut talk = Talk::new();
    let plan = match talk.next().await? {
        Some(ToTarget::Plan(plan)) => *plan,
        _ => return Ok(()),
    };
    let attended = match &plan.duty {
        Duty::Serve(serve) => attend(&plan, serve, &mut talk).await,
        Duty::Receive { receive, sizes, interface } => {
            receiver::attend(&plan, (receive, sizes, *interface), &mut talk).await
        }
    };
    match attended {
        Err(Trouble { call, error }) => {
            let what = format!("{call}: {}", errno::describe(&error));
            let remedy = remedy(&error).to_owned();
            talk.say(&FromTarget::Failed { what, remedy }).await?;
            Err(error)
        }
        Ok(()) => Ok(()),
    }
}

/// A call that failed.
pub(super) struct Trouble {
    call: String,
    error: io::Error,
}

pub(super) fn at(call: impl Into<String>) -> impl FnOnce(io::Error) -> Trouble {
    let call = call.into();
    move |error| Trouble { call, error }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EADDRINUSE) => {
            "Something listens there already: choose another port, or port 0 for any free one"
        }
        Some(libc::EADDRNOTAVAIL) => "Choose an address that this host has",
        Some(libc::EACCES) => "Ports below 1024 need privileges: choose a higher one",
        Some(libc::EMFILE | libc::ENFILE) => "Raise the limit of open descriptors (ulimit -n)",
        _ => "",
    }
}

/// The pipe to the runner.
pub(super) struct Talk {
    input: mpsc::Receiver<io::Result<ToTarget>>,
    output: Stdout,
}

impl Talk {
    /// Reads in a task of its own, since a read that is given up may lose a part of a line.
    fn new() -> Self {
        let (sender, input) = mpsc::channel(4);
        tokio::spawn(async move {
            let mut stdin = BufReader::new(tokio::io::stdin());
            while let Some(message) = read_message(&mut stdin).await.transpose() {
                if sender.send(message).await.is_err() {
                    return;
                }
            }
        });
        Self { input, output: tokio::io::stdout() }
    }

    /// The next message; `None` when the runner went away.
    pub(super) async fn next(&mut self) -> io::Result<Option<ToTarget>> {
        self.input.recv().await.transpose()
    }

    pub(super) async fn say(&mut self, message: &FromTarget) -> io::Result<()> {
        write_message(&mut self.output, message).await
    }
}

async fn attend(plan: &TargetPlan, serve: &Serve, talk: &mut Talk) -> Result<(), Trouble> {
    let door =
        Door::open(plan.address, serve, true).map_err(at(format!("listen on {}", plan.address)))?;
    let before = Before { counters: Counters::read(), resident: resident().ok() };
    let time_line = clock::time_line();
    let one_clock = !time_line.is_empty() && time_line == plan.time_line;
    let listening = Listening {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address: door.address,
        effective: door.effective,
        defer_accept_s: door.defer_accept_s,
        one_clock,
    };
    talk.say(&FromTarget::Listening(listening)).await.map_err(at("write"))?;
    let (monotonic, realtime) = match talk.next().await.map_err(at("read"))? {
        Some(ToTarget::Start { monotonic, realtime }) => (monotonic, realtime),
        _ => return Ok(()),
    };
    let epoch = if one_clock { monotonic } else { local_epoch(realtime) };
    let occasion = Occasion {
        epoch,
        run: plan.run,
        seed: plan.seed,
        one_clock,
        expected: plan.expected,
        names: true,
    };
    let server = Server::start(&door, serve, occasion).map_err(at("start acceptors"))?;
    let when = Sampling { epoch, period: serve.sample.nanos(), interval: plan.interval };
    let mut work = Work::start(&door, server, when).map_err(at("start the sampler"))?;
    loop {
        tokio::select! {
            Some(told) = work.intervals.recv() => tell(talk, told).await?,
            message = talk.next() => match message.map_err(at("read"))? {
                Some(ToTarget::Stop) => break,
                Some(_) => {}
                None => return Ok(()),
            },
        }
    }
    let finished = work.finish(&door, before, talk).await?;
    talk.say(&FromTarget::Finished(Box::new(finished))).await.map_err(at("write"))
}

/// The runner's instant on our own monotonic clock.
pub(super) fn local_epoch(realtime: u64) -> u64 {
    let (here, now) = (clock::monotonic(), clock::realtime());
    (here + realtime).saturating_sub(now)
}

/// An interval, and the connections that came out of the queues in it.
type Told = (Interval, Vec<Held>);

/// Tells of connections, and then of the interval in which they were accepted.
async fn tell(talk: &mut Talk, (interval, held): Told) -> Result<(), Trouble> {
    name(talk, &held).await?;
    talk.say(&FromTarget::Interval(Box::new(interval))).await.map_err(at("write"))
}

/// Names connections to the runner, in batches.
async fn name(talk: &mut Talk, held: &[Held]) -> Result<(), Trouble> {
    for batch in held.chunks(held::MOST) {
        talk.say(&FromTarget::Held(held::encode(batch))).await.map_err(at("write"))?;
    }
    Ok(())
}

/// How it was before the first connection.
struct Before {
    counters: io::Result<Counters>,
    resident: Option<u64>,
}

/// Server and samplers at work.
struct Work {
    server: Arc<Server>,
    stop: Arc<AtomicBool>,
    /// `None` where the sockets cannot be seen.
    states: Option<StateWatch>,
    sampler: JoinHandle<SamplerResult>,
    intervals: mpsc::UnboundedReceiver<Told>,
}

impl Work {
    fn start(door: &Arc<Door>, server: Server, when: Sampling) -> io::Result<Self> {
        let server = Arc::new(server);
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, intervals) = mpsc::unbounded_channel();
        let states = door.address.inet().and_then(|address| {
            StateWatch::start(End::Local(address.port()), Families::of(address)).ok()
        });
        let looked = states.as_ref().map(StateWatch::seen);
        let (queue, stopping) = (Queue::own(Arc::clone(door) as _), Arc::clone(&stop));
        let tallied = Arc::clone(&server);
        let sample = move || {
            let mut before = Tally::default();
            sampler::run(queue, (when, First::Epoch), &stopping, |index, mut seen, mut queues| {
                let mut tally = tallied.tally();
                let metrics = std::mem::take(&mut tally.metrics);
                let held = std::mem::take(&mut tally.held);
                seen.accepted = Some(tally.accepted() - before.accepted());
                seen.resident = resident().ok();
                if let Some(looked) = &looked {
                    looked.complete(&mut seen);
                }
                for (place, queue) in queues.iter_mut().enumerate() {
                    let of = |tally: &Tally| tally.accepted.get(place).copied().unwrap_or(0);
                    queue.accepted = Some(of(&tally) - of(&before));
                }
                before = tally;
                // Nobody listens only when we are about to end.
                let interval = Interval { index, seen, queues, metrics, datagrams: None };
                let _ = sender.send((interval, held));
            })
        };
        let sampler = std::thread::Builder::new().name("sampler".to_owned()).spawn(sample)?;
        Ok(Self { server, stop, states, sampler, intervals })
    }

    async fn finish(
        mut self,
        door: &Door,
        before: Before,
        talk: &mut Talk,
    ) -> Result<Finished, Trouble> {
        let syn_recv_at_end = match door.address.port() {
            Some(port) => Diag::open().and_then(|mut diag| diag.syn_recv(port)).ok(),
            // Nothing is half-open there.
            None => Some(0),
        };
        // What the server closes by its own end is not of the run.
        let sockets = self.states.take().map(StateWatch::finish);
        let after = Counters::read();
        // What is accepted after the sampler's last interval would be in none.
        self.server.halt().map_err(at("stop acceptors"))?;
        self.stop.store(true, Ordering::Relaxed);
        let sampler = self.sampler.join().unwrap_or_default();
        while let Some(told) = self.intervals.recv().await {
            tell(talk, told).await?;
        }
        let mut notices = Vec::new();
        let counters = match (before.counters, after) {
            (Ok(before), Ok(after)) => counters::results("target", &before, &after),
            (Err(error), _) | (_, Err(error)) => {
                notices.push(format!("no kernel counters: {}", errno::describe(&error)));
                Vec::new()
            }
        };
        if syn_recv_at_end.is_none() {
            notices.push("half-open connections cannot be counted: no sock_diag".to_owned());
        }
        let server = Arc::into_inner(self.server)
            .ok_or_else(|| io::Error::other("the sampler still runs"))
            .map_err(at("stop"))?;
        let totals = server.stop().map_err(at("stop acceptors"))?;
        name(talk, &totals.held).await?;
        notices.extend(totals.notices);
        let cpu = process_cpu().unwrap_or_default();
        Ok(Finished {
            outcomes: totals.outcomes,
            endings: totals.endings,
            engine: totals.engine,
            restarts: totals.restarts,
            accepted_by: totals.accepted_by,
            accept_errors: totals.accept_errors,
            client_faults: totals.client_faults,
            cpu_s: (cpu.0.as_secs_f64(), cpu.1.as_secs_f64()),
            sampler,
            counters,
            sockets,
            resident_at_start: before.resident,
            syn_recv_at_end,
            notices,
        })
    }
}
