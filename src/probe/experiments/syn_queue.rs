//! How many half-open connections does a listener keep, and when does it begin to answer by cookie?

use std::thread;
use std::time::Duration;

use super::{FAMILIES, tried};
use crate::lab::{HalfOpen, Lab};
use crate::measure::card::{Experiment, Family, Instrument, Method, Missing, Observation};
use crate::observe::counters::Counters;
use crate::probe::client::{Client, Fate, drain, wait};
use crate::probe::ground::missing;
use crate::probe::infer::half_open;
use crate::probe::{Ground, Order, Site};
use crate::sys::endpoint::Endpoint;
use crate::sys::errno;
use crate::sys::listener::Listening;
use crate::sys::netlink::{End, Families, SockDiag, Stage};
use socket2::Socket;

/// Clients beyond what is known to fit anywhere.
const MORE: usize = 4;
/// Seconds for which a silent client's connection stays half-open: longer than a trial.
const DEFER: u32 = 30;
/// A SYN that is not answered after this was dropped; below the first retry of every system.
const UNANSWERED: Duration = Duration::from_millis(100);
/// Within that every system has done with a handshake over loopback.
const SETTLING: Duration = Duration::from_millis(3);
const SYNCOOKIES: &str = "net.ipv4.tcp_syncookies";
const MAX_SYN_BACKLOG: &str = "net.ipv4.tcp_max_syn_backlog";
/// Peers of which the kernel remembers something are let in beyond `tcp_max_syn_backlog`.
const FORGET: (&str, &str) = ("net.ipv4.tcp_no_metrics_save", "1");

/// One listener to be filled.
struct Trial<'a> {
    family: Family,
    settings: &'a [(&'a str, &'a str)],
    backlog: i32,
    /// What is varied, and its value here.
    given: (&'a str, i64),
}

/// With cookies as they are, without, and always; and with several limits of the namespace.
pub fn experiments(ground: &Ground, order: &Order) -> Vec<Experiment> {
    let kinds: [(&str, &[(&str, &str)]); 3] = [
        ("tcp.syn_queue", &[]),
        ("tcp.syn_queue.no_cookies", &[(SYNCOOKIES, "0"), FORGET]),
        ("tcp.syn_queue.always_cookies", &[(SYNCOOKIES, "2")]),
    ];
    let mut all = Vec::new();
    for family in FAMILIES {
        for (id, settings) in kinds {
            all.push(by_backlog(ground, order, (id, settings), family));
        }
        all.push(by_setting(ground, family));
    }
    all
}

fn method() -> Method {
    let how = "Silent clients connect one after the other to a listener with TCP_DEFER_ACCEPT, \
               which keeps their requests half-open. Whoever comes by SYN cookie is accepted at \
               once: the first connection that accept() gives tells when cookies begin; a client \
               without an answer tells when SYNs are dropped. In a lab deaf clients, whose requests \
               sock_diag counts, do the same a second time.";
    Method { instrument: Instrument::Accept, how: how.to_owned() }
}

fn by_backlog(
    ground: &Ground,
    order: &Order,
    (id, settings): (&str, &[(&str, &str)]),
    family: Family,
) -> Experiment {
    let question = "How many half-open connections does a listener keep, and what becomes of more?";
    let experiment = Experiment::new(id, question, method()).over(family).with(settings);
    tried(experiment, |experiment| {
        for backlog in order.backlogs.iter().copied().filter(|n| (0..=256).contains(n)) {
            let given = ("backlog", i64::from(backlog));
            fill(ground, experiment, &Trial { family, settings, backlog, given })?;
        }
        half_open::syn_queue(experiment, "backlog");
        Ok(())
    })
}

fn by_setting(ground: &Ground, family: Family) -> Experiment {
    let question =
        "How many half-open connections does tcp_max_syn_backlog permit without cookies?";
    let fixed = [(SYNCOOKIES, "0"), FORGET];
    let id = "tcp.syn_queue.max_syn_backlog";
    let experiment = Experiment::new(id, question, method()).over(family).with(&fixed);
    tried(experiment, |experiment| {
        for (text, limit) in [("16", 16), ("64", 64), ("128", 128)] {
            let settings = &[fixed[0], fixed[1], (MAX_SYN_BACKLOG, text)];
            // Its own limit is out of the way.
            let (backlog, given) = (1000, ("tcp_max_syn_backlog", limit));
            fill(ground, experiment, &Trial { family, settings, backlog, given })?;
        }
        half_open::syn_queue(experiment, "tcp_max_syn_backlog");
        Ok(())
    })
}

