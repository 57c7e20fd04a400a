//! Loads of datagrams.

use std::time::Duration;

use crate::load::Schedule;
use crate::scenario::at::At;
use crate::scenario::diagnostic::Problems;
use crate::scenario::plan::{
    Bulk, Client, DatagramReply, Datagrams, Load, Receive, Sizes, Target, Transport,
};
use crate::scenario::raw::{self, Kind, Payload};
use crate::units::{Bytes, Span};

use super::{LONGEST_CELL, number, place, schedule, span, surplus};

/// Payload when nothing says so.
const PAYLOAD: u16 = 100;
/// Largest payload of UDP over IPv4 (RFC 768: 65,535 less both headers).
const LARGEST: u16 = 65_507;
/// Default of `timeout`: a reply that is later is as good as lost.
const TIMEOUT: Span = Span::from_millis(1000);
/// Streams of a load at most.
const MOST_STREAMS: u32 = 4096;

/// A load of a cell whose target takes datagrams.
pub(super) fn load(
    name: String,
    at: &At<raw::Load>,
    target: &Target,
    problems: &mut Problems,
) -> Load {
    let raw = at.get();
    check_keys(raw, problems);
    let range = Duration::from_nanos(1)..=Duration::from_secs(3600);
    let timeout = span("timeout", raw.timeout.as_ref(), TIMEOUT, range, problems);
    let whole = Duration::ZERO..=LONGEST_CELL;
    let start = span("start", raw.start.as_ref(), Span::default(), whole, problems);
    let schedule = schedule::schedule(at, timeout.get(), problems);
    let datagrams = Datagrams {
        sizes: sizes(raw.payload.as_ref(), problems),
        streams: streams(raw, &schedule, problems),
        reply: reply(raw, target, problems),
        bulk: raw.bulk.as_ref().map(|bulk| *bulk.get()),
    };
    check_bulk(raw, &datagrams, target.transport(), problems);
    let workers = raw.workers.as_ref();
    Load {
        start,
        timeout,
        ports: raw.ports.as_ref().map(|ports| *ports.get()),
        workers: workers.map(|_| number("workers", workers, 1, 1..=256, problems)),
        ..Load::new(&name, Client::Datagram { datagrams }, schedule)
    }
}

/// Tells of a client of another kind, and of keys that belong to connections.
fn check_keys(raw: &raw::Load, problems: &mut Problems) {
    if let Some(kind) = raw.client.as_ref().filter(|kind| *kind.get() != Kind::Datagram) {
        problems.error(
            kind.span(),
            "this target takes datagrams, and this client makes connections",
            "write client = \"datagram\", or a transport of connections under [target]",
        );
        return;
    }
    let given = [
        ("lifecycle", place(&raw.lifecycle)),
        ("close", place(&raw.close)),
        ("vanish", place(&raw.vanish)),
        ("engine", place(&raw.engine)),
        ("when_full", place(&raw.when_full)),
        ("fast_open", place(&raw.fast_open)),
        ("hold", place(&raw.hold)),
        ("connections", place(&raw.connections)),
        ("sources", place(&raw.sources)),
        ("greet", place(&raw.greet)),
        ("message", place(&raw.message)),
        ("exchanges", place(&raw.exchanges)),
        ("think", place(&raw.think)),
    ];
    let help = |key: &str| match key {
        "sources" => "write it under [lab]".to_owned(),
        "message" => "write its size with `payload`: our header is in it".to_owned(),
        "hold" | "connections" => "remove it: there are no connections; see `streams`".to_owned(),
        "think" => "remove it, or write `pause` with arrivals = \"closed\"".to_owned(),
        _ => "remove it: there are no connections".to_owned(),
    };
    surplus(&given, "for datagrams", help, problems);
}

