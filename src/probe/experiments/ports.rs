//! How many ports does one client have towards one destination?

use std::net::SocketAddr;

use socket2::Socket;

use super::{FAMILIES, tried};
use crate::measure::card::{Experiment, Family, Instrument, Method, Missing, Observation};
use crate::observe::environment::settings_here;
use crate::probe::ground::{is_shortage, missing};
use crate::probe::infer::timers;
use crate::probe::waiting::word;
use crate::probe::{Ground, Order, Site};
use crate::sys::endpoint::Endpoint;
use crate::sys::listener::listen;
use crate::sys::permit::PermittedAddr;
use crate::sys::socket::Dialer;
use crate::units::{Ports, UnitError};

const RANGE: &str = "net.ipv4.ip_local_port_range";
/// A short range, in a lab, and how many ports it has.
const SHORT: (&str, usize) = ("40000 40019", 20);
/// The same by a socket's own option, anywhere.
const OWN: &str = "40000-40019";
/// A listener's port outside of the range, which would be taken from it otherwise.
const OUTSIDE: u16 = 30_000;
/// Clients that show which ports are taken first where the range is long.
const FEW: usize = 32;

/// A short range of the namespace and of a socket, each used up; and a few of the whole range.
pub fn experiments(ground: &Ground, _: &Order) -> Vec<Experiment> {
    FAMILIES.iter().flat_map(|f| [whole(ground, *f), short(ground, *f), own(ground, *f)]).collect()
}

fn method(how: &str) -> Method {
    Method { instrument: Instrument::Errors, how: how.to_owned() }
}

fn whole(ground: &Ground, family: Family) -> Experiment {
    let how = "The range is read; a few clients show which ports of it are taken first. It is not \
               used up: other programs need it, too.";
    let question = "How long is the range of local ports, and which are taken first?";
    let experiment = Experiment::new("tcp.ports.range", question, method(how)).over(family);
    tried(experiment, |experiment| {
        let (range, seen) = ground.at(family, &[], |site| {
            let listener = site.listen(2 * FEW as i32)?;
            let taken = connects(site.permit(&listener)?, None, FEW)?;
            Ok((settings_here().get(RANGE).cloned(), taken))
        })?;
        experiment.saw(seen);
        match range {
            Some(range) => {
                experiment.saw(Observation::new().given("way", "read").seen("range", range));
            }
            None => experiment.missing.push(
                Missing::all("this system has no such file below /proc/sys", "see its own tools")
                    .of("range"),
            ),
        }
        timers::ports(experiment);
        Ok(())
    })
}

fn short(ground: &Ground, family: Family) -> Experiment {
    let how = "Clients connect to one listener and stay, until one is refused; then sockets are \
               bound to port 0 until one is refused.";
    let question = "How many clients have a port towards one destination in a short range?";
    let settings = &[(RANGE, SHORT.0)];
    let experiment = Experiment::new("tcp.ports.short_range", question, method(how));
    tried(experiment.over(family).with(settings), |experiment| {
        for bound in [false, true] {
            let seen = ground.at(family, settings, |site| match bound {
                true => binds(site, 2 * SHORT.1),
                false => {
                    let (_listener, address) = outside(site)?;
                    connects(address, None, 2 * SHORT.1)
                }
            })?;
            experiment.saw(seen);
        }
        timers::ports(experiment);
        Ok(())
    })
}

fn own(ground: &Ground, family: Family) -> Experiment {
    let how = "As in a short range of the namespace, which each socket has for itself: \
               IP_LOCAL_PORT_RANGE.";
    let question = "How many clients have a port towards one destination in a socket's own range?";
    let experiment = Experiment::new("tcp.ports.own_range", question, method(how)).over(family);
    tried(experiment, |experiment| {
        let ports: Ports =
            OWN.parse().map_err(|error: UnitError| Missing::all(error.to_string(), "none"))?;
        let seen = ground.at(family, &[], |site| {
            let listener = site.listen(2 * SHORT.1 as i32)?;
            let address = site.permit(&listener)?;
            Dialer::new(address, &[], Some(ports), false)
                .socket(0)
                .map_err(|error| missing("IP_LOCAL_PORT_RANGE", &error))?;
            connects(address, Some(ports), 2 * SHORT.1)
        })?;
        experiment.saw(seen);
        timers::ports(experiment);
        Ok(())
    })
}

/// A listener at a port of its own; it lives as long as its clients.
fn outside(site: &Site) -> Result<(Socket, PermittedAddr), Missing> {
    let listener = listen(SocketAddr::new(site.address, OUTSIDE), 4 * SHORT.1 as i32);
    let listener = listener.map_err(|error| missing("listen", &error))?;
    let address = site.permit(&listener)?;
    Ok((listener, address))
}

/// Clients that connect and stay, until one is refused or there are so many.
fn connects(to: PermittedAddr, range: Option<Ports>, most: usize) -> Result<Observation, Missing> {
    let dialer = Dialer::new(to, &[], range, false);
    let next = || {
        let socket = dialer.socket(0)?;
        dialer.connect(&socket)?;
        Ok(socket)
    };
    taken("connect", most, next)
}

/// Sockets that are bound to a port of the system's choice, until one is refused.
fn binds(site: &Site, most: usize) -> Result<Observation, Missing> {
    let anywhere = SocketAddr::new(site.address, 0);
    let next = || {
        let socket = Endpoint::from(anywhere).socket()?;
        socket.bind(&anywhere.into())?;
        Ok(socket)
    };
    taken("bind", most, next)
}

/// Calls `next` until it fails, at most so often; which ports that took. A want of descriptors or
/// memory is no end of ports.
fn taken(
    way: &str,
    most: usize,
    next: impl Fn() -> std::io::Result<Socket>,
) -> Result<Observation, Missing> {
    let mut held = Vec::new();
    let mut error = "ok".to_owned();
    while held.len() < most {
        match next() {
            Ok(socket) => held.push(socket),
            Err(error) if is_shortage(&error) => return Err(missing(way, &error)),
            refused => {
                error = word(&refused);
                break;
            }
        }
    }
    let port = |socket: &Socket| Some(f64::from(socket.local_addr().ok()?.as_socket()?.port()));
    let ports: Vec<_> = held.iter().filter_map(port).collect();
    let seen = Observation::new().given("way", way).seen("got", held.len() as i64);
    Ok(seen.seen("error", error).seen("ports", ports))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_want_of_descriptors_is_no_end_of_ports() {
        let failing = |errno: i32| move || Err(std::io::Error::from_raw_os_error(errno));
        let used_up = taken("connect", 9, failing(libc::EADDRNOTAVAIL)).expect("an end of ports");
        assert_eq!(used_up.seen["error"], "EADDRNOTAVAIL".into());
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS] {
            let missing = taken("connect", 9, failing(errno)).expect_err("no end of ports");
            assert!(missing.why.starts_with("connect failed with E"), "{missing:?}");
        }
    }
}
