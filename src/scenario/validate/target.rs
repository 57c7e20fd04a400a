//! `[target]`.

use std::ops::Range;
use std::time::Duration;

use crate::scenario::at::At;
use crate::scenario::diagnostic::Problems;
use crate::scenario::plan::{
    AcceptPace, Closer, Receive, Reply, Serve, ServiceTime, Target, Transport, Window,
};
use crate::scenario::raw;
use crate::units::{Backlog, Span};

use super::{LONGEST_CELL, Wishes, listener, receiver, span, transport};

/// At most this many windows of time.
const MOST_STALLS: usize = 100;
/// Largest fixed reply.
const LARGEST_REPLY: u64 = 1 << 30;
/// At most this many words in a command, and bytes in one of them.
const LONGEST_COMMAND: (usize, usize) = (100, 4096);

/// The keys of our own target that are in the table.
pub(super) fn own_keys(raw: &raw::Target) -> Vec<&'static str> {
    [
        ("backlog", raw.backlog.is_some()),
        ("listeners", raw.listeners.is_some()),
        ("acceptors", raw.acceptors.is_some()),
        ("engine", raw.engine.is_some()),
        ("accept", raw.accept.is_some()),
        ("stall", raw.stall.is_some()),
        ("service", raw.service.is_some()),
        ("serial", raw.serial.is_some()),
        ("reply", raw.reply.is_some()),
        ("close", raw.close.is_some()),
        ("close_delay", raw.close_delay.is_some()),
        ("defer_accept", raw.defer_accept.is_some()),
        ("fast_open", raw.fast_open.is_some()),
        ("reuse_address", raw.reuse_address.is_some()),
        ("restart_at", raw.restart_at.is_some()),
        ("restart_gap", raw.restart_gap.is_some()),
        ("hand_over", raw.hand_over.is_some()),
        ("receivers", raw.receivers.is_some()),
        ("cast", raw.cast.is_some()),
        ("readers", raw.readers.is_some()),
        ("rcvbuf", raw.rcvbuf.is_some()),
        ("drain", raw.drain.is_some()),
    ]
    .into_iter()
    .filter_map(|(key, present)| present.then_some(key))
    .collect()
}

/// The target of a cell.
pub(super) fn target(
    raw: Option<&At<raw::Target>>,
    wishes: Wishes,
    problems: &mut Problems,
) -> Target {
    let nothing = raw::Target::default();
    let table = raw.map_or(&nothing, At::get);
    // Both ends are checked although only one may count: a wrong value is wrong in any case.
    let transport = transport::transport(table, problems);
    let own = own(table, transport, wishes, problems);
    let address = table.address.as_ref().inspect(|address| check_address(address, problems));
    let command = table.command.as_ref().inspect(|command| check_command(command, problems));
    match (address, command) {
        (Some(address), None) => {
            notice_ignored(address, table, problems);
            let sample = own.sample();
            let address = transport::complete(address.get(), transport);
            Target::External { address, transport, sample }
        }
        (address, command) => {
            if let (None, Some(command)) = (address, command) {
                problems.missing(
                    "address",
                    command.span(),
                    "it is not said where the server that this starts is reached",
                    "add its address to [target], such as address = \"192.0.2.7:9000\"",
                );
            }
            let command = command.map(|command| command.get().clone());
            let address = address.map(|address| transport::complete(address.get(), transport));
            match own {
                Own::Serve(serve) => Target::Own { command, address, serve },
                Own::Receive(receive) => Target::Receiver { command, address, receive },
            }
        }
    }
}

fn notice_ignored(address: &At<String>, table: &raw::Target, problems: &mut Problems) {
    let ignored = own_keys(table);
    if !ignored.is_empty() {
        let quoted: Vec<_> = ignored.iter().map(|key| format!("`{key}`")).collect();
        problems.notice(
            address.span(),
            format!("keys of [target] without effect on a server of yours: {}", quoted.join(", ")),
            "how it listens and serves is its own affair",
        );
    }
}

/// What our own target does.
enum Own {
    Serve(Serve),
    Receive(Receive),
}

impl Own {
    fn sample(&self) -> Span {
        match self {
            Self::Serve(serve) => serve.sample,
            Self::Receive(receive) => receive.sample,
        }
    }
}

fn own(raw: &raw::Target, transport: Transport, wishes: Wishes, problems: &mut Problems) -> Own {
    if transport.carries_datagrams() {
        return Own::Receive(receiver::receive(raw, transport, wishes, problems));
    }
    receiver::check_connections(raw, problems);
    Own::Serve(serve(raw, transport, wishes, problems))
}

