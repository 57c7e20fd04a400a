//! The target's side of a cell, own or external, as the runner deals with it.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::external::{External, LastLook, Look};
use super::process::{TargetProcess, Word};
use super::{RunError, Setup};
use crate::lab::Lab;
use crate::measure::held::{self, Held};
use crate::observe::sampler::Sampling;
use crate::scenario::cost_of_cell;
use crate::scenario::plan::{self, Cell, Family, Serve};
use crate::sys::clock;
use crate::sys::endpoint::Endpoint;
use crate::sys::permit::{self, PermittedAddr, Policy};
use crate::target::protocol::{
    Duty, Finished, FromTarget, Interval, Listening, TargetPlan, ToTarget,
};

/// Longest wait for a target's report at the end.
const PATIENCE: Duration = Duration::from_secs(20);

/// The target's side of one cell.
pub enum Side {
    /// `loadgen serve`, started by us.
    Own(Box<Own>),
    /// Any server.
    External(Box<External>),
}

/// A target of ours.
pub struct Own {
    process: TargetProcess,
    /// What it said when it listened.
    pub listening: Listening,
    /// Its last words; `None` while it runs, and where it ended without them.
    pub finished: Option<Finished>,
}

/// What the target's side tells while a cell runs.
pub enum Told {
    /// An interval of its timeline.
    Interval(Box<Interval>),
    /// Connections that it held.
    Held(Vec<Held>),
}

impl Told {
    /// What a message tells; what it means where it does not belong here.
    fn of(message: FromTarget) -> Result<Self, String> {
        match message {
            FromTarget::Interval(interval) => Ok(Self::Interval(interval)),
            FromTarget::Held(batch) => Ok(Self::Held(held::decode(&batch))),
            other => Err(out_of_turn(other)),
        }
    }
}

/// What comes from the target's side while a cell runs.
pub enum Heard {
    /// It tells of what it saw.
    Told(Told),
    /// It is gone, for this reason.
    Gone(String),
}

/// Identity and seed of a cell's run.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// Tells this run's greetings from those of others.
    pub run: u64,
    /// Seed of every draw.
    pub seed: u64,
}

impl Side {
    /// Brings the target's side to where clients can connect, and says where that is.
    ///
    /// # Errors
    /// A refused address is the user's to change; a target that does not start, the environment's.
    pub async fn prepare(
        setup: &Setup,
        cell: &Cell,
        lab: Option<&Lab>,
        identity: Identity,
    ) -> Result<(Self, PermittedAddr), RunError> {
        let refused = |error: permit::PermitError| RunError::Input(error.to_string());
        match &cell.target {
            plan::Target::External { address, .. } => {
                let address = setup.policy.resolve_and_permit(address).map_err(refused)?;
                Ok((Self::External(Box::new(External::look(address.get()))), address))
            }
            plan::Target::Receiver { .. } => Err(RunError::Environment(
                "a target for datagrams accepts no connections".to_owned(),
            )),
            plan::Target::Own { command, address, serve } => {
                let at = match address {
                    Some(name) => setup.policy.resolve_and_permit(name).map_err(refused)?.get(),
                    None => Endpoint::to_bind(serve.transport, own_address(cell, lab)),
                };
                let namespace = lab.map(Lab::target);
                let mut process = TargetProcess::spawn(command.as_deref(), namespace)?;
                let listening =
                    process.listen(target_plan(setup, cell, serve, at, identity)).await?;
                let at = reached(at, listening.address)?;
                let policy = lab.map_or_else(
                    || setup.policy.clone(),
                    |lab: &Lab| -> Policy { lab.permits(setup.policy.clone()) },
                );
                let address = policy.permit(at).map_err(refused)?;
                Ok((Self::Own(Box::new(Own { process, listening, finished: None })), address))
            }
        }
    }

    /// Whether the target reads the same monotonic clock as we do.
    pub fn one_clock(&self) -> bool {
        match self {
            Self::Own(own) => own.listening.one_clock,
            Self::External(_) => true,
        }
    }

    /// Whether it tells of every connection that it held, so that each is found again: clients have
    /// addresses, and both ends read one clock.
    pub fn names_connections(&self) -> bool {
        let named = |own: &Own| own.listening.one_clock && own.listening.address.inet().is_some();
        matches!(self, Self::Own(own) if named(own))
    }

    /// Tells the target's side when the schedule starts, CLOCK_MONOTONIC in nanoseconds.
    pub async fn start(&mut self, epoch: u64, period: u64, interval: u64) -> Result<(), RunError> {
        match self {
            Self::Own(own) => {
                let ahead = epoch.saturating_sub(clock::monotonic());
                let realtime = clock::realtime() + ahead;
                own.process.say(&ToTarget::Start { monotonic: epoch, realtime }).await
            }
            Self::External(external) => {
                external.sample(Sampling { epoch, period, interval });
                Ok(())
            }
        }
    }