fn sizes(written: Option<&At<Payload>>, problems: &mut Problems) -> Sizes {
    let Some(at) = written else { return Sizes::Fixed { bytes: PAYLOAD } };
    let mut checked = |size: Bytes| {
        let fits = u16::try_from(size.0).ok();
        let fits = fits.filter(|bytes| (Datagrams::SMALLEST..=LARGEST).contains(bytes));
        fits.unwrap_or_else(|| {
            problems.error(
                at.span(),
                format!("a datagram cannot have {size}"),
                format!(
                    "write from \"{}B\" (the header that identifies it) to \"{LARGEST}B\"",
                    Datagrams::SMALLEST
                ),
            );
            PAYLOAD
        })
    };
    let sizes = match at.get() {
        Payload::Turns(list) => {
            let mut bytes: Vec<u16> = list.iter().map(|size| checked(*size)).collect();
            match bytes.len() {
                1 => Sizes::Fixed { bytes: bytes.remove(0) },
                _ => Sizes::Turns { bytes },
            }
        }
        Payload::Uniform(min, max) => Sizes::Uniform { min: checked(*min), max: checked(*max) },
        Payload::Exponential(min, mean, max) => Sizes::Exponential {
            min: min.map_or(Datagrams::SMALLEST, &mut checked),
            mean: u16::try_from(mean.0).unwrap_or(u16::MAX).max(1),
            max: checked(*max),
        },
    };
    if let Sizes::Uniform { min, max } | Sizes::Exponential { min, max, .. } = sizes
        && min > max
    {
        problems.error(at.span(), "`min` is above `max`", "write the smaller size as `min`");
    }
    sizes
}

/// In a closed loop each client is a stream, since it waits for its own.
fn streams(raw: &raw::Load, schedule: &Schedule, problems: &mut Problems) -> u32 {
    let written = raw.streams.as_ref();
    let Schedule::Closed { clients, .. } = schedule else {
        return number("streams", written, 1, 1..=MOST_STREAMS, problems);
    };
    if let Some(at) = written.filter(|at| at.get() != clients) {
        problems.error(
            at.span(),
            format!("{} streams for {clients} clients that take turns", at.get()),
            "remove `streams`: with arrivals \"closed\" each client is one",
        );
    }
    if let Some(at) = raw.clients.as_ref().filter(|_| *clients > MOST_STREAMS) {
        problems.error(
            at.span(),
            format!("{clients} clients are as many sockets"),
            format!("write at most {MOST_STREAMS}"),
        );
    }
    (*clients).clamp(1, MOST_STREAMS)
}

fn reply(raw: &raw::Load, target: &Target, problems: &mut Problems) -> DatagramReply {
    let Some(written) = &raw.reply else { return DatagramReply::None };
    let reply = match written.get() {
        raw::ReplyEnd::None => DatagramReply::None,
        raw::ReplyEnd::Echo => DatagramReply::Echo,
        _ => {
            problems.error(
                written.span(),
                "a reply to a datagram is a datagram: it has no other end",
                "write reply = \"none\" or \"echo\"",
            );
            DatagramReply::None
        }
    };
    let echoes = match target {
        Target::Receiver { receive, .. } => receive.reply == DatagramReply::Echo,
        _ => true,
    };
    if reply == DatagramReply::Echo && !echoes {
        problems.error(
            written.span(),
            "this load awaits echoes, and the target sends none",
            "write reply = \"echo\" under [target], or remove it there",
        );
    }
    reply
}

fn check_bulk(
    raw: &raw::Load,
    datagrams: &Datagrams,
    transport: Transport,
    problems: &mut Problems,
) {
    let Some(written) = &raw.bulk else { return };
    let wrong = match (written.get(), &datagrams.sizes) {
        _ if transport != Transport::Udp => {
            Some(("only UDP is sent in bulk", "remove `bulk`, or write transport = \"udp\""))
        }
        _ if datagrams.reply == DatagramReply::Echo => Some((
            "what is sent in bulk is for throughput: nobody waits for its echo",
            "remove `bulk`, or `reply`",
        )),
        (Bulk::Gso, Sizes::Fixed { bytes: ..=1400 }) => None,
        (Bulk::Gso, _) => Some((
            "the datagrams of one bulk have one size, and each fits into one packet",
            "write one size up to \"1400B\" as `payload`",
        )),
    };
    if let Some((title, help)) = wrong {
        problems.error(written.span(), title, help);
    }
}

/// Tells of more streams than are counted one by one.
pub(super) fn check_streams(
    receive: &Receive,
    loads: &[Load],
    written: &[At<raw::Load>],
    problems: &mut Problems,
) {
    let copies = receive.copies();
    let of = |load: &Load| match &load.client {
        Client::Datagram { datagrams } => datagrams.streams,
        _ => 0,
    };
    let all: u32 = loads.iter().map(of).sum();
    let most = Datagrams::MOST_STREAMS as u32;
    if let (Some(last), true) = (written.last(), all.saturating_mul(u32::from(copies)) > most) {
        problems.error(
            last.span(),
            format!("{all} streams to {copies} receivers each are too many to keep books of"),
            format!("at most {most} streams times the receivers that each goes to"),
        );
    }
}
