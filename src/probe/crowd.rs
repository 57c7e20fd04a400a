//! Several clients of one listener: who they are, where they stand, who was let in.

use std::collections::HashSet;
use std::time::Duration;

use socket2::Socket;

use super::client::{Client, Fate, taken, wait};
use super::{METHODS, Site};
use crate::measure::card::{Experiment, Instrument, Methods, Missing, Observation};
use crate::measure::held::Peer;
use crate::observe::counters::Counters;
use crate::sys::permit::PermittedAddr;

/// How long a client may take to be connected.
const PATIENCE: Duration = Duration::from_millis(20);
/// By then what was sent again a second or third time has come in.
const LATE: Duration = Duration::from_millis(3300);
/// What the kernel counts when a queue is full (`net/ipv4/tcp_ipv4.c`, tcp_v4_syn_recv_sock;
/// `net/ipv4/tcp_input.c`, tcp_conn_request; `net/ipv4/tcp_minisocks.c`, tcp_check_req).
const COUNTERS: [&str; 5] =
    ["ListenOverflows", "ListenDrops", "EmbryonicRsts", "OutRsts", "TCPReqQFullDrop"];

/// What tells where clients stand.
pub fn watcher() -> Instrument {
    match METHODS {
        Methods::Native => Instrument::TcpInfo,
        Methods::Portable => Instrument::Errors,
    }
}

/// Clients that connect one after the other.
///
/// # Errors
/// As of [`Client::connect`].
pub fn arrive(to: PermittedAddr, count: usize) -> Result<Vec<Client>, Missing> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let client = Client::connect(to)?;
        wait(PATIENCE, Duration::from_millis(1), || !client.stands(Fate::Waiting));
        clients.push(client);
    }
    Ok(clients)
}

/// How many of them stand like this.
pub fn standing(clients: &[Client], fate: Fate) -> usize {
    clients.iter().filter(|client| client.stands(fate)).count()
}

/// Where each of them stands.
///
/// # Errors
/// As of [`Client::fate`].
pub fn look(clients: &[Client]) -> Result<Vec<Fate>, Missing> {
    clients.iter().map(Client::fate).collect()
}

/// Which of those who were not inside come in now that there is room.
///
/// # Errors
/// As of `accept(2)`.
pub fn late(
    listener: &Socket,
    clients: &[Client],
    inside: &HashSet<Peer>,
) -> Result<HashSet<Peer>, Missing> {
    let open = |client: &&Client| !matches!(client.fate(), Ok(Fate::Ended(_)));
    let peers = clients.iter().filter(open).map(Client::peer);
    let outside: Vec<_> = peers.filter(|peer| !inside.contains(peer)).collect();
    taken(listener, &outside, LATE)
}

/// Notes each client of a group: where it stood, whether accept() gave it out then, and whether
/// later.
pub fn note(
    experiment: &mut Experiment,
    group: &str,
    clients: (&[Client], &[Fate]),
    (inside, late): (&HashSet<Peer>, &HashSet<Peer>),
) {
    for (number, (client, fate)) in clients.0.iter().zip(clients.1).enumerate() {
        let accepted = inside.contains(&client.peer());
        let mut seen = told(group, number, *fate).seen("accepted", accepted);
        if !accepted && !matches!(fate, Fate::Ended(_)) {
            seen = seen.seen("came_in", late.contains(&client.peer()));
        }
        experiment.saw(seen);
    }
}

/// Where one client stood.
pub fn told(group: &str, number: usize, fate: Fate) -> Observation {
    Observation::new()
        .given("client", group)
        .given("number", number as i64)
        .seen("last", fate.word())
        .seen("errno", fate.errno())
}

/// The counters of a lab, which nobody else makes grow; `None` elsewhere.
pub fn counted(site: &Site) -> Option<Counters> {
    site.lab.filter(|_| METHODS == Methods::Native).and_then(|_| Counters::read().ok())
}

/// Notes by how much counters grew while so many clients sent a packet to a full queue.
pub fn grew(
    experiment: &mut Experiment,
    phase: &str,
    clients: usize,
    before: &Option<Counters>,
    after: &Option<Counters>,
) {
    if let (Some(before), Some(after)) = (before, after) {
        let growth = Counters::growth(before, after);
        let given = Observation::new().given("phase", phase).given("clients", clients as i64);
        let named = COUNTERS.iter().filter_map(|name| Some((name, growth.get(name)?)));
        experiment.saw(named.fold(given, |seen, (name, by)| seen.seen(name, by as i64)));
    }
}
