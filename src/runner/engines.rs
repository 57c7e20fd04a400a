//! Which engine drives which load, and how many workers of it.

use crate::engine::{IoUringEngine, MioEngine};
use crate::load::{Schedule, Shape};
use crate::scenario::plan::{EngineChoice, Load};
use crate::scenario::{certain_sockets, engines, is_movable};

/// Attempts a second that one worker does with ease.
const EASY_RATE: f64 = 20_000.0;
/// Most workers of a load, as of the key `workers`.
const MOST: u64 = 256;

/// What can drive a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// Threads with epoll.
    Mio,
    /// Threads with io_uring.
    IoUring,
    /// Processes with epoll.
    Processes,
}

impl Driver {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mio, Self::IoUring, Self::Processes];

    /// The name in results, which is that of the key's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mio => MioEngine::NAME,
            Self::IoUring => IoUringEngine::NAME,
            Self::Processes => "processes",
        }
    }
}

/// How a load is driven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drive {
    /// By what.
    pub driver: Driver,
    /// By how many threads or processes.
    pub workers: u16,
    /// Where that is not what was asked for: why, one sentence each.
    pub notices: Vec<String>,
}

/// How each load of a cell is driven. `limit` is the number of descriptors that clients' sockets of
/// one process may take, and about as many can one ring keep; `probe` says why io_uring cannot be
/// used, and is asked only where it is wanted.
pub fn drives(loads: &[Load], limit: u64, probe: impl Fn() -> Result<(), String>) -> Vec<Drive> {
    let wanted = engines(loads, limit);
    let refused = wanted.contains(&EngineChoice::IoUring).then(probe).and_then(Result::err);
    let chosen = loads.iter().zip(wanted).map(|(load, wanted)| chosen(load, wanted, &refused));
    let mut drives: Vec<Drive> = chosen.collect();
    for driver in [Driver::IoUring, Driver::Processes] {
        let group = loads.iter().zip(&mut drives).filter(|(_, drive)| drive.driver == driver);
        spread(&mut group.collect::<Vec<_>>(), limit);
    }
    drives
}

/// The driver of a load; how many workers it would have by its rate alone.
fn chosen(load: &Load, wanted: EngineChoice, refused: &Option<String>) -> Drive {
    let (driver, notices) = match (wanted, refused) {
        (EngineChoice::IoUring, None) => (Driver::IoUring, Vec::new()),
        (EngineChoice::IoUring, Some(why)) => {
            let (driver, instead) = match is_movable(load) {
                true => (Driver::Processes, "worker processes"),
                false => (Driver::Mio, "epoll"),
            };
            (driver, vec![format!("io_uring cannot be used, and {instead} took its place: {why}")])
        }
        (EngineChoice::Processes, _) => (Driver::Processes, Vec::new()),
        (EngineChoice::Auto | EngineChoice::Mio, _) => (Driver::Mio, Vec::new()),
    };
    Drive { driver, workers: load.workers.unwrap_or_else(|| by_rate(load)), notices }
}

/// Gives loads of one driver so many workers that these can keep all connections.
fn spread(group: &mut [(&Load, &mut Drive)], limit: u64) {
    let kept = |load| if is_movable(load) { certain_sockets(load) } else { 0 };
    let all = group.iter().map(|(load, _)| kept(load)).fold(0, u64::saturating_add);
    let least = all.div_ceil(limit.max(1)).min(MOST) as u16;
    for (load, drive) in group.iter_mut().filter(|(load, _)| kept(load) > 0) {
        if load.workers.is_some_and(|workers| workers < least) {
            drive.notices.push(format!(
                "{all} connections need {least} workers, each of which can keep {limit}: \
                 workers = {} was not enough",
                drive.workers
            ));
        }
        drive.workers = drive.workers.max(least);
    }
}

/// Workers that a load's rate asks for.
pub fn by_rate(load: &Load) -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    match &load.schedule {
        // As fast as the target lets them, which one worker can keep up with on this machine.
        Schedule::Closed { .. } => 1,
        Schedule::Open { shape, .. } => {
            let wanted = (peak_rate(shape) / EASY_RATE).ceil() as u32;
            wanted.clamp(1, cores) as u16
        }
    }
}

