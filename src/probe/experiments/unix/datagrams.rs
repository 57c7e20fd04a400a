//! How many datagrams wait at a socket that nobody reads?

use std::io::{ErrorKind, Read};

use super::super::tried;
use crate::measure::card::{Experiment, Family, Instrument, Method, Missing, Observation};
use crate::observe::environment::setting_here;
use crate::probe::ground::missing;
use crate::probe::infer::sockets as infer;
use crate::probe::unix_place::UnixPlace;
use crate::probe::{Ground, Site};
use crate::sys::datagram::bind::{Binding, bind};
use crate::sys::errno;
use crate::sys::socket::Dialer;
use crate::units::UnixKind;

/// Linux's setting of how many wait.
const LIMIT: &str = "net.unix.max_dgram_qlen";
/// More are not tried.
const MOST: i64 = 100_000;

/// As the system has it, and with another setting.
pub fn experiments(ground: &Ground) -> Vec<Experiment> {
    vec![experiment(ground, &[]), experiment(ground, &[(LIMIT, "3")])]
}

fn experiment(ground: &Ground, settings: &[(&str, &str)]) -> Experiment {
    let method = Method {
        instrument: Instrument::Receive,
        how: "Datagrams of one byte are sent without waiting until one fails; then all are read."
            .to_owned(),
    };
    let question = "How many datagrams wait at a socket of AF_UNIX, and what becomes of the next?";
    let experiment = Experiment::new("unix.dgram.queue", question, method).with(settings);
    tried(experiment, |experiment| {
        for _ in 0..2 {
            let seen = match settings {
                [] => ground.off_network(filled)?,
                settings => ground.at(Family::Ipv4, settings, filled)?,
            };
            experiment.saw(seen);
        }
        infer::datagrams(experiment);
        Ok(())
    })
}

fn filled(site: &Site) -> Result<Observation, Missing> {
    let place = UnixPlace::new(UnixKind::Datagram, |at| bind(at, Binding::default()))?;
    let dialer = Dialer::new(site.permit(&place.socket)?, &[], None, false);
    let client = dialer.socket(0).map_err(|error| missing("socket", &error))?;
    dialer.connect(&client).map_err(|error| missing("connect", &error))?;
    let sent = (0..MOST).map(|_| client.send(&[0])).take_while(Result::is_ok).count() as i64;
    // What failed fails again, as nobody has read anything.
    let error = client.send(&[0]).err();
    let held = drain(&place)?;
    let mut one = Observation::new().given("trial", "fill").given("sent", sent).seen("held", held);
    if let Some(limit) = setting_here(LIMIT) {
        one = one.given("max_dgram_qlen", limit);
    }
    match error {
        Some(error) => Ok(one.seen("error", errno::error_name(&error))),
        None => Err(Missing::all(format!("{held} datagrams fitted"), "none is known")),
    }
}

fn drain(place: &UnixPlace) -> Result<i64, Missing> {
    let mut held = 0;
    loop {
        match (&place.socket).read(&mut [0; 8]) {
            Ok(_) => held += 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(held),
            Err(error) => return Err(missing("recv", &error)),
        }
    }
}
