//! `[target]` for datagrams, and what the lab does to them.

use std::time::Duration;

use crate::scenario::at::At;
use crate::scenario::diagnostic::Problems;
use crate::scenario::plan::{
    AcceptPace, Cast, DatagramReply, Delay, Family, Impair, Lab, Link, Rebind, Receive, Reply,
    Target, Transport,
};
use crate::scenario::raw;
use crate::units::{Bytes, Span};

use super::{LONGEST_CELL, Wishes, number, place, span, surplus, target};

/// Receivers, and sockets over all of them.
const MOST_READERS: u16 = 64;
/// What `setsockopt` can say and the kernel can double.
const LARGEST_BUFFER: u64 = 1 << 30;
/// Longest that a datagram is held.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// How our own target receives datagrams.
pub(super) fn receive(
    raw: &raw::Target,
    transport: Transport,
    wishes: Wishes,
    problems: &mut Problems,
) -> Receive {
    check_keys(raw, problems);
    let receivers = raw.receivers.as_ref();
    let readers = raw.readers.as_ref();
    let sample_range = Duration::from_micros(100)..=Duration::from_secs(1);
    let receive = Receive {
        transport,
        receivers: number("receivers", receivers, 1, 1..=MOST_READERS, problems),
        cast: raw.cast.as_ref().map_or(Cast::Unicast, |cast| *cast.get()),
        readers: number("readers", readers, 1, 1..=MOST_READERS, problems),
        rcvbuf: raw.rcvbuf.as_ref().map(|size| buffer(size, problems)),
        drain: raw.drain.as_ref().map_or(AcceptPace::Asap, |drain| drain.get().0),
        stalls: target::stalls(raw.stall.as_ref(), problems),
        reply: reply(raw, wishes, problems),
        gro: wishes.bulk,
        restart: restart(raw, problems),
        sample: span("sample", raw.sample.as_ref(), Span::from_millis(5), sample_range, problems),
    };
    check_readers(raw, &receive, problems);
    check_cast(raw, &receive, problems);
    receive
}

/// Tells of keys that belong to listeners.
fn check_keys(raw: &raw::Target, problems: &mut Problems) {
    let given = [
        ("backlog", place(&raw.backlog)),
        ("listeners", place(&raw.listeners)),
        ("acceptors", place(&raw.acceptors)),
        ("engine", place(&raw.engine)),
        ("accept", place(&raw.accept)),
        ("service", place(&raw.service)),
        ("close", place(&raw.close)),
        ("close_delay", place(&raw.close_delay)),
        ("defer_accept", place(&raw.defer_accept)),
        ("fast_open", place(&raw.fast_open)),
        ("reuse_address", place(&raw.reuse_address)),
        ("hand_over", place(&raw.hand_over)),
    ];
    let help = |key: &str| match key {
        "accept" => "write `drain`: how fast datagrams are read".to_owned(),
        "backlog" => "write `rcvbuf`: datagrams wait in the receive buffer".to_owned(),
        "listeners" | "acceptors" => "write `readers`, or remove it".to_owned(),
        _ => "remove it: there are no connections".to_owned(),
    };
    surplus(&given, "for datagrams", help, problems);
}

/// Tells of keys of datagrams beside a transport of connections.
pub(super) fn check_connections(raw: &raw::Target, problems: &mut Problems) {
    let given = [
        ("receivers", place(&raw.receivers)),
        ("cast", place(&raw.cast)),
        ("readers", place(&raw.readers)),
        ("rcvbuf", place(&raw.rcvbuf)),
        ("drain", place(&raw.drain)),
    ];
    let help = |key: &str| match key {
        "drain" => "write `accept`, or transport = \"udp\"".to_owned(),
        _ => "remove it, or write transport = \"udp\"".to_owned(),
    };
    surplus(&given, "for connections", help, problems);
}

