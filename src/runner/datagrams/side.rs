//! The target's side of a cell of datagrams.

use std::net::IpAddr;
use std::time::Duration;

use crate::measure::result::DatagramsResult;
use crate::runner::RunError;
use crate::runner::ground::Ground;
use crate::runner::process::{TargetProcess, Word};
use crate::runner::side::{Heard, Identity, Told, out_of_turn, own_address, reached};
use crate::scenario::plan::{Cast, Client, Receive, Target};
use crate::sys::clock;
use crate::sys::endpoint::Endpoint;
use crate::sys::permit::{PermitError, PermittedAddr};
use crate::target::protocol::{
    Duty, FromTarget, Interval, Received, Receiving, TargetPlan, ToTarget,
};

/// Longest wait for the target to read what waits in its buffers, and to report at the end.
const PATIENCE: Duration = Duration::from_secs(20);
/// Sizes whose charge is measured at most.
const MOST_SIZES: usize = 16;

/// A target of ours that receives datagrams.
pub struct Own {
    process: TargetProcess,
    /// What it said when it was ready.
    pub receiving: Receiving,
    /// Its last words; `None` while it runs, and where it ended without them.
    pub received: Option<Received>,
}

impl Own {
    /// Starts it, and says where its receivers are reached.
    ///
    /// # Errors
    /// A refused address is the user's to change; a target that does not start, the environment's.
    pub async fn prepare(
        ground: &Ground<'_>,
        identity: Identity,
    ) -> Result<(Self, Vec<PermittedAddr>), RunError> {
        let Target::Receiver { command, address, receive } = &ground.cell.target else {
            return Err(RunError::Environment("this target takes no datagrams".to_owned()));
        };
        let refused = |error: PermitError| RunError::Input(error.to_string());
        let policy = ground.policy();
        let at = match address {
            Some(name) => policy.resolve_and_permit(name).map_err(refused)?.get(),
            None => Endpoint::to_bind(receive.transport, own_address(ground.cell, ground.lab)),
        };
        let (at, interface) = group(ground, receive, at)?;
        let namespace = ground.lab.map(crate::lab::Lab::target);
        let mut process = TargetProcess::spawn(command.as_deref(), namespace)?;
        let plan = plan(ground, receive, at, interface, identity);
        let receiving = process.receive(plan).await?;
        let wanted = usize::from(receive.receivers);
        if receiving.addresses.len() != wanted {
            return Err(RunError::Environment(format!(
                "the target was asked for {wanted} receivers and has {}",
                receiving.addresses.len()
            )));
        }
        let addresses = receiving
            .addresses
            .iter()
            .map(|claimed| policy.permit(reached(at, *claimed)?).map_err(refused));
        let mut addresses = addresses.collect::<Result<Vec<_>, _>>()?;
        if receive.cast != Cast::Unicast {
            // All of them hear what goes to the one address.
            addresses.truncate(1);
        }
        Ok((Self { process, receiving, received: None }, addresses))
    }

    /// Tells it when the schedule starts, CLOCK_MONOTONIC in nanoseconds.
    pub async fn start(&mut self, epoch: u64) -> Result<(), RunError> {
        let ahead = epoch.saturating_sub(clock::monotonic());
        let realtime = clock::realtime() + ahead;
        self.process.say(&ToTarget::Start { monotonic: epoch, realtime }).await
    }

    /// What comes next from it.
    pub async fn next(&mut self) -> Heard {
        match self.process.next().await {
            Word::Said(FromTarget::Interval(interval)) => Heard::Told(Told::Interval(interval)),
            Word::Said(other) => Heard::Gone(out_of_turn(other)),
            Word::Gone(why) => Heard::Gone(why),
        }
    }

    /// Has it read all that waits; intervals that come meanwhile go to `each`. Why it could not, if
    /// so.
    pub async fn drain(&mut self, each: impl FnMut(Interval)) -> Option<String> {
        self.until(ToTarget::Drain, each, |word| matches!(word, FromTarget::Drained)).await.err()
    }

    /// Ends it in an orderly way; its last words are in `received`.
    pub async fn finish(&mut self, each: impl FnMut(Interval)) -> Option<String> {
        let last = |word: &FromTarget| matches!(word, FromTarget::Received(_));
        match self.until(ToTarget::Stop, each, last).await {
            Ok(FromTarget::Received(received)) => {
                self.received = Some(*received);
                None
            }
            Ok(other) => Some(out_of_turn(other)),
            Err(why) => Some(why),
        }
    }

    /// Says `word` and waits for its answer.
    async fn until(
        &mut self,
        word: ToTarget,
        mut each: impl FnMut(Interval),
        answers: impl Fn(&FromTarget) -> bool,
    ) -> Result<FromTarget, String> {
        let talk = async {
            self.process.say(&word).await.map_err(|error| error.to_string())?;
            loop {
                match self.process.next().await {
                    Word::Said(FromTarget::Interval(interval)) => each(*interval),
                    Word::Said(answer) if answers(&answer) => return Ok(answer),
                    Word::Said(other) => return Err(out_of_turn(other)),
                    Word::Gone(why) => return Err(why),
                }
            }
        };
        let late = || format!("no answer within {} s", PATIENCE.as_secs());
        tokio::time::timeout(PATIENCE, talk).await.unwrap_or_else(|_| Err(late()))
    }
}

/// Where the receivers bind: as asked, or at the address of all, beside the interface's own.
fn group(
    ground: &Ground,
    receive: &Receive,
    at: Endpoint,
) -> Result<(Endpoint, Option<IpAddr>), RunError> {
    if receive.cast == Cast::Unicast {
        return Ok((at, None));
    }
    let group = ground.lab.and_then(|lab| lab.group(receive.cast));
    match (at, group) {
        (Endpoint::Udp(own), Some(group)) => {
            Ok((Endpoint::Udp((group, own.port()).into()), Some(own.ip())))
        }
        _ => Err(RunError::Environment("what goes to all needs a lab".to_owned())),
    }
}

fn plan(
    ground: &Ground,
    receive: &Receive,
    address: Endpoint,
    interface: Option<IpAddr>,
    identity: Identity,
) -> TargetPlan {
    let loads = ground.cell.loads.iter();
    let sizes = loads.filter_map(|load| match &load.client {
        Client::Datagram { datagrams } => Some(datagrams.sizes.examples()),
        _ => None,
    });
    let mut sizes: Vec<u16> = sizes.flatten().collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes.truncate(MOST_SIZES);
    TargetPlan {
        address,
        duty: Duty::Receive { receive: receive.clone(), sizes, interface },
        interval: ground.setup.plan.interval.nanos(),
        seed: identity.seed,
        run: u64::from(run_number(identity)),
        expected: DatagramsResult::MOST_STREAMS as u64,
        time_line: clock::time_line(),
    }
}

/// The run's identity as datagrams carry it.
pub fn run_number(identity: Identity) -> u32 {
    // The low bits of a clock in nanoseconds differ from run to run.
    (identity.run ^ identity.run >> 32) as u32
}
