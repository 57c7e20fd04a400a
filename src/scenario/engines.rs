//! Which engine drives a load when nothing says so.

use super::cost::certain_sockets;
use super::plan::{Client, EngineChoice, Load, WhenFull};

/// Descriptors of a process that are not for clients' sockets: logs, pipes, polls, timers.
pub const RESERVED: u64 = 128;

/// The engine of each load where every engine can be used: none of them is [`EngineChoice::Auto`]
/// any more. Clients' sockets may take `usable` descriptors of a process.
///
/// epoll is measured to be best as long as there are descriptors. Where they certainly are too few
/// for all, the loads that keep connections get by without.
pub fn engines(loads: &[Load], usable: u64) -> Vec<EngineChoice> {
    let here = loads.iter().filter(|load| {
        !is_movable(load) || matches!(load.engine, EngineChoice::Auto | EngineChoice::Mio)
    });
    let crowded = here.map(certain_sockets).fold(0, u64::saturating_add) > usable;
    loads.iter().map(|load| engine(load, crowded)).collect()
}

fn engine(load: &Load, crowded: bool) -> EngineChoice {
    match load.engine {
        EngineChoice::Auto if crowded && is_movable(load) && certain_sockets(load) > 0 => {
            // Who waits for room, or sends with the SYN, is driven by epoll only.
            match load.when_full == WhenFull::Wait || load.fast_open {
                true => EngineChoice::Processes,
                false => EngineChoice::IoUring,
            }
        }
        EngineChoice::Auto => EngineChoice::Mio,
        chosen => chosen,
    }
}

/// Whether connections of the load can be kept without a descriptor of the runner for each.
pub fn is_movable(load: &Load) -> bool {
    !matches!(load.client, Client::HalfOpen { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Schedule, Shape};
    use crate::units::{Rate, Span};

    /// Keeps `count` connections.
    fn hold(count: u64, engine: EngineChoice) -> Load {
        let shape = Shape::Constant { rate: Rate::new(1000.0).expect("a rate") };
        let window = Span::from_millis(count);
        let schedule = Schedule::Open { shape, window, attempts: Some(count) };
        let client = Client::Hold { until: Span::from_millis(2 * count), exchange: None };
        Load { engine, ..Load::new("held", client, schedule) }
    }

    #[test]
    fn epoll_as_long_as_there_are_descriptors() {
        use EngineChoice::{Auto, IoUring, Mio, Processes};
        assert_eq!(engines(&[hold(1000, Auto)], 1000), [Mio]);
        assert_eq!(engines(&[hold(1001, Auto)], 1000), [IoUring]);
        // What others take counts, and only what can be moved is moved.
        let half_open = Load {
            client: Client::HalfOpen { hold: Span::from_millis(10_000) },
            ..hold(600, Auto)
        };
        let brief = Load {
            client: Client::Connect { hold: Span::default(), greet: false },
            ..hold(600, Auto)
        };
        let loads = [half_open, hold(600, Auto), brief, hold(600, Processes)];
        assert_eq!(engines(&loads, 1000), [Mio, IoUring, Mio, Processes]);
        assert_eq!(engines(&loads[1..], 1000), [Mio, Mio, Processes]);
        let waits = Load { when_full: WhenFull::Wait, ..hold(5000, Auto) };
        assert_eq!(engines(&[waits], 1000), [Processes]);
        assert_eq!(engines(&[hold(5000, Mio), hold(1, Auto)], 1000), [Mio, IoUring]);
    }
}