fn peak_rate(shape: &Shape) -> f64 {
    match shape {
        Shape::Constant { rate } | Shape::Poisson { rate } => rate.per_second(),
        Shape::Ramp { from, to } => from.per_second().max(to.per_second()),
        Shape::Step { stages } => stages.iter().map(|s| s.rate.per_second()).fold(0.0, f64::max),
        Shape::Burst { size, every } => *size as f64 * 1e9 / every.nanos().max(1) as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::plan::Client;
    use crate::units::{Rate, Span};

    const REFUSAL: &str = "io_uring_setup: EPERM: kernel.io_uring_disabled must be 0";

    fn load(client: Client, count: u64, engine: EngineChoice) -> Load {
        let shape = Shape::Constant { rate: Rate::new(1000.0).expect("a rate") };
        let window = Span::from_millis(count);
        let schedule = Schedule::Open { shape, window, attempts: Some(count) };
        Load { engine, ..Load::new("load", client, schedule) }
    }

    /// Keeps `count` connections.
    fn hold(count: u64, engine: EngineChoice) -> Load {
        load(Client::Hold { until: Span::from_millis(2 * count), exchange: None }, count, engine)
    }

    fn granted() -> Result<(), String> {
        Ok(())
    }

    fn denied() -> Result<(), String> {
        Err(REFUSAL.to_owned())
    }

    fn driven(load: Load, probe: fn() -> Result<(), String>) -> (Driver, u16, Vec<String>) {
        let Drive { driver, workers, notices } = drives(&[load], 1000, probe).remove(0);
        (driver, workers, notices)
    }

    #[test]
    fn who_keeps_more_than_a_process_can_open_has_enough_workers() {
        let auto = || hold(4001, EngineChoice::Auto);
        assert_eq!(driven(auto(), granted), (Driver::IoUring, 5, Vec::new()));
        let (driver, workers, notices) = driven(auto(), denied);
        assert_eq!((driver, workers), (Driver::Processes, 5));
        assert!(notices[0].contains(REFUSAL) && notices[0].contains("processes"), "{notices:?}");
        let few = Load { workers: Some(2), ..auto() };
        let (driver, workers, notices) = driven(few, granted);
        assert_eq!((driver, workers), (Driver::IoUring, 5));
        assert!(notices[0].contains("workers = 2 was not enough"), "{notices:?}");
        let many = Load { workers: Some(9), ..auto() };
        assert_eq!(driven(many, granted), (Driver::IoUring, 9, Vec::new()));
        assert_eq!(driven(hold(u64::MAX / 4, EngineChoice::Processes), denied).1, 256);
    }

    #[test]
    fn what_is_asked_for_is_had() {
        let probed = || -> Result<(), String> { panic!("nobody wants it") };
        assert_eq!(driven(hold(900, EngineChoice::Auto), probed), (Driver::Mio, 1, vec![]));
        assert_eq!(driven(hold(4001, EngineChoice::Mio), probed), (Driver::Mio, 1, vec![]));
        assert_eq!(driven(hold(10, EngineChoice::IoUring), granted), (Driver::IoUring, 1, vec![]));
        let processes = driven(hold(1001, EngineChoice::Processes), probed);
        assert_eq!(processes, (Driver::Processes, 2, vec![]));
    }

    #[test]
    fn loads_of_one_engine_share_its_workers() {
        let brief = load(
            Client::Connect { hold: Span::default(), greet: false },
            100,
            EngineChoice::IoUring,
        );
        let loads = [hold(1500, EngineChoice::IoUring), hold(1400, EngineChoice::Auto), brief];
        let drives = drives(&loads, 1000, granted);
        let summary: Vec<_> = drives.iter().map(|d| (d.driver, d.workers)).collect();
        assert_eq!(summary, [(Driver::IoUring, 3), (Driver::IoUring, 3), (Driver::IoUring, 1)]);
    }

    #[test]
    fn half_open_clients_stay_with_their_lab() {
        let client = Client::HalfOpen { hold: Span::from_millis(5000) };
        let wish = || load(client.clone(), 100, EngineChoice::IoUring);
        assert_eq!(driven(wish(), granted).0, Driver::IoUring);
        let (driver, _, notices) = driven(wish(), denied);
        assert_eq!(driver, Driver::Mio);
        assert!(notices[0].contains("epoll took its place"), "{notices:?}");
    }
}
