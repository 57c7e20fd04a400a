//! Where and for whom a cell runs: what cells of connections and of datagrams have in common.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::collect::{Logs, Seen};
use super::{RunError, Setup, Where};
use crate::lab::{Addresses, Impairments, Lab, Towards};
use crate::measure::result::{CellResult, CounterResult, Place, Status};
use crate::observe::counters::{self, Counters};
use crate::observe::{cpu, environment};
use crate::scenario::plan::{Cell, Load, Target};
use crate::sys::permit::{PermittedAddr, Policy};
use crate::sys::{clock, errno, limits};
use crate::units::Ports;

/// How often progress is shown and the user's wish to stop is looked for.
pub const TICK: Duration = Duration::from_millis(50);
/// From the plan's being ready to the first attempt: workers and target are started in it.
const LEAD: Duration = Duration::from_millis(100);
/// The same for a target on another host, behind a slower pipe.
const REMOTE_LEAD: Duration = Duration::from_secs(1);

/// What can be shown while a cell runs.
#[derive(Debug, Clone)]
pub struct Moment {
    /// How many cells ran before this one.
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

/// One cell to run.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// How many cells ran before this one.
    pub index: usize,
    /// The cell.
    pub cell: &'a Cell,
    /// Seed of every random draw in it.
    pub seed: u64,
}

/// A cell's result. It stands even where the target died or results could not be written, which is
/// the second value.
pub type Measured = (CellResult, Option<RunError>);

/// Runs one cell in a thread of its own, inside its lab.
///
/// # Errors
/// Where nothing could be measured at all.
pub fn run(setup: &Setup, task: &Task<'_>, watch: Watch<'_>) -> Result<Measured, RunError> {
    let Task { index, cell, seed } = *task;
    let lab = match &*setup.place {
        Where::Lab(privacy) => {
            let lab = Lab::create(privacy, &cell.lab);
            Some(lab.map_err(|error| RunError::Environment(error.to_string()))?)
        }
        Where::Host(_) => None,
    };
    let ground = Ground { setup, index, cell, seed, lab: lab.as_ref() };
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || ground.enter_and_run(watch));
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The ground on which one cell runs.
pub struct Ground<'a> {
    /// The whole run's.
    pub setup: &'a Setup,
    /// How many cells ran before this one.
    pub index: usize,
    /// The cell.
    pub cell: &'a Cell,
    /// Seed of every random draw in it.
    pub seed: u64,
    /// Where it runs, unless in the host's network.
    pub lab: Option<&'a Lab>,
}

/// What the machine had done before the first attempt.
pub struct Before {
    pub cpu: (Duration, Duration),
    pub steal: Duration,
    pub client: Option<Counters>,
}

/// The start of a cell's schedule, on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// CLOCK_MONOTONIC, in nanoseconds.
    pub epoch: u64,
    /// Seconds since 1970.
    pub realtime: f64,
}

/// End of a load's window, from the start of the schedule.
pub fn window_end(load: &Load) -> Duration {
    load.start.get() + load.schedule.window().get()
}

/// End of the last window of a cell, from the start of its schedule.
pub fn window_of(cell: &Cell) -> Duration {
    cell.loads.iter().map(window_end).max().unwrap_or_default()
}

impl Start {
    /// Late enough for everybody to be ready.
    pub fn soon(one_clock: bool) -> Self {
        let lead = if one_clock { LEAD } else { REMOTE_LEAD };
        Self {
            epoch: clock::monotonic() + lead.as_nanos() as u64,
            realtime: (clock::realtime() as f64 + lead.as_nanos() as f64) / 1e9,
        }
    }
}