fn buffer(size: &At<Bytes>, problems: &mut Problems) -> Bytes {
    if !(1..=LARGEST_BUFFER).contains(&size.get().0) {
        problems.error(
            size.span(),
            format!("a receive buffer cannot have {}", size.get()),
            "write a size from \"1B\" to \"1GiB\"; the kernel has a least size of its own",
        );
    }
    *size.get()
}

fn reply(raw: &raw::Target, wishes: Wishes, problems: &mut Problems) -> DatagramReply {
    let Some(written) = &raw.reply else {
        return if wishes.echoes { DatagramReply::Echo } else { DatagramReply::None };
    };
    match written.get().0 {
        Reply::Echo => DatagramReply::Echo,
        Reply::None => DatagramReply::None,
        Reply::Bytes(_) => {
            problems.error(
                written.span(),
                "a reply to a datagram is that datagram",
                "write reply = \"echo\" or \"none\"",
            );
            DatagramReply::None
        }
    }
}

fn restart(raw: &raw::Target, problems: &mut Problems) -> Option<Rebind> {
    let whole = Duration::ZERO..=LONGEST_CELL;
    let hour = Duration::ZERO..=Duration::from_secs(3600);
    let Some(at) = &raw.restart_at else {
        let gap = [("restart_gap", place(&raw.restart_gap))];
        let help = |_: &str| "remove it, or say when with restart_at = \"3s\"".to_owned();
        surplus(&gap, "without `restart_at`", help, problems);
        return None;
    };
    let at = span("restart_at", Some(at), Span::default(), whole, problems);
    let gap = span("restart_gap", raw.restart_gap.as_ref(), Span::default(), hour, problems);
    Some(Rebind { at, gap })
}

fn check_readers(raw: &raw::Target, receive: &Receive, problems: &mut Problems) {
    let Receive { receivers, readers, transport, cast, .. } = *receive;
    let Some(written) = raw.readers.as_ref().filter(|_| readers > 1) else { return };
    let wrong = match cast {
        _ if transport != Transport::Udp => {
            Some(("an AF_UNIX name belongs to one socket".to_owned(), "remove `readers`"))
        }
        Cast::Multicast | Cast::Broadcast => Some((
            "where each datagram goes to all sockets, a second reader gets it again".to_owned(),
            "remove `readers`, or write more `receivers`",
        )),
        Cast::Unicast if receivers.saturating_mul(readers) > MOST_READERS => Some((
            format!("{receivers} receivers with {readers} readers each are too many threads"),
            "`receivers` times `readers` is at most 64",
        )),
        Cast::Unicast => None,
    };
    if let Some((title, help)) = wrong {
        problems.error(written.span(), title, help);
    }
}

fn check_cast(raw: &raw::Target, receive: &Receive, problems: &mut Problems) {
    let Some(written) = raw.cast.as_ref().filter(|cast| *cast.get() != Cast::Unicast) else {
        return;
    };
    let wrong = match receive {
        Receive { transport: Transport::UnixDgram, .. } => Some((
            "AF_UNIX sends to one receiver",
            "write cast = \"unicast\", or transport = \"udp\"",
        )),
        _ if raw.command.is_some() => Some((
            "what goes to all goes to all of a lab, and this target is outside",
            "remove `command`, or write cast = \"unicast\"",
        )),
        Receive { reply: DatagramReply::Echo, .. } => Some((
            "the echoes of many receivers are not one reply",
            "write reply = \"none\", or cast = \"unicast\"",
        )),
        _ => None,
    };
    if let Some((title, help)) = wrong {
        problems.error(written.span(), title, help);
    }
}

/// IPv6 has no broadcast (RFC 4291, section 2).
pub(super) fn check_family(
    raw: Option<&At<raw::Target>>,
    receive: &Receive,
    lab: &Lab,
    problems: &mut Problems,
) {
    let written = raw.and_then(|raw| raw.get().cast.as_ref());
    if let (Some(written), Cast::Broadcast, Family::Ipv6) = (written, receive.cast, lab.family) {
        problems.error(
            written.span(),
            "there is no broadcast in IPv6",
            "write cast = \"multicast\", or family = \"ipv4\" under [lab]",
        );
    }
}

