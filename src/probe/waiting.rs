//! Clients that wait for a kernel's timers: what is noted of them, and where they wait.

use std::io;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use socket2::Socket;

use super::client::{Client, Fate, wait};
use super::{Ground, Site};
use crate::measure::card::{Depth, Experiment, Family, Missing, Observation};
use crate::sys::errno;
use crate::sys::error_name;
use crate::sys::permit::PermittedAddr;

/// Places of a listener that is to be full: enough for all clients whose timers run out together once
/// it is emptied.
const PLACES: i32 = 60;
/// More than any system holds for [`PLACES`].
const MOST: usize = 400;
/// A SYN that is not answered after this was dropped; below the first retry of every system.
const UNANSWERED: Duration = Duration::from_millis(300);
/// Between two looks.
pub const STEP: Duration = Duration::from_millis(2);

/// A listener whose accept queue is full.
#[derive(Debug)]
pub struct Full {
    /// It accepts nobody by itself.
    pub listener: Socket,
    /// Where clients connect to.
    pub address: PermittedAddr,
    _inside: Vec<Client>,
}

impl Full {
    /// One, and the first client that found no place.
    ///
    /// # Errors
    /// Where this system answers SYNs although the queue is full.
    pub fn new(site: &Site) -> Result<(Self, Client), Missing> {
        let listener = site.listen(PLACES)?;
        let address = site.permit(&listener)?;
        let mut inside = Vec::new();
        while inside.len() < MOST {
            let client = Client::connect(address)?;
            let answered = || client.fate_by_poll() != Ok(Fate::Waiting);
            wait(UNANSWERED, Duration::from_micros(200), answered);
            match client.fate_by_poll()? {
                Fate::Established => inside.push(client),
                Fate::Waiting => {
                    return Ok((Self { listener, address, _inside: inside }, client));
                }
                Fate::Ended(errno) => return Err(answered_by(&errno::name(errno))),
            }
        }
        Err(answered_by("a connection"))
    }
}

fn answered_by(what: &str) -> Missing {
    Missing::all(
        format!("a SYN that met a full accept queue was answered, by {what}: no SYN is lost"),
        "none is known: the clients of this system have to be watched from another one",
    )
}

/// How long retries are followed; in full until they end by themselves, which takes Linux 134 s.
pub fn patience(depth: Depth) -> Duration {
    Duration::from_secs(match depth {
        Depth::Quick => 20,
        Depth::Standard => 36,
        Depth::Full => 240,
    })
}

/// What a timer has done so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand {
    /// It ran out so often, and runs again.
    Ran(u8),
    /// It runs no more, for this reason: an errno's name or another word.
    Over(String),
}

/// Notes when each of several timers runs out, until all are over or `patience` is. They began at
/// these instants; `look` says where all of them stand.
///
/// # Errors
/// Those of `look`.
pub fn follow(
    way: &str,
    begun: &[Instant],
    patience: Duration,
    mut look: impl FnMut() -> Result<Vec<Stand>, Missing>,
) -> Result<Vec<Observation>, Missing> {
    let mut latest: Vec<_> = begun.iter().map(|_| (Stand::Ran(0), 0.0)).collect();
    let mut notes = Vec::new();
    let started = Instant::now();
    loop {
        let asked = Instant::now();
        let stands = look()?;
        for (client, stand) in stands.into_iter().enumerate().take(begun.len()) {
            let at = begun[client].elapsed().as_secs_f64();
            let (before, not_before) = &mut latest[client];
            if *before != stand && !matches!(before, Stand::Over(_)) {
                let note = Observation::new().given("way", way).given("client", client as i64);
                let note = note.seen("at", at).seen("not_before", *not_before);
                notes.push(match &stand {
                    Stand::Ran(times) => note.seen("retransmits", i64::from(*times)),
                    Stand::Over(why) => note.seen("over", why.as_str()),
                });
                *before = stand;
            }
            *not_before = asked.saturating_duration_since(begun[client]).as_secs_f64();
        }
        let over = latest.iter().all(|(stand, _)| matches!(stand, Stand::Over(_)));
        if over || started.elapsed() >= patience {
            break;
        }
        // A look that takes long (sock_diag on a busy host) is not made more often for that.
        thread::sleep(STEP.max(asked.elapsed() * 10));
    }
    for (client, _) in latest.iter().enumerate().filter(|(_, (s, _))| matches!(s, Stand::Ran(_))) {
        let note = Observation::new().given("way", way).given("client", client as i64);
        notes.push(note.seen("looked_until", begun[client].elapsed().as_secs_f64()));
    }
    Ok(notes)
}

/// Families and settings of an experiment.
pub type Variant<'a> = (Family, &'a [(&'a str, &'a str)]);

/// Makes one experiment for each variant, all at the same time; where the system starts no more
/// threads, the others follow when those have ended.
pub fn side_by_side<T: Sync, R: Send>(variants: &[T], make: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let make = &make;
    thread::scope(|scope| {
        let begin = |one| thread::Builder::new().spawn_scoped(scope, move || make(one));
        let begun: Vec<_> = variants.iter().map(begin).collect();
        let end = |(begun, one): (io::Result<ScopedJoinHandle<R>>, &T)| match begun {
            Ok(made) => made.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => make(one),
        };
        begun.into_iter().zip(variants).map(end).collect()
    })
}

/// One way to see something.
pub type Way<'a> = dyn Fn(&Site) -> Result<Vec<Observation>, Missing> + Sync + 'a;

/// Two ways at the same time, each in a place of its own: what they saw goes into `experiment`, and
/// what one of them could not see is missing under its name.
pub fn both_ways(
    (ground, variant): (&Ground, &Variant),
    experiment: &mut Experiment,
    names: [&str; 2],
    ways: [&Way; 2],
) {
    let seen = side_by_side(&ways, |way| ground.at(variant.0, variant.1, |site| way(site)));
    for (seen, name) in seen.into_iter().zip(names) {
        match seen {
            Ok(seen) => experiment.observations.extend(seen),
            Err(missing) => experiment.missing.push(missing.of(name)),
        }
    }
}

/// The name of an error that a call returned, or `ok`.
pub fn word<T>(result: &std::io::Result<T>) -> String {
    result.as_ref().map_or_else(error_name, |_| "ok".to_owned())
}
