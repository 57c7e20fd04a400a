//! One cell: its lab, its target, its workers, from the first attempt to the last.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::assemble::{Parts, assemble};
use super::clients_side::ClientsSide;
use super::collect::{self, Collecting, Logs, Seen};
use super::engines::Drive;
use super::series::TargetSeries;
use super::side::{Heard, Identity, Side, no_threads};
use super::workers::{self, Work, Workers};
use super::{RunError, Setup, Where};
use crate::engine::Stop;
use crate::lab::{Addresses, Lab};
use crate::measure::book::Book;
use crate::measure::result::{CellResult, CounterResult, Place, Status};
use crate::observe::counters::{self, Counters};
use crate::observe::{cpu, environment};
use crate::scenario::plan::{Cell, Load, Target};
use crate::sys::clock;
use crate::sys::errno;
use crate::sys::limits;
use crate::sys::permit::PermittedAddr;
use crate::units::Ports;

/// From the plan's being ready to the first attempt: workers and target are started in it.
const LEAD: Duration = Duration::from_millis(100);
/// The same for a target on another host, behind a slower pipe.
const REMOTE_LEAD: Duration = Duration::from_secs(1);
/// How often progress is shown and the user's wish to stop is looked for.
const TICK: Duration = Duration::from_millis(50);

/// Longest wait for a target's report when the user does not want to wait.
const FAREWELL: Duration = Duration::from_secs(3);

/// What can be shown while a cell runs.
#[derive(Debug, Clone)]
pub struct Moment {
    /// Number of the cell, from 0.
    pub index: usize,
    /// Name of the cell.
    pub name: String,
    /// Seconds since the schedule's start.
    pub elapsed_s: f64,
    /// Seconds from the schedule's start to the end of its last window.
    pub window_s: f64,
    /// What the clients have done.
    pub seen: Seen,
    /// Depth and limit of the accept queue, where it is known.
    pub accept_queue: Option<(u32, u32)>,
}

/// Shows moments.
pub type Watch<'w> = &'w mut (dyn FnMut(&Moment) + Send);

/// Runs one cell in a thread of its own, inside its lab. The result stands even where the target
/// died or results could not be written, which is the second value.
///
/// # Errors
/// Where nothing could be measured at all.
pub fn run(
    setup: &Setup,
    index: usize,
    cell: &Cell,
    watch: Watch<'_>,
) -> Result<(CellResult, Option<RunError>), RunError> {
    let lab = match &setup.place {
        Where::Lab(privacy) => {
            let lab = Lab::create(privacy, &cell.lab);
            Some(lab.map_err(|error| RunError::Environment(error.to_string()))?)
        }
        Where::Host(_) => None,
    };
    let running = Running { setup, index, cell, lab: lab.as_ref() };
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || running.enter_and_run(watch));
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

struct Running<'a> {
    setup: &'a Setup,
    index: usize,
    cell: &'a Cell,
    lab: Option<&'a Lab>,
}

/// What the machine had done before the first attempt.
struct Before {
    cpu: (Duration, Duration),
    steal: Duration,
    client: Option<Counters>,
}

/// The start of a cell's schedule, on both clocks.
#[derive(Debug, Clone, Copy)]
struct Start {
    /// CLOCK_MONOTONIC, in nanoseconds.
    epoch: u64,
    /// Seconds since 1970.
    realtime: f64,
}

/// The clients' side at work.
struct Clients {
    workers: Workers,
    collecting: Collecting,
    /// Ends the workers early.
    stop: Arc<Stop>,
    epoch: u64,
}

impl Clients {
    /// Nanoseconds since the start of the schedule; 0 before it.
    fn elapsed(&self) -> u64 {
        clock::monotonic().saturating_sub(self.epoch)
    }
}

/// End of a load's window, from the start of the schedule.
fn window_end(load: &Load) -> Duration {
    load.start.get() + load.schedule.window().get()
}

