//! What an attempt of a load does, by client kind.

use std::ops::Range;
use std::time::Duration;

use crate::load::Schedule;
use crate::scenario::at::At;
use crate::scenario::diagnostic::Problems;
use crate::scenario::plan::{Client, Closer, Closing, EngineChoice, Exchange, Target, Transport};
use crate::scenario::raw::{self, CloseWord, Kind};
use crate::units::Span;

use super::{Files, LONGEST_CELL, exchange, external, place, schedule, span, surplus};

/// How long connections are held, and half-open sockets kept, when nothing says so.
const DEFAULT_HOLD: Span = Span::from_millis(5000);
/// From one message of a held connection to the next when nothing says so.
const DEFAULT_TALK: Span = Span::from_millis(1000);

/// The kind of a load's clients.
pub(super) fn kind(raw: &raw::Load, transport: Transport) -> Kind {
    let default = if transport.carries_datagrams() { Kind::Datagram } else { Kind::Connect };
    raw.client.as_ref().map_or(default, |kind| *kind.get())
}

/// What an attempt does; not for [`Kind::Hold`], whose end depends on its schedule.
pub(super) fn client(
    at: &At<raw::Load>,
    kind: Kind,
    target: &Target,
    files: &Files,
    problems: &mut Problems,
) -> Client {
    let raw = at.get();
    let greet = greet(raw, kind, target, problems);
    let whole = Duration::ZERO..=LONGEST_CELL;
    let held =
        |default, problems: &mut _| span("hold", raw.hold.as_ref(), default, whole, problems);
    match kind {
        Kind::Datagram => {
            problems.error(
                place(&raw.client).unwrap_or(at.span()),
                "datagrams go to a target that takes them, and this one takes connections",
                "write transport = \"udp\" or \"unix-dgram\" under [target]",
            );
            Client::Connect { hold: Span::default(), greet }
        }
        Kind::Connect | Kind::Hold => {
            Client::Connect { hold: held(Span::default(), problems), greet }
        }
        Kind::HalfOpen => {
            let hold = held(DEFAULT_HOLD, problems);
            check_half_open(at, target, problems);
            Client::HalfOpen { hold }
        }
        Kind::Request => {
            let exchange = exchange::exchange(at, Span::default(), target, files, problems);
            Client::Request { exchange, greet }
        }
        Kind::Churn => {
            let exchange = optional(at, Span::default(), target, files, problems);
            let closing = closing(raw, target, problems);
            Client::Churn { exchange, closing, greet }
        }
    }
}

/// Connections that are kept, and the schedule by which they are made.
pub(super) fn hold(
    at: &At<raw::Load>,
    start: Span,
    target: &Target,
    files: &Files,
    problems: &mut Problems,
) -> (Client, Schedule) {
    let raw = at.get();
    if raw.connections.is_none() {
        problems.missing(
            "connections",
            at.span(),
            "it is not said how many connections are held",
            "add it, such as connections = 10000",
        );
    }
    let paced = raw::Load { attempts: raw.connections.clone(), ..raw.clone() };
    let schedule = schedule::schedule(&at.with(paced), Duration::ZERO, problems);
    let whole = Duration::ZERO..=LONGEST_CELL;
    let hold = span("hold", raw.hold.as_ref(), DEFAULT_HOLD, whole, problems);
    let exchange = optional(at, DEFAULT_TALK, target, files, problems);
    let parts = [schedule.window().get(), hold.get()];
    let until = parts.into_iter().fold(start.get(), Duration::saturating_add);
    (Client::Hold { until: Span::from(until), exchange }, schedule)
}

/// What is exchanged where a message is given.
fn optional(
    at: &At<raw::Load>,
    think: Span,
    target: &Target,
    files: &Files,
    problems: &mut Problems,
) -> Option<Exchange> {
    let raw = at.get();
    if raw.message.is_some() {
        return Some(exchange::exchange(at, think, target, files, problems));
    }
    let given = [
        ("reply", place(&raw.reply)),
        ("exchanges", place(&raw.exchanges)),
        ("think", place(&raw.think)),
    ];
    let help = |_: &str| "remove it, or add what is sent, such as message = \"ping\\n\"".to_owned();
    surplus(&given, "without a message", help, problems);
    None
}

/// A key, the kinds of client that it belongs to, and where it was written.
type KeyOfKinds = (&'static str, &'static [Kind], Option<Range<usize>>);

