//! What does a receive buffer of UDP hold, and what does it drop?

mod counters;

use super::{FAMILIES, tried};
use crate::measure::card::{Experiment, Family, Instrument, Method, Methods, Missing, Observation};
use crate::probe::buffer::{Buffer, Filled, overfill, smallest};
use crate::probe::infer::sockets as infer;
use crate::probe::{Ground, METHODS, Order, Site};

/// Given to SO_RCVBUF.
const ASKED: usize = 65_536;
/// Lengths of datagrams in bytes.
const PAYLOADS: [usize; 6] = [1, 100, 512, 1024, 1472, 8192];
/// Larger than any system gives to anybody.
const HUGE: usize = 1 << 30;
/// No buffer is searched that holds more: its size and its count tell enough.
const MANY: usize = 2000;

/// Over both families of addresses.
pub fn experiments(ground: &Ground, _: &Order) -> Vec<Experiment> {
    let of = |family: Family| {
        [size(ground, family), capacity(ground, family), counters::experiment(ground, family)]
    };
    FAMILIES.into_iter().flat_map(of).collect()
}

fn size(ground: &Ground, family: Family) -> Experiment {
    let method = Method {
        instrument: Instrument::Errors,
        how: "SO_RCVBUF is set to several values on fresh sockets, and read back.".to_owned(),
    };
    let question = "How large a receive buffer does UDP get for SO_RCVBUF?";
    let experiment = Experiment::new("udp.receive_buffer.size", question, method).over(family);
    tried(experiment, |experiment| {
        let seen = ground.at(family, &[], |site| {
            let mut seen = vec![asked(site, None)];
            let least = (0..11).map(|bits| 1 << bits);
            let more = [4096, 16_384, 32_768, ASKED, HUGE];
            seen.extend(least.chain(more).map(|bytes| asked(site, Some(bytes))));
            Ok(seen)
        })?;
        seen.into_iter().for_each(|one| {
            experiment.saw(one);
        });
        infer::size(experiment);
        Ok(())
    })
}

fn asked(site: &Site, bytes: Option<usize>) -> Observation {
    let observation = match bytes {
        Some(bytes) => Observation::new().given("asked", bytes as i64),
        None => Observation::new(),
    };
    match Buffer::open(site, bytes).and_then(|buffer| buffer.granted()) {
        Ok(granted) => observation.seen("granted", granted),
        Err(missing) => observation.seen("refused", missing.why),
    }
}

fn capacity(ground: &Ground, family: Family) -> Experiment {
    let (instrument, beside) = match METHODS {
        Methods::Native => {
            (Instrument::SocketMemory, " SO_MEMINFO tells what is charged before they are read.")
        }
        Methods::Portable => (Instrument::Receive, ""),
    };
    let method = Method {
        instrument,
        how: format!(
            "Numbered datagrams are sent to a receiver that reads only afterwards, until some are \
             missing.{beside} Then the smallest buffers are searched that hold a number of them and \
             half that number: the difference is what the other half is charged."
        ),
    };
    let question = "How many datagrams does a receive buffer hold, and which one does it drop?";
    let experiment = Experiment::new("udp.receive_buffer.capacity", question, method).over(family);
    tried(experiment, |experiment| {
        for payload in PAYLOADS {
            let seen = ground.at(family, &[], |site| trials(site, payload))?;
            seen.into_iter().for_each(|one| {
                experiment.saw(one);
            });
        }
        infer::capacity(experiment);
        Ok(())
    })
}

/// Fills a buffer, and searches those that hold as many and half as many datagrams.
fn trials(site: &Site, payload: usize) -> Result<Vec<Observation>, Missing> {
    let filled = overfill(site, ASKED, payload)?;
    let held = filled.read.len();
    let mut seen = vec![note(&filled, payload)];
    let many = held.min(32) as u32;
    if (2..=MANY).contains(&held) && held < filled.sent as usize {
        for count in [many / 2, many] {
            let granted = smallest(site, count, payload, ASKED)?;
            let one = Observation::new()
                .given("trial", "smallest")
                .given("payload", payload as i64)
                .given("datagrams", i64::from(count));
            seen.extend(granted.map(|bytes| one.seen("granted", bytes)));
        }
    }
    Ok(seen)
}

fn note(filled: &Filled, payload: usize) -> Observation {
    let mut one = Observation::new()
        .given("trial", "fill")
        .given("asked", ASKED as i64)
        .given("payload", payload as i64)
        .given("sent", i64::from(filled.sent))
        .seen("granted", filled.granted)
        .seen("held", filled.read.len() as i64);
    // A number needs four bytes.
    if let (true, Some(first), Some(last)) = (payload >= 4, filled.read.first(), filled.read.last())
    {
        one = one.seen("first", i64::from(*first)).seen("last", i64::from(*last));
    }
    match filled.memory {
        Some(memory) => {
            one.seen("charged", i64::from(memory.charged)).seen("drops", i64::from(memory.drops))
        }
        None => one,
    }
}
