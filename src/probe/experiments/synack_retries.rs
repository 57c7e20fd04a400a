//! When does a listener send its SYN-ACK again?

use std::time::{Duration, Instant};

use super::tried;
use crate::lab::HalfOpen;
use crate::measure::card::{Experiment, Family, Instrument, Method, Missing, Observation};
use crate::probe::client::{Client, Fate};
use crate::probe::ground::missing;
use crate::probe::infer::timers;
use crate::probe::waiting::{Stand, Variant, both_ways, follow, patience, side_by_side};
use crate::probe::{Ground, Order, Site};
use crate::sys::deaf::deafen;
use crate::sys::listener::{self, Listening};
use crate::sys::netlink::{End, Families, SockDiag, Stage};
use socket2::Socket;

/// Requests that are watched.
const REQUESTS: usize = 3;
/// Far more places than requests, of which old ones are pruned sooner in a queue that is half full.
const BACKLOG: i32 = 128;

/// With the system's own settings, and with few retries, so that their end is seen soon.
pub fn experiments(ground: &Ground, order: &Order) -> Vec<Experiment> {
    let variants: &[Variant] = &[
        (Family::Ipv4, &[]),
        (Family::Ipv6, &[]),
        (Family::Ipv4, &[("net.ipv4.tcp_synack_retries", "2")]),
    ];
    side_by_side(variants, |variant| one(ground, patience(order.depth), variant))
}

/// Without sock_diag nobody tells.
fn seen_by_kernel(site: &Site) -> Result<SockDiag, Missing> {
    if !site.instruments.sock_diag {
        return Err(Missing::all(
            "there is no sock_diag, and nothing else lists the requests of a listener",
            "record the packets of the system from another one",
        ));
    }
    SockDiag::open().map_err(|error| missing("sock_diag", &error))
}

fn one(ground: &Ground, patience: Duration, variant: &Variant) -> Experiment {
    let how = "sock_diag tells how often the SYN-ACK of a request was sent again. Deaf: the client \
               hears no SYN-ACK (lab only). Deferred: the client's final ACK was put aside by \
               TCP_DEFER_ACCEPT. From then on the listener is deaf, too, so that nothing but its \
               own timer touches the request.";
    let method = Method { instrument: Instrument::SockDiag, how: how.to_owned() };
    let question = "When does a listener send its SYN-ACK again, and when does it give up?";
    let experiment = Experiment::new("tcp.synack_retries", question, method);
    tried(experiment.over(variant.0).with(variant.1), |experiment| {
        let hear_nothing = |site: &Site| deaf(site, patience);
        let put_aside = |site: &Site| deferred(site, patience);
        let names = ["schedule", "schedule_deferred"];
        both_ways((ground, variant), experiment, names, [&hear_nothing, &put_aside]);
        timers::synack_retries(experiment);
        Ok(())
    })
}

/// Requests of clients that are deaf.
fn deaf(site: &Site, patience: Duration) -> Result<Vec<Observation>, Missing> {
    let Some(lab) = site.lab else {
        return Err(Missing::all(
            "handshakes are left half-open in a lab only",
            "run where there is a lab; or see the deferred schedule",
        ));
    };
    let kernel = seen_by_kernel(site)?;
    let listener = site.listen(BACKLOG)?;
    let half_open = HalfOpen::new(lab, port(&listener)?);
    let mut clients = Vec::new();
    for number in 0..REQUESTS {
        let socket = half_open.socket(number as u64).map_err(|error| missing("socket", &error))?;
        let begun = Instant::now();
        half_open.connect(&socket).map_err(|error| missing("connect", &error))?;
        clients.push((socket, begun));
    }
    deafen(&listener).map_err(|error| missing("SO_ATTACH_FILTER", &error))?;
    requests(kernel, "deaf", &listener, &clients, patience)
}

/// Requests of clients whose final ACK was put aside.
fn deferred(site: &Site, patience: Duration) -> Result<Vec<Observation>, Missing> {
    let kernel = seen_by_kernel(site)?;
    let listener =
        site.listen_so(Listening { defer_accept: Some(1), ..Listening::plain(BACKLOG) })?;
    let address = site.permit(&listener)?;
    let mut clients = Vec::new();
    for _ in 0..REQUESTS {
        let client = Client::connect(address)?;
        if client.fate_by_poll()? != Fate::Established {
            return Err(Missing::all(
                "a client of an empty queue was not connected at once",
                "none",
            ));
        }
        clients.push((client.socket, client.begun));
    }
    listener::defer_no_more(&listener).map_err(|error| missing("TCP_DEFER_ACCEPT", &error))?;
    deafen(&listener).map_err(|error| missing("SO_ATTACH_FILTER", &error))?;
    requests(kernel, "deferred", &listener, &clients, patience)
}

/// Follows the requests of these clients.
fn requests(
    mut kernel: SockDiag,
    way: &str,
    listener: &Socket,
    clients: &[(Socket, Instant)],
    patience: Duration,
) -> Result<Vec<Observation>, Missing> {
    let server = port(listener)?;
    let mut ports = Vec::new();
    for (client, _) in clients {
        ports.push(port(client)?);
    }
    let begun: Vec<_> = clients.iter().map(|(_, begun)| *begun).collect();
    let mut look = || {
        let mut stands = vec![Stand::Over("gone".to_owned()); ports.len()];
        let listed = kernel.passing(End::Local(server), Families::Both, |one| {
            let whose = ports.iter().position(|port| *port == one.remote_port);
            if let (Stage::SynReceived, Some(whose)) = (one.stage, whose) {
                stands[whose] = Stand::Ran(one.retransmits);
            }
        });
        listed.map(|()| stands).map_err(|error| missing("sock_diag", &error))
    };
    if look()?.iter().any(|stand| matches!(stand, Stand::Over(_))) {
        return Err(Missing::all("sock_diag lists no request in SYN_RECV", "none is known"));
    }
    follow(way, &begun, patience, look)
}

fn port(socket: &Socket) -> Result<u16, Missing> {
    let local = socket.local_addr().map_err(|error| missing("getsockname", &error))?;
    Ok(local.as_socket().map_or(0, |local| local.port()))
}
