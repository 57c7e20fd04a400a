//! A cell of connections: its target and its workers, from the first attempt to the last.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::RunError;
use super::assemble::{Parts, assemble};
use super::capture::Capturing;
use super::clients_side::ClientsSide;
use super::collect::{self, Collecting};
use super::engines::Drive;
use super::ground::{Ground, Measured, Moment, Start, TICK, Watch, spent, window_end};
use super::path::PathWatch;
use super::series::TargetSeries;
use super::side::{Heard, Identity, Side, no_threads};
use super::workers::{self, Work, Workers};
use crate::engine::Stop;
use crate::explain::Occasion;
use crate::measure::attempts::Attempts;
use crate::measure::book::Book;
use crate::observe::cpu;
use crate::sys::clock;
use crate::sys::permit::PermittedAddr;

/// Longest wait for a target's report when the user does not want to wait.
const FAREWELL: Duration = Duration::from_secs(3);

/// The clients' side at work.
struct Clients {
    workers: Workers,
    collecting: Collecting,
    /// Ends the workers early.
    stop: Arc<Stop>,
    epoch: u64,
}

/// Who is told of what happens while the workers are at it.
struct Seers<'a> {
    series: &'a mut TargetSeries,
    beside: &'a mut ClientsSide,
    path: &'a mut PathWatch,
}

impl Clients {
    /// Nanoseconds since the start of the schedule; 0 before it.
    fn elapsed(&self) -> u64 {
        clock::monotonic().saturating_sub(self.epoch)
    }
}

impl Ground<'_> {
    /// Runs a cell of connections.
    ///
    /// # Errors
    /// Where nothing could be measured at all.
    pub async fn connections(&self, watch: Watch<'_>) -> Result<Measured, RunError> {
        let identity = Identity { run: clock::realtime(), seed: self.seed };
        self.check_ports()?;
        let prepare = Side::prepare(self.setup, self.cell, self.lab, identity);
        let (mut side, address) = tokio::select! {
            prepared = prepare => prepared?,
            () = self.interrupted(Duration::ZERO) => {
                return Err(RunError::Environment("interrupted before the target listened".into()));
            }
        };
        let mut path = PathWatch::new(self.impair(&[address])?, self.setup.plan.interval.nanos());
        let before = self.before();
        let start = Start::soon(side.one_clock());
        let capturing = self.capture(start)?;
        let interval = self.setup.plan.interval.nanos();
        let mut beside = ClientsSide::start(address, interval);
        side.start(start.epoch, self.sample_period(), interval).await?;
        let drives = workers::drives(self.cell).map_err(|error| no_threads(&error))?;
        let names = side.names_connections();
        let clients = self.start_clients((address, names), start, identity, &drives)?;
        beside.add(&clients.workers.resident);
        let mut series =
            TargetSeries::new(self.logs(start.realtime, vec!["target".to_owned()]), interval);
        let seers = Seers { series: &mut series, beside: &mut beside, path: &mut path };
        let gone = self.attend(&mut side, &clients, seers, watch).await;
        let stopped_at = clients.elapsed();
        let left = clients.workers.join();
        let beside = beside.finish(stopped_at);
        path.look(stopped_at);
        let mut collected = clients.collecting.finish();
        let (look, unfinished) = match gone {
            Some(why) => (Default::default(), Some(why)),
            None => tokio::select! {
                last = side.finish(|told| series.enter(told, stopped_at)) => last,
                () = self.interrupted(FAREWELL) => {
                    (Default::default(), Some("it did not report in time".to_owned()))
                }
            },
        };
        collected.attempts.held(&series.take_held());
        let status = self.status(unfinished);
        let mut captured = capturing.map(Capturing::finish);
        let capture_failed = captured.as_mut().and_then(|captured| captured.failed.take());
        let (target_failed, target) = series.finish();
        let cpus = self.setup.environment.cpus;
        let parts = Parts {
            plan: &self.setup.plan,
            cell: self.cell,
            place: self.place(),
            settings: self.settings(),
            status,
            address,
            side,
            look,
            book: collected.book,
            occasion: Occasion { seed: self.seed, epoch: start.epoch, cpus },
            path: path.finish(),
            reports: left.reports,
            drives,
            target,
            beside,
            captured,
            client_counters: self.client_counters(before.client),
            cut_at: clients.stop.requested().then_some(stopped_at),
            steal: cpu::steal().unwrap_or_default().saturating_sub(before.steal),
            cpu: spent(before.cpu),
        };
        let measured = assemble(parts, collected.attempts);
        let failed = collected.failed.or(target_failed).or(capture_failed).map(RunError::from);
        let failed = left.failed.map(|error| no_threads(&error)).or(failed);
        Ok((measured, failed))
    }

    fn start_clients(
        &self,
        (address, names): (PermittedAddr, bool),
        start: Start,
        identity: Identity,
        drives: &[Drive],
    ) -> Result<Clients, RunError> {
        let sources = self.sources(address)?;
        let policy = self.policy();
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
            names,
            seed: identity.seed,
        };
        let stop = Arc::new(Stop::new());
        let (workers, ends) =
            workers::start(&work, drives, &stop).map_err(|error| no_threads(&error))?;
        let ends_of_windows: Vec<u64> =
            self.cell.loads.iter().map(|load| window_end(load).as_nanos() as u64).collect();
        let book = Book::new(interval, &ends_of_windows);
        let attempts = Attempts::new(self.cell.loads.len(), names);
        let names = self.cell.loads.iter().map(|load| load.name.clone()).collect();
        let logs = self.logs(start.realtime, names);
        let collecting = collect::start(ends.batches, ends.emptied, (book, attempts), logs)
            .map_err(|error| no_threads(&error))?;
        Ok(Clients { workers, collecting, stop, epoch: start.epoch })
    }

    /// Waits for the workers' end; why the target is gone, if it went before them.
    async fn attend(
        &self,
        side: &mut Side,
        clients: &Clients,
        Seers { series, beside, path }: Seers<'_>,
        watch: Watch<'_>,
    ) -> Option<String> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut gone = None;
        loop {
            tokio::select! {
                heard = side.next(), if gone.is_none() => match heard {
                    Heard::Told(told) => {
                        series.enter(told, clients.elapsed());
                        clients.collecting.held(series.take_held());
                    }
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
                    path.look(clients.elapsed());
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
}