    /// What comes next from the target's side.
    pub async fn next(&mut self) -> Heard {
        match self {
            Self::Own(own) => match own.process.next().await {
                Word::Said(message) => match Told::of(message) {
                    Ok(told) => Heard::Told(told),
                    Err(why) => Heard::Gone(why),
                },
                Word::Gone(why) => Heard::Gone(why),
            },
            Self::External(external) => Heard::Told(unmeasured(external.next().await)),
        }
    }

    /// Ends the target's side after the last attempt; what it still has to say goes to `each`.
    /// Why it could not be ended in an orderly way, if so.
    pub async fn finish(&mut self, mut each: impl FnMut(Told)) -> (LastLook, Option<String>) {
        match self {
            Self::Own(own) => (LastLook::default(), own.finish(each).await.err()),
            Self::External(external) => {
                let look = external.finish(|look| each(unmeasured(look)));
                (look, None)
            }
        }
    }
}

impl Own {
    /// Says goodbye; the whole of it has one deadline, whatever the target says meanwhile.
    async fn finish(&mut self, each: impl FnMut(Told)) -> Result<(), String> {
        match tokio::time::timeout(PATIENCE, self.say_goodbye(each)).await {
            Ok(done) => done,
            Err(_) => Err(format!("no report within {} s", PATIENCE.as_secs())),
        }
    }

    async fn say_goodbye(&mut self, mut each: impl FnMut(Told)) -> Result<(), String> {
        self.process.say(&ToTarget::Stop).await.map_err(|error| error.to_string())?;
        loop {
            match self.process.next().await {
                Word::Said(FromTarget::Finished(finished)) => {
                    self.finished = Some(*finished);
                    return Ok(());
                }
                Word::Said(message) => each(Told::of(message)?),
                Word::Gone(why) => return Err(why),
            }
        }
    }
}

/// What a message means that does not belong here.
pub fn out_of_turn(message: FromTarget) -> String {
    match message {
        FromTarget::Failed { what, remedy } => {
            format!("it could not {what}. {remedy}").trim_end().to_owned()
        }
        FromTarget::Listening(_) | FromTarget::Receiving(_) => {
            "it said twice that it listens".to_owned()
        }
        FromTarget::Finished(_) | FromTarget::Received(_) => {
            "it ended although it was not told to".to_owned()
        }
        FromTarget::Interval(_) | FromTarget::Held(_) | FromTarget::Drained => {
            "it spoke out of turn".to_owned()
        }
    }
}

fn unmeasured((index, seen, queues): Look) -> Told {
    let metrics = BTreeMap::new();
    Told::Interval(Box::new(Interval { index, seen, queues, metrics, datagrams: None }))
}

/// Where clients connect to: load goes to the address that was checked, whatever the target
/// claims. Only the port that it was free to choose is believed, or an abstract name, which leads
/// to nothing outside of the network namespace.
pub fn reached(asked: Endpoint, claimed: Endpoint) -> Result<Endpoint, RunError> {
    match (asked, claimed) {
        (Endpoint::Inet(asked), Endpoint::Inet(claimed)) => {
            Ok(SocketAddr::new(asked.ip(), claimed.port()).into())
        }
        (Endpoint::Udp(asked), Endpoint::Udp(claimed)) => {
            Ok(Endpoint::Udp(SocketAddr::new(asked.ip(), claimed.port())))
        }
        (Endpoint::Unix(kind, _), Endpoint::Unix(_, name)) if name.abstract_name().is_some() => {
            Ok(Endpoint::Unix(kind, name))
        }
        _ => Err(RunError::Environment(format!(
            "the target was asked to listen on {asked:?} and says {claimed:?}"
        ))),
    }
}

/// Where our own target listens: at any port of the lab, or of loopback.
pub fn own_address(cell: &Cell, lab: Option<&Lab>) -> SocketAddr {
    let loopback = match cell.lab.family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(lab.map_or(loopback, Lab::target_address), 0)
}

fn target_plan(
    setup: &Setup,
    cell: &Cell,
    serve: &Serve,
    address: Endpoint,
    identity: Identity,
) -> TargetPlan {
    TargetPlan {
        address,
        duty: Duty::Serve(serve.clone()),
        interval: setup.plan.interval.nanos(),
        seed: identity.seed,
        run: identity.run,
        expected: cost_of_cell(cell).certain_sockets,
        time_line: clock::time_line(),
    }
}

/// An error of the load workers' own system calls, with what the user can do.
pub fn no_threads(error: &io::Error) -> RunError {
    // What is no error of the system is said by itself.
    if error.raw_os_error().is_none() {
        return RunError::Environment(error.to_string());
    }
    RunError::Environment(format!(
        "load workers cannot run: {}; raise the limits of processes (ulimit -u) and of open \
         descriptors (ulimit -n)",
        crate::sys::errno::describe(error)
    ))
}
