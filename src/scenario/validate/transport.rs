//! What carries the connections: which keys mean something beside it.

use std::ops::Range;

use crate::scenario::at::At;
use crate::scenario::diagnostic::Problems;
use crate::scenario::plan::{EngineChoice, Lab, Lifecycle, Link, Target, Transport, WhenFull};
use crate::scenario::raw::{self, Kind};
use crate::units::{UnixKind, UnixName};

use super::{external, place, surplus};

/// How the address of an AF_UNIX socket begins.
const UNIX: &str = "unix:";
/// Beside an AF_UNIX transport.
const BESIDE_UNIX: &str = "beside an AF_UNIX transport";
/// Lets a namespace's listeners take data with a SYN; the kernel's own default lets clients only.
const FAST_OPEN: &str = "net.ipv4.tcp_fastopen";

/// The name of an AF_UNIX socket, if the address is one by its form.
pub(super) fn unix_name(address: &str) -> Option<&str> {
    let name = address.strip_prefix(UNIX)?;
    // `unix:80` is a port of a host of that name.
    name.starts_with(['/', '.', '@']).then_some(name)
}

/// The transport of `[target]`, before anything is checked.
pub(super) fn written(raw: Option<&At<raw::Target>>) -> Transport {
    let Some(raw) = raw.map(At::get) else { return Transport::Tcp };
    let unix = raw.address.as_ref().is_some_and(|address| unix_name(address.get()).is_some());
    let default = if unix { Transport::UnixStream } else { Transport::Tcp };
    raw.transport.as_ref().map_or(default, |transport| *transport.get())
}

/// The transport of `[target]`: as written, else as the address says.
pub(super) fn transport(raw: &raw::Target, problems: &mut Problems) -> Transport {
    let address = raw.address.as_ref();
    let named = address.is_some_and(|address| unix_name(address.get()).is_some());
    let Some(written) = &raw.transport else {
        return if named { Transport::UnixStream } else { Transport::Tcp };
    };
    let transport = *written.get();
    match (transport.unix(), address) {
        (None, Some(_)) if named => problems.error(
            written.span(),
            "this address is the name of an AF_UNIX socket",
            "write transport = \"unix-stream\", \"unix-seqpacket\" or \"unix-dgram\"",
        ),
        (Some(_), Some(address)) if !named => problems.error(
            address.span(),
            format!("\"{}\" is not the name of an AF_UNIX socket", address.get()),
            "write \"unix:/path\" or \"unix:@name\", or remove `transport`",
        ),
        _ => {}
    }
    if let (Some(_), Some(command)) = (transport.unix(), &raw.command) {
        problems.error(
            command.span(),
            "a target that a command starts is reached over IP",
            "remove `command` to measure our own target here, or remove `transport`",
        );
    }
    transport
}

/// Whether the address is a sound name; told where not.
pub(super) fn check_name(address: &At<String>, name: &str, problems: &mut Problems) {
    if let Err(error) = name.parse::<UnixName>() {
        problems.error(
            address.span(),
            error.to_string(),
            "such as \"unix:/run/server.sock\" or \"unix:@server\"",
        );
    }
}

/// The address of a server of the user, so that it alone says how it is reached.
pub(super) fn complete(address: &str, transport: Transport) -> String {
    match (unix_name(address), transport.unix()) {
        (Some(name), Some(UnixKind::Seqpacket)) => format!("unix-seqpacket:{name}"),
        (Some(name), Some(UnixKind::Datagram)) => format!("unix-dgram:{name}"),
        (None, None) if transport == Transport::Udp => format!("udp:{address}"),
        _ => address.to_owned(),
    }
}

/// Tells of keys of `[lab]` that concern IP.
pub(super) fn check_lab(raw: &raw::Lab, lab: &Lab, transport: Transport, problems: &mut Problems) {
    if transport.is_ip() {
        return;
    }
    let given = [
        ("link", place(&raw.link).filter(|_| lab.link == Link::Veth)),
        ("family", place(&raw.family)),
        ("sources", place(&raw.sources).filter(|_| lab.sources > 1)),
        ("capture", place(&raw.capture).filter(|_| lab.capture.is_some())),
    ];
    let help = |key: &str| match key {
        "link" => "both ends are in one namespace: remove `link`, or write transport = \"tcp\"",
        "capture" => "there are no packets: remove it, or write transport = \"tcp\"",
        _ => "there are no IP addresses: remove it, or write transport = \"tcp\"",
    };
    surplus(&given, BESIDE_UNIX, |key| help(key).to_owned(), problems);
}