fn keys(raw: &raw::Load) -> [KeyOfKinds; 21] {
    use Kind::{Churn, Connect, Datagram, HalfOpen, Hold, Request};
    const BUT_HOLD: &[Kind] = &[Connect, Request, Churn, HalfOpen, Datagram];
    const TALKS: &[Kind] = &[Request, Churn, Hold];
    [
        ("hold", &[Connect, Hold, HalfOpen], place(&raw.hold)),
        ("connections", &[Hold], place(&raw.connections)),
        ("sources", &[HalfOpen], place(&raw.sources)),
        ("message", TALKS, place(&raw.message)),
        ("reply", &[Request, Churn, Hold, Datagram], place(&raw.reply)),
        ("payload", &[Datagram], place(&raw.payload)),
        ("streams", &[Datagram], place(&raw.streams)),
        ("bulk", &[Datagram], place(&raw.bulk)),
        ("exchanges", &[Request, Churn], place(&raw.exchanges)),
        ("think", TALKS, place(&raw.think)),
        ("greet", &[Connect, Request, Churn], place(&raw.greet)),
        ("vanish", &[Connect, Request, Churn, Hold], place(&raw.vanish)),
        ("close", &[Connect, Request, Churn, Hold], place(&raw.close)),
        ("arrivals", BUT_HOLD, place(&raw.arrivals)),
        ("attempts", BUT_HOLD, place(&raw.attempts)),
        ("duration", BUT_HOLD, place(&raw.duration)),
        ("clients", BUT_HOLD, place(&raw.clients)),
        ("from", BUT_HOLD, place(&raw.from)),
        ("to", BUT_HOLD, place(&raw.to)),
        ("size", BUT_HOLD, place(&raw.size)),
        ("stages", BUT_HOLD, place(&raw.stages)),
    ]
}

/// Tells of keys that belong to other kinds of client.
pub(super) fn check_keys(raw: &raw::Load, kind: Kind, problems: &mut Problems) {
    if problems.lost("client") {
        return;
    }
    let foreign: Vec<_> = keys(raw)
        .into_iter()
        .filter(|(_, kinds, _)| !kinds.contains(&kind))
        .map(|(key, _, place)| (key, place))
        .collect();
    let why = match kind {
        Kind::Connect => "for a client that only connects",
        Kind::Request => "for requests",
        Kind::Churn => "for client \"churn\"",
        Kind::Hold => "for client \"hold\"",
        Kind::HalfOpen => "for half-open clients",
        Kind::Datagram => "for datagrams",
    };
    let help = |key: &str| match (kind, key) {
        (Kind::Request, "hold") => {
            "remove it; `exchanges` and `think` say how long a connection lives".to_owned()
        }
        (Kind::Hold, "exchanges") => {
            "remove it; held connections talk every `think` to their end".to_owned()
        }
        (Kind::Hold, _) => {
            "remove it; `connections`, `rate` and `hold` say what is made and kept".to_owned()
        }
        (_, "payload" | "streams" | "bulk") => {
            "remove it, or write transport = \"udp\" under [target]".to_owned()
        }
        (_, "connections") => "remove it, or write client = \"hold\"".to_owned(),
        (Kind::HalfOpen, _) => "remove it: such a client never gets that far".to_owned(),
        (_, "sources") => "write it under [lab], or client = \"half-open\" here".to_owned(),
        _ => "remove it, or write client = \"request\"".to_owned(),
    };
    surplus(&foreign, why, help, problems);
}

fn greet(raw: &raw::Load, kind: Kind, target: &Target, problems: &mut Problems) -> bool {
    let fast_open = raw.fast_open.as_ref().is_some_and(|written| *written.get());
    let default = kind == Kind::Request && !external(target) && !fast_open;
    let Some(written) = &raw.greet else { return default };
    if *written.get() && external(target) {
        problems.notice(
            written.span(),
            "`greet` is without effect on a server of yours",
            "only our own target understands our greeting: none is sent",
        );
    }
    *written.get() && !external(target)
}

/// Half-open clients never leave a lab, and a target elsewhere is outside of it.
fn check_half_open(at: &At<raw::Load>, target: &Target, problems: &mut Problems) {
    if !matches!(target, Target::Own { command: None, address: None, .. }) {
        problems.error(
            place(&at.get().client).unwrap_or(at.span()),
            "half-open clients exist only inside a lab, and this target is outside",
            "remove `target.address` and `target.command` to measure our own server, or this load",
        );
    }
    let engine = at.get().engine.as_ref().filter(|e| *e.get() == EngineChoice::Processes);
    if let Some(written) = engine {
        problems.error(
            written.span(),
            "half-open clients belong to the lab of the runner, and processes have none",
            "remove `engine`, or write \"io_uring\"",
        );
    }
}

/// Who closes first; our own target must agree.
fn closing(raw: &raw::Load, target: &Target, problems: &mut Problems) -> Closing {
    let Some(written) = &raw.close else { return Closing::FinClient };
    let closing = match written.get() {
        CloseWord::FinClient => Closing::FinClient,
        CloseWord::FinServer => Closing::FinServer,
        CloseWord::Rst => Closing::Rst,
        CloseWord::HalfClose => Closing::HalfClose,
        CloseWord::Fin => {
            problems.error(
                written.span(),
                "it is not said whose FIN comes first",
                "write close = \"fin-client\" or \"fin-server\"",
            );
            Closing::FinClient
        }
    };
    if let Target::Own { serve, .. } = target {
        let server_first = closing == Closing::FinServer;
        if server_first != (serve.close == Closer::Server) {
            let (who, word) = match serve.close {
                Closer::Client => ("the client", "client"),
                Closer::Server => ("the target", "server"),
            };
            problems.error(
                written.span(),
                format!("{who} closes first, says [target]: close = \"{word}\""),
                "remove `close` under [target]; loads of one cell must agree on who closes first",
            );
        }
    }
    closing
}