/// What the lab does to datagrams.
pub(super) fn impair(
    raw: Option<&At<raw::Impair>>,
    target: &Target,
    link: Link,
    problems: &mut Problems,
) -> Option<Impair> {
    let at = raw?;
    let raw = at.get();
    let wrong = match target {
        Target::Receiver { command: None, receive, .. } if receive.transport == Transport::Udp => {
            None
        }
        Target::Receiver { receive, .. } if receive.transport == Transport::UnixDgram => {
            Some(("AF_UNIX has no path that could lose anything", "remove [lab.impair]"))
        }
        Target::Own { command: None, serve, .. } if serve.transport.is_tcp() => None,
        Target::Own { command: None, .. } => {
            Some(("AF_UNIX has no path that could lose anything", "remove [lab.impair]"))
        }
        Target::Own { .. } | Target::Receiver { .. } | Target::External { .. } => Some((
            "this target is outside the lab, and only the lab's own path is impaired",
            "remove [lab.impair], or measure our own target",
        )),
    };
    if let Some((title, help)) = wrong {
        problems.error(at.span(), title, help);
        return None;
    }
    check_link(raw, link, problems);
    check_pairs(raw, problems);
    let delays = Duration::ZERO..=LONGEST_DELAY;
    let mean = span("delay", raw.delay.as_ref(), Span::default(), delays.clone(), problems);
    let jitter = span("jitter", raw.jitter.as_ref(), Span::default(), delays, problems);
    if let Some(written) = raw.jitter.as_ref().filter(|_| jitter > mean && raw.delay.is_some()) {
        let help = "write at most `delay`: nothing arrives before it was sent";
        problems.error(written.span(), format!("{jitter} is more than the delay itself"), help);
    }
    let impair = Impair {
        loss: raw.loss.as_ref().map(|loss| loss.get().0),
        rate: raw.rate.as_ref().map(|rate| rate.get().get()),
        queue: raw.queue.as_ref().map(|size| *size.get()),
        delay: raw.delay.as_ref().map(|_| Delay { mean, jitter }),
        duplicate: raw.duplicate.as_ref().map(|ratio| *ratio.get()),
        reorder: raw.reorder.as_ref().map(|ratio| *ratio.get()),
    };
    (impair != Impair::default()).then_some(impair)
}

fn check_link(raw: &raw::Impair, link: Link, problems: &mut Problems) {
    if link == Link::Veth {
        return;
    }
    let given = [
        ("rate", place(&raw.rate)),
        ("delay", place(&raw.delay)),
        ("duplicate", place(&raw.duplicate)),
    ];
    let help = |_: &str| "add link = \"veth\" to [lab]".to_owned();
    surplus(&given, "without a link that can be slowed down", help, problems);
}

fn check_pairs(raw: &raw::Impair, problems: &mut Problems) {
    let without = |owner: &str, key, place, problems: &mut Problems| {
        let help = |key: &str| format!("remove `{key}`, or add `{owner}`");
        surplus(&[(key, place)], &format!("without `{owner}`"), help, problems);
    };
    if raw.rate.is_none() {
        without("rate", "queue", place(&raw.queue), problems);
    }
    if raw.delay.is_none() {
        without("delay", "jitter", place(&raw.jitter), problems);
        without("delay", "reorder", place(&raw.reorder), problems);
    }
    let queue = raw.queue.as_ref().filter(|size| !(2048..=1 << 30).contains(&size.get().0));
    if let Some(written) = queue {
        let help = "write a size from \"2KiB\" to \"1GiB\"";
        problems.error(written.span(), format!("a queue cannot have {}", written.get()), help);
    }
}