fn serve(
    raw: &raw::Target,
    transport: Transport,
    wishes: Wishes,
    problems: &mut Problems,
) -> Serve {
    transport::check_target(raw, transport, problems);
    let default_reply = if wishes.requests { Reply::Echo } else { Reply::None };
    let default_close = if wishes.server_closes { Closer::Server } else { Closer::Client };
    let sample_range = Duration::from_micros(100)..=Duration::from_secs(1);
    let listening = listener::listening(raw, problems);
    Serve {
        transport,
        backlog: raw.backlog.as_ref().map_or(Backlog(128), |backlog| *backlog.get()),
        accept: raw.accept.as_ref().map_or(AcceptPace::Asap, |accept| accept.get().0),
        stalls: stalls(raw.stall.as_ref(), problems),
        service: service(raw.service.as_ref(), problems),
        serial: raw.serial.unwrap_or(false),
        reply: raw.reply.as_ref().map_or(default_reply, |reply| checked_reply(reply, problems)),
        close: raw.close.as_ref().map_or(default_close, |close| *close.get()),
        close_delay: listener::close_delay(raw, problems),
        sample: span("sample", raw.sample.as_ref(), Span::from_millis(5), sample_range, problems),
        ..listening
    }
}

fn checked_reply(reply: &At<raw::Reply>, problems: &mut Problems) -> Reply {
    if let Reply::Bytes(size) = reply.get().0
        && !(1..=LARGEST_REPLY).contains(&size.0)
    {
        problems.error(
            reply.span(),
            format!("a reply cannot have {size}"),
            "write \"none\" for no reply, or a size from \"1B\" to \"1GiB\"",
        );
    }
    reply.get().0
}

pub(super) fn stalls(
    raw: Option<&At<Vec<At<raw::Stall>>>>,
    problems: &mut Problems,
) -> Vec<Window> {
    let Some(list) = raw else { return Vec::new() };
    if list.get().len() > MOST_STALLS {
        problems.error(list.span(), "too many stalls", format!("at most {MOST_STALLS}"));
    }
    let mut windows: Vec<(Window, Range<usize>)> = Vec::new();
    for stall in list.get().iter().take(MOST_STALLS) {
        let from = stall.get().from.unwrap_or_default();
        match stall.get().to {
            None => problems.missing(
                "to",
                stall.span(),
                "a stall needs an end",
                "write { from = \"0s\", to = \"1.5s\" }",
            ),
            Some(to) if to <= from => problems.error(
                stall.span(),
                format!("this stall ends at {to}, not after its start at {from}"),
                "write a `to` that is above `from`",
            ),
            Some(to) => windows.push((Window { from, to }, stall.span())),
        }
    }
    windows.sort_by_key(|(window, _)| window.from);
    for pair in windows.windows(2) {
        if pair[1].0.from < pair[0].0.to {
            let help = "write them apart, or as one window";
            problems.error(pair[1].1.clone(), "this stall overlaps with another", help);
        }
    }
    windows.into_iter().map(|(window, _)| window).collect()
}

fn service(raw: Option<&At<raw::Service>>, problems: &mut Problems) -> ServiceTime {
    let Some(at) = raw else { return ServiceTime::Constant { time: Span::default() } };
    let service = at.get().0;
    let mut wrong = |title: &str, help: &str| problems.error(at.span(), title, help);
    match service {
        ServiceTime::Uniform { min, max } if min > max => {
            wrong("`min` is above `max`", "write the shorter time as `min`");
        }
        ServiceTime::LogNormal { sigma, .. } if !(0.0..=5.0).contains(&sigma) => {
            wrong("`sigma` is outside 0 to 5", "0.5 is moderate, 1 has a long tail");
        }
        ServiceTime::Constant { time: longest }
        | ServiceTime::Uniform { max: longest, .. }
        | ServiceTime::Exponential { mean: longest }
        | ServiceTime::LogNormal { median: longest, .. }
            if longest.get() > LONGEST_CELL =>
        {
            wrong("a service time above 24 h is never over", "write a shorter one");
        }
        _ => {}
    }
    service
}

/// The form only: who may be reached is checked on the resolved address, elsewhere.
fn check_address(address: &At<String>, problems: &mut Problems) {
    let text = address.get();
    if let Some(name) = transport::unix_name(text) {
        return transport::check_name(address, name, problems);
    }
    let parts = text.rsplit_once(':');
    let host_is_sound = |host: &str| {
        let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match inner {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                let legal = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
                !host.is_empty() && host.len() < 256 && host.chars().all(legal)
            }
        }
    };
    let sound = parts.is_some_and(|(host, port)| {
        host_is_sound(host) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if !sound {
        problems.error(
            address.span(),
            format!("\"{text}\" is not an address"),
            "write host and port, such as \"127.0.0.1:8081\" or \"[::1]:8081\", or unix:/path",
        );
    }
}

fn check_command(command: &At<Vec<String>>, problems: &mut Problems) {
    let words = command.get();
    let (most, longest) = LONGEST_COMMAND;
    let bad = |word: &String| word.contains('\0') || word.len() > longest;
    if words.first().is_none_or(String::is_empty) || words.len() > most || words.iter().any(bad) {
        problems.error(
            command.span(),
            "this is not a command",
            "list its words, such as [\"ssh\", \"host\", \"loadgen\", \"serve\", \"--stdio\"]",
        );
    }
}