/// Tells of keys of `[target]` that concern TCP.
pub(super) fn check_target(raw: &raw::Target, transport: Transport, problems: &mut Problems) {
    if transport.is_tcp() {
        return;
    }
    let given = [
        ("listeners", place(&raw.listeners)),
        ("defer_accept", place(&raw.defer_accept)),
        ("fast_open", place(&raw.fast_open)),
        ("reuse_address", place(&raw.reuse_address)),
        ("restart_at", place(&raw.restart_at)),
        ("restart_gap", place(&raw.restart_gap)),
        ("hand_over", place(&raw.hand_over)),
    ];
    let help = |_: &str| "remove it, or write transport = \"tcp\"".to_owned();
    surplus(&given, BESIDE_UNIX, help, problems);
}

/// Tells of keys of a load that its transport does not have.
pub(super) fn check_load(raw: &raw::Load, target: &Target, problems: &mut Problems) {
    match target.transport().is_tcp() {
        true => check_wait(raw, problems),
        false => check_unix(raw, problems),
    }
    if let Some(written) = raw.fast_open.as_ref().filter(|written| *written.get()) {
        check_fast_open(raw, written.span(), problems);
    }
}

fn check_wait(raw: &raw::Load, problems: &mut Problems) {
    let waits = raw.when_full.as_ref().filter(|when| *when.get() == WhenFull::Wait);
    if let Some(written) = waits {
        problems.error(
            written.span(),
            "over TCP nobody waits for room in connect(): the client's SYN is sent again",
            "remove `when_full`, or write transport = \"unix-stream\" under [target]",
        );
    }
}

fn check_unix(raw: &raw::Load, problems: &mut Problems) {
    let close = place(&raw.close).filter(|_| is(&raw.close, raw::CloseWord::Rst));
    let lifecycle = place(&raw.lifecycle).filter(|_| is(&raw.lifecycle, Lifecycle::Recycle));
    let fast_open = place(&raw.fast_open).filter(|_| is(&raw.fast_open, true));
    if let Some(place) = place(&raw.client).filter(|_| is(&raw.client, Kind::HalfOpen)) {
        problems.error(
            place,
            "AF_UNIX has no handshake that could stay half-open",
            "write client = \"connect\", or transport = \"tcp\" under [target]",
        );
    }
    let given: [(&str, Option<Range<usize>>); 5] = [
        ("vanish", place(&raw.vanish)),
        ("ports", place(&raw.ports)),
        ("close", close),
        ("lifecycle", lifecycle),
        ("fast_open", fast_open),
    ];
    let help = |key: &str| match key {
        "vanish" => "there are no packets that could be left unanswered: remove it",
        "ports" => "there are no ports: remove it",
        "close" => "there is no RST: remove it, or write close = \"fin\"",
        "lifecycle" => "a socket connects only once: remove it, or write lifecycle = \"fresh\"",
        _ => "there is no SYN: remove it",
    };
    surplus(&given, BESIDE_UNIX, |key| help(key).to_owned(), problems);
    if let Some(written) = raw.engine.as_ref().filter(|e| *e.get() == EngineChoice::IoUring)
        && is(&raw.when_full, WhenFull::Wait)
    {
        problems.error(
            written.span(),
            "clients that wait for room are driven by epoll only",
            "remove `engine`, or write when_full = \"fail\"",
        );
    }
}

fn is<T: PartialEq>(written: &Option<At<T>>, value: T) -> bool {
    written.as_ref().is_some_and(|written| *written.get() == value)
}

fn check_fast_open(raw: &raw::Load, at: Range<usize>, problems: &mut Problems) {
    if raw.client.as_ref().is_none_or(|kind| *kind.get() != Kind::Request) {
        problems.error(
            at.clone(),
            "with `fast_open` a message goes with the SYN, and this client sends none",
            "write client = \"request\", or remove `fast_open`",
        );
    }
    if let Some(engine) = raw.engine.as_ref().filter(|e| *e.get() == EngineChoice::IoUring) {
        problems.error(
            engine.span(),
            "what goes with the SYN is sent by epoll only",
            "remove `engine`, or remove `fast_open`",
        );
    }
    if is(&raw.greet, true) {
        problems.error(
            at,
            "a greeting says since when its client is connected, and nothing is known of that \
             before the SYN",
            "remove `greet` (queue_wait is then not measured), or remove `fast_open`",
        );
    }
}

/// Tells where our own target cannot take data with a SYN, as no setting permits it.
pub(super) fn notice_fast_open(
    loads: &[At<raw::Load>],
    lab: &Lab,
    target: &Target,
    problems: &mut Problems,
) {
    let permits = |value: &str| value.parse::<u32>().is_ok_and(|bits| bits & 2 != 0);
    let set = lab.sysctl.iter().any(|(key, value)| key == FAST_OPEN && permits(value));
    if external(target) || set {
        return;
    }
    let asks = loads.iter().filter_map(|load| load.get().fast_open.as_ref());
    if let Some(written) = asks.into_iter().find(|written| *written.get()) {
        problems.notice(
            written.span(),
            "unless a setting permits it, the target takes no data with a SYN",
            format!("write {FAST_OPEN} = 3 under [lab.sysctl]"),
        );
    }
}