impl Running<'_> {
    fn enter_and_run(&self, watch: Watch<'_>) -> Result<(CellResult, Option<RunError>), RunError> {
        let broken = |what: &str, error: &std::io::Error| {
            RunError::Environment(format!("cannot {what}: {}", errno::describe(error)))
        };
        if let Some(lab) = self.lab {
            lab.client().enter().map_err(|error| broken("enter the lab", &error))?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| broken("start the control plane (raise ulimit -n)", &error))?;
        runtime.block_on(self.perform(watch))
    }

    async fn perform(&self, watch: Watch<'_>) -> Result<(CellResult, Option<RunError>), RunError> {
        let identity = Identity { run: clock::realtime(), seed: self.setup.plan.seed };
        self.check_ports()?;
        let prepare = Side::prepare(self.setup, self.cell, self.lab, identity);
        let (mut side, address) = tokio::select! {
            prepared = prepare => prepared?,
            () = self.interrupted(Duration::ZERO) => {
                return Err(RunError::Environment("interrupted before the target listened".into()));
            }
        };
        let before = self.before();
        let lead = if side.one_clock() { LEAD } else { REMOTE_LEAD };
        let epoch = clock::monotonic() + lead.as_nanos() as u64;
        let start = (clock::realtime() as f64 + lead.as_nanos() as f64) / 1e9;
        let interval = self.setup.plan.interval.nanos();
        let mut beside = ClientsSide::start(address, interval);
        side.start(epoch, self.sample_period(), interval).await?;
        let drives = workers::drives(self.cell).map_err(|error| no_threads(&error))?;
        let start_of = Start { epoch, realtime: start };
        let clients = self.start_clients(address, start_of, identity, &drives)?;
        beside.add(&clients.workers.resident);
        let mut series = TargetSeries::new(self.logs(start, vec!["target".to_owned()]), interval);
        let gone = self.attend(&mut side, &clients, (&mut series, &mut beside), watch).await;
        let stopped_at = clients.elapsed();
        let left = clients.workers.join();
        let beside = beside.finish(stopped_at);
        let collected = clients.collecting.finish();
        let (look, unfinished) = match gone {
            Some(why) => (Default::default(), Some(why)),
            None => tokio::select! {
                last = side.finish(|interval| series.enter(interval, stopped_at)) => last,
                () = self.interrupted(FAREWELL) => {
                    (Default::default(), Some("it did not report in time".to_owned()))
                }
            },
        };
        let status = self.status(unfinished);
        let (target_failed, target) = series.finish();
        let measured = assemble(Parts {
            plan: &self.setup.plan,
            cell: self.cell,
            place: self.place(),
            settings: self.settings(),
            status,
            address,
            side,
            look,
            book: collected.book,
            reports: left.reports,
            drives,
            target,
            beside,
            client_counters: self.client_counters(before.client),
            cut_at: clients.stop.requested().then_some(stopped_at),
            steal: cpu::steal().unwrap_or_default().saturating_sub(before.steal),
            cpu: spent(before.cpu),
        });
        let failed = collected.failed.or(target_failed).map(RunError::from);
        let failed = left.failed.map(|error| no_threads(&error)).or(failed);
        Ok((measured, failed))
    }

    /// Ends `grace` after the user has wished the run to end.
    async fn interrupted(&self, grace: Duration) {
        while !self.setup.interrupted.requested() {
            tokio::time::sleep(TICK).await;
        }
        tokio::time::sleep(grace).await;
    }

    fn before(&self) -> Before {
        let separate = self.lab.is_some_and(Lab::separate);
        Before {
            cpu: cpu::process_cpu().unwrap_or_default(),
            steal: cpu::steal().unwrap_or_default(),
            client: separate.then(Counters::read).and_then(Result::ok),
        }
    }

    fn sample_period(&self) -> u64 {
        match &self.cell.target {
            Target::Own { serve, .. } => serve.sample.nanos(),
            Target::Receiver { receive, .. } => receive.sample.nanos(),
            Target::External { sample, .. } => sample.nanos(),
        }
    }

    fn logs(&self, start: f64, loads: Vec<String>) -> Logs {
        let interval = self.setup.plan.interval.get();
        Logs::new(&self.setup.folder, &self.cell.name, loads, start, interval)
    }

    fn start_clients(
        &self,
        address: PermittedAddr,
        start: Start,
        identity: Identity,
        drives: &[Drive],
    ) -> Result<Clients, RunError> {
        let sources = self.sources(address)?;
        let policy = self.setup.policy.clone();
        let policy = match self.lab {
            Some(lab) => lab.permits(policy),
            None => policy,
        };
        let interval = self.setup.plan.interval.nanos();
        let work = Work {
            cell: self.cell,
            lab: self.lab,
            address,
            policy: &policy,
            sources: &sources,
            epoch: start.epoch,
            interval,
            run: identity.run,
            seed: identity.seed,
        };
        let stop = Arc::new(Stop::new());
        let (workers, ends) =
            workers::start(&work, drives, &stop).map_err(|error| no_threads(&error))?;
        let ends_of_windows: Vec<u64> =
            self.cell.loads.iter().map(|load| window_end(load).as_nanos() as u64).collect();
        let book = Book::new(interval, &ends_of_windows);
        let names = self.cell.loads.iter().map(|load| load.name.clone()).collect();
        let logs = self.logs(start.realtime, names);
        let collecting = collect::start(ends.batches, ends.emptied, book, logs)
            .map_err(|error| no_threads(&error))?;
        Ok(Clients { workers, collecting, stop, epoch: start.epoch })
    }

    /// Client source addresses; the kernel's choice where there is only one.
    fn sources(&self, address: PermittedAddr) -> Result<Vec<IpAddr>, RunError> {
        let wanted = &self.cell.lab;
        match self.lab {
            _ if wanted.sources < 2 => Ok(Vec::new()),
            Some(lab) => Ok(lab.client_addresses().to_vec()),
            // All of 127.0.0.0/8 is there on any host.
            None if address.get().inet().is_some_and(|a| a.is_ipv4() && a.ip().is_loopback()) => {
                Ok(Addresses::of(wanted).clients)
            }
            None => Err(RunError::Environment(format!(
                "lab.sources = {} needs a lab, or a target on 127.0.0.0/8: this host has no \
                 addresses to spare towards {address}. Write sources = 1",
                wanted.sources
            ))),
        }
    }

    /// The kernel ignores a range of ports that is not inside its own.
    fn check_ports(&self) -> Result<(), RunError> {
        let Ok((first, last)) = limits::ephemeral_ports() else { return Ok(()) };
        let outside = |ports: &Ports| ports.first() < first || ports.last() > last;
        let ports = self.cell.loads.iter().filter_map(|load| load.ports);
        match ports.into_iter().find(outside) {
            Some(ports) => Err(RunError::Input(format!(
                "ports = \"{ports}\" is not inside net.ipv4.ip_local_port_range, which is {first} to \
                 {last} where the clients run: choose others, or set the range in [lab.sysctl]"
            ))),
            None => Ok(()),
        }
    }

    /// Waits for the workers' end; why the target is gone, if it went before them.
    async fn attend(
        &self,
        side: &mut Side,
        clients: &Clients,
        (series, beside): (&mut TargetSeries, &mut ClientsSide),
        watch: Watch<'_>,
    ) -> Option<String> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut gone = None;
        loop {
            tokio::select! {
                heard = side.next(), if gone.is_none() => match heard {
                    Heard::Interval(interval) => series.enter(*interval, clients.elapsed()),
                    Heard::Gone(why) => {
                        gone = Some(why);
                        clients.stop.request();
                    }
                },
                _ = tick.tick() => {
                    if self.setup.interrupted.requested() {
                        clients.stop.request();
                    }
                    if clients.workers.are_done() {
                        return gone;
                    }
                    let moment = self.moment(clients, series);
                    beside.tick(clients.elapsed(), moment.seen.in_progress);
                    watch(&moment);
                }
            }
        }
    }

    fn moment(&self, clients: &Clients, series: &TargetSeries) -> Moment {
        let windows = self.cell.loads.iter().map(|load| window_end(load).as_secs_f64());
        Moment {
            index: self.index,
            name: self.cell.name.clone(),
            elapsed_s: clients.elapsed() as f64 / 1e9,
            window_s: windows.fold(0.0, f64::max),
            seen: *clients.collecting.seen.lock().unwrap_or_else(PoisonError::into_inner),
            accept_queue: series.accept_queue(),
        }
    }

    fn status(&self, unfinished: Option<String>) -> Status {
        if self.setup.interrupted.requested() {
            return Status::Partial { reason: "interrupted".to_owned() };
        }
        match unfinished {
            Some(why) => Status::Partial { reason: format!("the target ended early: {why}") },
            None => Status::Complete,
        }
    }

    fn place(&self) -> Place {
        match (&self.setup.place, self.lab) {
            (Where::Host(reason), _) => Place::Host { reason: reason.clone() },
            (Where::Lab(_), lab) => Place::Lab {
                link: self.cell.lab.link.to_string(),
                sysctl: lab.map(|lab| lab.sysctl().to_vec()).unwrap_or_default(),
            },
        }
    }

    /// The settings of the target's namespace.
    fn settings(&self) -> BTreeMap<String, String> {
        let here = environment::settings_here;
        self.lab.map_or_else(here, |lab| lab.target().run(here).unwrap_or_default())
    }

    fn client_counters(&self, before: Option<Counters>) -> Vec<CounterResult> {
        match (before, Counters::read()) {
            (Some(before), Ok(after)) => counters::results("client", &before, &after),
            _ => Vec::new(),
        }
    }
}

fn spent(before: (Duration, Duration)) -> (f64, f64) {
    let now = cpu::process_cpu().unwrap_or_default();
    let since = |now: Duration, before| now.saturating_sub(before).as_secs_f64();
    (since(now.0, before.0), since(now.1, before.1))
}
