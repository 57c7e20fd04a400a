//! A cell of datagrams: its senders, its target, and what is lost between them.

mod assemble;
mod external;
mod join;
mod senders;
mod side;
mod timeline;

use std::sync::PoisonError;
use std::time::Duration;

use self::assemble::{Parts, assemble};
use self::external::External;
use self::senders::{Senders, Sending};
use self::side::Own;
use super::RunError;
use super::capture::Capturing;
use super::ground::{Ground, Measured, Moment, Start, TICK, Watch, spent, window_end};
use super::path::PathWatch;
use super::series::TargetSeries;
use super::side::{Heard, Identity, no_threads};
use crate::observe::cpu;
use crate::observe::sampler::Sampling;
use crate::scenario::plan::Target;
use crate::sys::clock;
use crate::sys::permit::PermittedAddr;

/// Longest wait for what is still on its way when all is sent.
const ON_THE_WAY: Duration = Duration::from_secs(10);
/// How often is looked for what is on its way.
const LOOK: Duration = Duration::from_millis(2);

/// The target's side of a cell.
enum Side {
    /// Ours.
    Own(Box<Own>),
    /// A server of the user.
    External(Box<External>),
}

impl Side {
    async fn prepare(
        ground: &Ground<'_>,
        identity: Identity,
    ) -> Result<(Self, Vec<PermittedAddr>), RunError> {
        if let Target::External { address, .. } = &ground.cell.target {
            let address = ground.setup.policy.resolve_and_permit(address);
            let address = address.map_err(|error| RunError::Input(error.to_string()))?;
            return Ok((Self::External(Box::new(External::look(address.get()))), vec![address]));
        }
        let (own, addresses) = Own::prepare(ground, identity).await?;
        Ok((Self::Own(Box::new(own)), addresses))
    }

    fn one_clock(&self) -> bool {
        match self {
            Self::Own(own) => own.receiving.one_clock,
            Self::External(_) => true,
        }
    }

    /// What comes next; never anything from a server of the user.
    async fn next(&mut self) -> Heard {
        match self {
            Self::Own(own) => own.next().await,
            Self::External(_) => std::future::pending().await,
        }
    }
}

impl Ground<'_> {
    /// Runs a cell of datagrams.
    ///
    /// # Errors
    /// Where nothing could be measured at all.
    pub async fn datagrams(&self, watch: Watch<'_>) -> Result<Measured, RunError> {
        let identity = Identity { run: clock::realtime(), seed: self.seed };
        self.check_ports()?;
        let prepare = Side::prepare(self, identity);
        let (mut side, addresses) = tokio::select! {
            prepared = prepare => prepared?,
            () = self.interrupted(Duration::ZERO) => {
                return Err(RunError::Environment("interrupted before the target listened".into()));
            }
        };
        let interval = self.setup.plan.interval.nanos();
        let mut path = PathWatch::new(self.impair(&addresses)?, interval);
        let before = self.before();
        let start = Start::soon(side.one_clock());
        let capturing = self.capture(start)?;
        match &mut side {
            Side::Own(own) => own.start(start.epoch).await?,
            Side::External(external) => {
                let period = self.sample_period();
                external.sample(Sampling { epoch: start.epoch, period, interval });
            }
        }
        let sending = Sending {
            ground: self,
            identity,
            addresses: &addresses,
            start,
            realtime: !side.one_clock(),
        };
        let senders = sending.start()?;
        let logs = self.logs(start.realtime, vec!["target".to_owned()]);
        let mut series = TargetSeries::new(logs, interval);
        let gone = self.attend_senders(&mut side, &senders, (&mut series, &mut path), watch).await;
        let stopped_at = senders.elapsed();
        let cut_at = senders.stopped().then_some(stopped_at);
        let (unfinished, left) = match &mut side {
            Side::Own(own) if gone.is_none() => {
                self.close(own, senders, (&mut series, &mut path)).await
            }
            _ => (gone, senders.finish(false)),
        };
        let (target_failed, target) = series.finish();
        let mut captured = capturing.map(Capturing::finish);
        let capture_failed = captured.as_mut().and_then(|captured| captured.failed.take());
        let (own, external) = match side {
            Side::Own(own) => (Some(*own), None),
            Side::External(external) => (None, Some(external.finish())),
        };
        let measured = assemble(Parts {
            ground: self,
            status: self.status(unfinished),
            addresses,
            own,
            external,
            book: left.book,
            reports: left.reports,
            target,
            path: path.finish(),
            wire: captured.map(|captured| captured.result),
            client_counters: self.client_counters(before.client),
            cut_at,
            steal: cpu::steal().unwrap_or_default().saturating_sub(before.steal),
            cpu: spent(before.cpu),
        });
        let failed = left.failed_log.or(target_failed).or(capture_failed).map(RunError::from);
        let failed = left.failed.map(|error| no_threads(&error)).or(failed);
        Ok((measured, failed))
    }

    /// Waits until all is sent; why the target is gone, if it went before.
    async fn attend_senders(
        &self,
        side: &mut Side,
        senders: &Senders,
        (series, path): (&mut TargetSeries, &mut PathWatch),
        watch: Watch<'_>,
    ) -> Option<String> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                heard = side.next() => match heard {
                    Heard::Told(told) => series.enter(told, senders.elapsed()),
                    Heard::Gone(why) => {
                        senders.stop();
                        return Some(why);
                    }
                },
                _ = tick.tick() => {
                    if self.setup.interrupted.requested() {
                        senders.stop();
                    }
                    path.look(senders.elapsed());
                    if senders.have_sent() {
                        return None;
                    }
                    watch(&self.seen(senders, series));
                }
            }
        }
    }

    fn seen(&self, senders: &Senders, series: &TargetSeries) -> Moment {
        let windows = self.cell.loads.iter().map(|load| window_end(load).as_secs_f64());
        Moment {
            index: self.index,
            name: self.cell.name.clone(),
            elapsed_s: senders.elapsed() as f64 / 1e9,
            window_s: windows.fold(0.0, f64::max),
            seen: *senders.seen.lock().unwrap_or_else(PoisonError::into_inner),
            accept_queue: series.receive_queue(),
        }
    }

    /// All is sent: what is on its way arrives, what waits is read, then the streams are closed, so
    /// that a full buffer loses no closing marker.
    async fn close(
        &self,
        own: &mut Own,
        senders: Senders,
        (series, path): (&mut TargetSeries, &mut PathWatch),
    ) -> (Option<String>, senders::Left) {
        arrival(path).await;
        let now = senders.elapsed();
        let drained = own.drain(|interval| series.interval(interval, now)).await;
        let left = senders.finish(drained.is_none());
        arrival(path).await;
        path.look(left.ended_at);
        let unfinished = match drained {
            Some(why) => Some(why),
            None => own.finish(|interval| series.interval(interval, left.ended_at)).await,
        };
        (unfinished, left)
    }
}

/// Waits until nothing is on its way any more, as far as that can be known.
async fn arrival(path: &PathWatch) {
    let deadline = tokio::time::Instant::now() + ON_THE_WAY;
    while path.queued() > 0 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
    }
}