impl Ground<'_> {
    fn enter_and_run(&self, watch: Watch<'_>) -> Result<Measured, RunError> {
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
        runtime.block_on(async {
            match self.cell.target.transport().carries_datagrams() {
                true => self.datagrams(watch).await,
                false => self.connections(watch).await,
            }
        })
    }

    /// Ends `grace` after the user has wished the run to end.
    pub async fn interrupted(&self, grace: Duration) {
        while !self.setup.interrupted.requested() {
            tokio::time::sleep(TICK).await;
        }
        tokio::time::sleep(grace).await;
    }

    /// How the machine is before the first attempt.
    pub fn before(&self) -> Before {
        let separate = self.lab.is_some_and(Lab::separate);
        Before {
            cpu: cpu::process_cpu().unwrap_or_default(),
            steal: cpu::steal().unwrap_or_default(),
            client: separate.then(Counters::read).and_then(Result::ok),
        }
    }

    /// What the lab does to packets on their way to these addresses. Its link is watched in any
    /// case.
    pub fn impair(&self, addresses: &[PermittedAddr]) -> Result<Option<Impairments>, RunError> {
        let Some(lab) = self.lab else { return Ok(None) };
        let ports = addresses.iter().filter_map(|address| address.get().socket_addr());
        let ports: Vec<u16> = ports.map(|address| address.port()).collect();
        if ports.is_empty() {
            return Ok(None);
        }
        let wanted = self.cell.lab.impair.unwrap_or_default();
        let to = match self.cell.target.transport().is_tcp() {
            true => Towards::Tcp(&ports),
            false => Towards::Udp(&ports),
        };
        let impaired = lab.impair(&wanted, to);
        impaired.map(Some).map_err(|error| RunError::Environment(error.to_string()))
    }

    /// Period of the samples at the target, in nanoseconds.
    pub fn sample_period(&self) -> u64 {
        match &self.cell.target {
            Target::Own { serve, .. } => serve.sample.nanos(),
            Target::Receiver { receive, .. } => receive.sample.nanos(),
            Target::External { sample, .. } => sample.nanos(),
        }
    }

    /// Histogram logs of these loads; the schedule starts at `start`, in seconds since 1970.
    pub fn logs(&self, start: f64, loads: Vec<String>) -> Logs {
        let interval = self.setup.plan.interval.get();
        Logs::new(&self.setup.folder, &self.cell.name, loads, start, interval)
    }

    /// What load in this cell may reach.
    pub fn policy(&self) -> Policy {
        let policy = self.setup.policy.clone();
        match self.lab {
            Some(lab) => lab.permits(policy),
            None => policy,
        }
    }

    /// Client source addresses; the kernel's choice where there is only one.
    pub fn sources(&self, address: PermittedAddr) -> Result<Vec<IpAddr>, RunError> {
        let wanted = &self.cell.lab;
        match self.lab {
            _ if wanted.sources < 2 => Ok(Vec::new()),
            Some(lab) => Ok(lab.client_addresses().to_vec()),
            // All of 127.0.0.0/8 is there on any host.
            None if address
                .get()
                .socket_addr()
                .is_some_and(|a| a.is_ipv4() && a.ip().is_loopback()) =>
            {
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
    pub fn check_ports(&self) -> Result<(), RunError> {
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

    /// Whether the cell ran to its end; `unfinished` says why the target did not.
    pub fn status(&self, unfinished: Option<String>) -> Status {
        if self.setup.interrupted.requested() {
            return Status::Partial { reason: "interrupted".to_owned() };
        }
        match unfinished {
            Some(why) => Status::Partial { reason: format!("the target ended early: {why}") },
            None => Status::Complete,
        }
    }

    /// Where the cell runs, as results say it.
    pub fn place(&self) -> Place {
        match (&*self.setup.place, self.lab) {
            (Where::Host(reason), _) => Place::Host { reason: reason.clone() },
            (Where::Lab(_), lab) => Place::Lab {
                link: self.cell.lab.link.to_string(),
                sysctl: lab.map(|lab| lab.sysctl().to_vec()).unwrap_or_default(),
            },
        }
    }

    /// The settings of the target's namespace.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let here = environment::settings_here;
        self.lab.map_or_else(here, |lab| lab.target().run(here).unwrap_or_default())
    }

    /// Counters of the clients' own namespace.
    pub fn client_counters(&self, before: Option<Counters>) -> Vec<CounterResult> {
        match (before, Counters::read()) {
            (Some(before), Ok(after)) => counters::results("client", &before, &after),
            _ => Vec::new(),
        }
    }
}

/// CPU seconds (user, system) of this process since `before`.
pub fn spent(before: (Duration, Duration)) -> (f64, f64) {
    let now = cpu::process_cpu().unwrap_or_default();
    let since = |now: Duration, before| now.saturating_sub(before).as_secs_f64();
    (since(now.0, before.0), since(now.1, before.1))
}