/// Both kinds of clients; the deaf ones where there is a lab.
fn fill(ground: &Ground, experiment: &mut Experiment, trial: &Trial) -> Result<(), Missing> {
    let most = usize::try_from(trial.given.1).unwrap_or(0) * 3 / 2 + MORE;
    let Trial { family, settings, backlog, given } = *trial;
    let place = |work: &(dyn Fn(&Site) -> Result<Option<Observation>, Missing> + Sync)| {
        ground.at(family, settings, |site| work(site))
    };
    let silent = place(&|site| silent(site, backlog, most).map(Some));
    let deaf = place(&|site| match site.lab.filter(|_| site.instruments.sock_diag) {
        Some(lab) => deaf(site, lab, backlog, most).map(Some),
        None => Ok(None),
    });
    for (seen, way) in [(silent, "deferred"), (deaf, "deaf")] {
        match seen {
            Ok(Some(seen)) => {
                experiment.saw(seen.given("way", way).given(given.0, given.1));
            }
            Ok(None) => {}
            Err(missing) if way == "deaf" => experiment.missing.push(missing.of("capacity_deaf")),
            Err(missing) => return Err(missing),
        }
    }
    Ok(())
}

/// Clients that connect and say nothing.
fn silent(site: &Site, backlog: i32, most: usize) -> Result<Observation, Missing> {
    let how = Listening { defer_accept: Some(DEFER), ..Listening::plain(backlog) };
    let listener = site.listen_so(how)?;
    let address = site.permit(&listener)?;
    let mut kept = Vec::new();
    let mut beyond = "not_met".to_owned();
    while kept.len() < most && beyond == "not_met" {
        let client = Client::connect(address)?;
        wait(UNANSWERED, Duration::from_micros(100), || client.fate_by_poll() != Ok(Fate::Waiting));
        if !site.instruments.sock_diag {
            // A stack of its own threads may take a while from the client's end to the queue.
            thread::sleep(SETTLING);
        }
        beyond = match client.fate_by_poll()? {
            Fate::Waiting => "dropped".to_owned(),
            Fate::Ended(errno) => errno::name(errno),
            Fate::Established if drain(&listener)?.is_empty() => {
                kept.push(client);
                continue;
            }
            Fate::Established => "cookie".to_owned(),
        };
    }
    let seen = Observation::new().seen("kept", kept.len() as i64).seen("beyond", beyond);
    Ok(match site.instruments.sock_diag {
        true => seen.seen("syn_recv", requests(&listener)?),
        false => seen,
    })
}

/// Clients that hear nothing.
fn deaf(site: &Site, lab: &Lab, backlog: i32, most: usize) -> Result<Observation, Missing> {
    let listener = site.listen(backlog)?;
    let half_open = HalfOpen::new(lab, port(&listener)?);
    let before = Counters::read().map_err(|error| missing("/proc/net/netstat", &error))?;
    let mut clients = Vec::new();
    for number in 0..most {
        let client = half_open.socket(number as u64).map_err(|error| missing("socket", &error))?;
        half_open.connect(&client).map_err(|error| missing("connect", &error))?;
        clients.push(client);
    }
    let listed = requests(&listener)?;
    let after = Counters::read().map_err(|error| missing("/proc/net/netstat", &error))?;
    let grown = Counters::growth(&before, &after);
    let counted = |name: &str| grown.get(name).map(|n| i64::try_from(n).unwrap_or(i64::MAX));
    let cookies = counted("SyncookiesSent").unwrap_or(0);
    let drops = counted("ListenDrops").unwrap_or(0);
    let beyond = match (listed >= most as i64, cookies > 0, drops > 0) {
        (true, ..) => "not_met",
        (_, true, _) => "cookie",
        (_, _, true) => "dropped",
        _ => "unknown",
    };
    let seen = Observation::new().given("clients", most as i64).seen("syn_recv", listed);
    Ok(seen.seen("cookies_sent", cookies).seen("listen_drops", drops).seen("beyond", beyond))
}

/// Half-open requests at this listener.
fn requests(listener: &Socket) -> Result<i64, Missing> {
    let mut count = 0;
    let port = port(listener)?;
    let mut kernel = SockDiag::open().map_err(|error| missing("sock_diag", &error))?;
    let listed = kernel.passing(End::Local(port), Families::Both, |one| {
        count += i64::from(one.stage == Stage::SynReceived);
    });
    listed.map(|()| count).map_err(|error| missing("sock_diag", &error))
}

fn port(listener: &Socket) -> Result<u16, Missing> {
    let endpoint = Endpoint::of(listener).map_err(|error| missing("getsockname", &error))?;
    Ok(endpoint.port().unwrap_or(0))
}
