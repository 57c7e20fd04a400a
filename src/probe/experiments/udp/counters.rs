//! Who counts the datagrams that a full receive buffer drops?

use super::super::tried;
use super::ASKED;
use crate::measure::card::{Experiment, Family, Instrument, Method, Methods, Missing, Observation};
use crate::observe::counters::Counters;
use crate::probe::buffer::Buffer;
use crate::probe::ground::missing;
use crate::probe::infer::sockets as infer;
use crate::probe::{Ground, METHODS, Site};
use crate::sys::datagram::receive::{BATCH, Inbox};

/// Payload in bytes, and datagrams that are sent: more than any known system holds of them in
/// [`ASKED`] bytes, doubled.
const TRIALS: [(usize, u32); 3] = [(100, 4000), (1024, 500), (8192, 100)];

pub fn experiment(ground: &Ground, family: Family) -> Experiment {
    let method = Method {
        instrument: Instrument::Counters,
        how:
            "More datagrams are sent than a buffer holds. Its socket and the namespace's counters \
              are asked before they are read; afterwards one more is sent."
                .to_owned(),
    };
    let question = "Who counts the datagrams that a full receive buffer drops?";
    let experiment = Experiment::new("udp.receive_buffer.counters", question, method).over(family);
    tried(experiment, |experiment| {
        if METHODS == Methods::Portable {
            return Err(Missing::all(
                "POSIX has no counters of dropped datagrams, and portable methods alone were asked for",
                "build without the feature portable",
            ));
        }
        for (payload, count) in TRIALS {
            let seen = ground.at(family, &[], |site| trial(site, family, payload, count))?;
            experiment.saw(seen);
        }
        infer::counters(experiment);
        Ok(())
    })
}

/// The names of the counters over each family, and what they are called on the card.
fn names(family: Family) -> [(&'static str, &'static str); 2] {
    match family {
        Family::Ipv4 => [("RcvbufErrors", "rcvbuf_errors"), ("InErrors", "in_errors")],
        Family::Ipv6 => [("Udp6RcvbufErrors", "rcvbuf_errors"), ("Udp6InErrors", "in_errors")],
    }
}

fn trial(site: &Site, family: Family, payload: usize, count: u32) -> Result<Observation, Missing> {
    let buffer = Buffer::open(site, Some(ASKED))?;
    let before = Counters::read();
    buffer.send(0..count, payload)?;
    let (memory, after) = (buffer.memory(), Counters::read());
    let (held, told) = read(&buffer)?;
    buffer.send(count..count + 1, payload)?;
    let (_, late) = read(&buffer)?;
    let mut one = Observation::new()
        .given("payload", payload as i64)
        .given("sent", i64::from(count))
        .seen("held", held)
        .seen("told_by_those_before", told.unwrap_or(0));
    if let Some(late) = late {
        one = one.seen("rxq_ovfl", late);
    }
    if let Some(memory) = memory {
        one = one.seen("socket_drops", i64::from(memory.drops));
    }
    if let (Ok(before), Ok(after)) = (before, after) {
        for (name, called) in names(family) {
            let grown = after.get(name).zip(before.get(name)).map(|(after, before)| after - before);
            if let Some(grown) = grown {
                one = one.seen(called, i64::try_from(grown).unwrap_or(i64::MAX));
            }
        }
    }
    Ok(one)
}

/// Reads all: how many, and what SO_RXQ_OVFL told last beside one of them.
fn read(buffer: &Buffer) -> Result<(i64, Option<i64>), Missing> {
    let mut inbox = Inbox::new(64, false);
    let (mut held, mut told) = (0, None);
    loop {
        match inbox.receive(&buffer.receiver, BATCH) {
            Ok(0) => return Ok((held, told)),
            Ok(count) => held += count as i64,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                return Ok((held, told));
            }
            Err(error) => return Err(missing("recvmmsg", &error)),
        }
        told = inbox.arrived().filter_map(|one| one.dropped.map(i64::from)).last().or(told);
    }
}
