//! What do a second listen() and closing a listener do to those who wait, and who is accepted first?

use std::time::Duration;

use socket2::Socket;

use super::{FAMILIES, tried};
use crate::measure::card::{Experiment, Family, Instrument, Method, Missing, Observation};
use crate::probe::client::{Client, Fate, discard, tally, wait};
use crate::probe::crowd::{arrive, look, standing, told, watcher};
use crate::probe::ground::missing;
use crate::probe::infer::{fates, listeners};
use crate::probe::{Ground, Order};
use crate::sys::permit::PermittedAddr;

/// Backlogs of the listener that is resized: first, larger, and smaller than what waits in it.
const SIZES: [i32; 3] = [4, 9, 2];
/// Clients that are more than any of them holds.
const MANY: usize = 20;
/// Of the listener that accepts in some order.
const BACKLOG: i32 = 16;
/// Clients in its queue.
const FEW: usize = 16;
/// By then a SYN was sent again even where the first retry waits for three seconds.
const LATE: Duration = Duration::from_millis(3300);
const STEP: Duration = Duration::from_millis(2);

/// Over both families.
pub fn experiments(ground: &Ground, _: &Order) -> Vec<Experiment> {
    let each = |family| {
        [listen_again(ground, family), accept_order(ground, family), closed(ground, family)]
    };
    FAMILIES.into_iter().flat_map(each).collect()
}

fn listen_again(ground: &Ground, family: Family) -> Experiment {
    let [first, larger, smaller] = SIZES;
    let how = format!(
        "listen({first}), filled; listen({larger}) on the same socket, filled; listen({smaller}) \
         while more are in the queue; accept() until nobody waits; filled again. Clients without a \
         place leave at once."
    );
    let method = Method { instrument: Instrument::Accept, how };
    let question = "What does a second listen() do to a queue?";
    let experiment = Experiment::new("tcp.listen_again", question, method).over(family);
    tried(experiment, |experiment| {
        ground.at(family, &[], |site| {
            let listener = site.listen(first)?;
            let to = site.permit(&listener)?;
            let mut inside = filled(to)?;
            let mut note = |step: &str, backlog: i32, established: usize| {
                let given = Observation::new().given("step", step);
                let given = given.given("backlog", i64::from(backlog));
                experiment.saw(given.seen("established", established as i64))
            };
            note("first", first, inside.len());
            again(&listener, larger)?;
            inside.extend(filled(to)?);
            note("larger", larger, inside.len());
            again(&listener, smaller)?;
            inside.extend(filled(to)?);
            note("smaller", smaller, standing(&inside, Fate::Established));
            let accepted = tally(&listener)?.len();
            note("accepted", smaller, accepted);
            let anew = filled(to)?;
            note("emptied", smaller, tally(&listener)?.len());
            discard(inside.into_iter().chain(anew));
            Ok(())
        })?;
        listeners::conclude_listen_again(experiment);
        Ok(())
    })
}

/// Calls listen(2) on a socket that listens.
fn again(listener: &Socket, backlog: i32) -> Result<(), Missing> {
    listener.listen(backlog).map_err(|error| missing("a second listen", &error))
}

/// Fills what there is; only those who found a place stay.
fn filled(to: PermittedAddr) -> Result<Vec<Client>, Missing> {
    let mut inside = Vec::new();
    let mut outside = 0;
    while outside < 2 && inside.len() < MANY {
        let client = arrive(to, 1)?;
        match standing(&client, Fate::Established) {
            0 => {
                outside += 1;
                discard(client);
            }
            _ => inside.extend(client),
        }
    }
    // Some systems say so only after the handshake.
    std::thread::sleep(STEP);
    inside.retain(|client| client.stands(Fate::Established));
    Ok(inside)
}

fn accept_order(ground: &Ground, family: Family) -> Experiment {
    let how = format!(
        "{FEW} clients connect one after the other; accept() gives them out; ports tell who is who."
    );
    let method = Method { instrument: Instrument::Accept, how };
    let question = "In which order does accept() give out those who wait?";
    let experiment = Experiment::new("tcp.accept_order", question, method).over(family);
    tried(experiment, |experiment| {
        ground.at(family, &[], |site| {
            let listener = site.listen(BACKLOG)?;
            let clients = arrive(site.permit(&listener)?, FEW)?;
            for (place, peer) in tally(&listener)?.into_iter().enumerate() {
                let came = clients.iter().position(|client| client.peer() == peer);
                let given = Observation::new().given("accepted_as", place as i64);
                experiment.saw(given.seen("came_as", came.map_or(-1, |came| came as i64)));
            }
            discard(clients);
            Ok(())
        })?;
        listeners::conclude_order(experiment);
        Ok(())
    })
}

fn closed(ground: &Ground, family: Family) -> Experiment {
    let how = "Clients fill the queue of a listener, three more wait outside; the listener is \
               closed, and each client is watched until it has learnt of it."
        .to_owned();
    let method = Method { instrument: watcher(), how };
    let question = "What does closing a listener do to those who wait?";
    let experiment = Experiment::new("tcp.listener_closed", question, method).over(family);
    tried(experiment, |experiment| {
        ground.at(family, &[], |site| {
            let listener = site.listen(SIZES[0])?;
            let clients = arrive(site.permit(&listener)?, MANY / 2)?;
            let before = look(&clients)?;
            drop(listener);
            let ended = |client: &&Client| matches!(client.fate(), Ok(Fate::Ended(_)));
            let mut after: Vec<Option<Duration>> = vec![None; clients.len()];
            wait(LATE, STEP, || {
                for (client, after) in clients.iter().zip(&mut after) {
                    if after.is_none() && ended(&client) {
                        *after = Some(client.begun.elapsed());
                    }
                }
                after.iter().all(Option::is_some)
            });
            for (number, (client, was)) in clients.iter().zip(before).enumerate() {
                let group = match was {
                    Fate::Waiting => "waiting",
                    Fate::Established => "queued",
                    Fate::Ended(_) => "outside",
                };
                let mut seen = told(group, number, client.fate()?);
                if let Some(after) = after[number] {
                    seen = seen.seen("after_s", after.as_secs_f64());
                }
                experiment.saw(seen);
            }
            discard(clients);
            Ok(())
        })?;
        fates::conclude_close(experiment);
        Ok(())
    })
}
