//! `[[load]]`.

use std::time::Duration;

use crate::scenario::at::At;
use crate::scenario::diagnostic::Problems;
use crate::scenario::plan::{
    AcceptPace, Client, Close, Closer, Lifecycle, Load, Reply, ReplyEnd, Serve, Target, WhenFull,
};
use crate::scenario::raw::{self, Kind};
use crate::units::Span;

use super::{
    Files, LONGEST_CELL, external, message, number, place, schedule, span, surplus, transport,
};

/// Default of `timeout`: longer than two SYN retries on every Linux.
const TIMEOUT: Span = Span::from_millis(4000);
/// Longest `timeout`.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);
/// Most `exchanges`.
const MOST_EXCHANGES: u32 = 1_000_000;

/// A load of a cell.
pub(super) fn load(
    name: String,
    at: &At<raw::Load>,
    target: &Target,
    files: &Files,
    problems: &mut Problems,
) -> Load {
    let raw = at.get();
    let range = Duration::from_nanos(1)..=LONGEST_TIMEOUT;
    let timeout = span("timeout", raw.timeout.as_ref(), TIMEOUT, range, problems);
    transport::check_load(raw, target, problems);
    notice_short(raw.timeout.as_ref().filter(|_| target.transport().is_tcp()), problems);
    let client = client(at, target, files, problems);
    let schedule = schedule::schedule(at, longest_attempt(&client, timeout), problems);
    let lifecycle = raw.lifecycle.as_ref().map_or(Lifecycle::Fresh, |cycle| *cycle.get());
    let whole = Duration::ZERO..=LONGEST_CELL;
    Load {
        name,
        client,
        schedule,
        start: span("start", raw.start.as_ref(), Span::default(), whole, problems),
        timeout,
        lifecycle,
        when_full: raw.when_full.as_ref().map_or(WhenFull::Fail, |when| *when.get()),
        fast_open: raw.fast_open.as_ref().is_some_and(|written| *written.get()),
        close: close(raw, lifecycle, problems),
        ports: raw.ports.as_ref().map(|ports| *ports.get()),
        workers: raw
            .workers
            .as_ref()
            .map(|_| number("workers", raw.workers.as_ref(), 1, 1..=256, problems)),
    }
}

/// The longest that an attempt can take, from its start to its end.
pub(in crate::scenario) fn longest_attempt(client: &Client, timeout: Span) -> Duration {
    match client {
        Client::Connect { hold, .. } => timeout.get() + hold.get(),
        Client::Request { exchanges, think, .. } => {
            let one = timeout.get() + think.get();
            timeout.get().saturating_add(one.saturating_mul(*exchanges))
        }
    }
}

fn notice_short(timeout: Option<&At<Span>>, problems: &mut Problems) {
    let Some(timeout) = timeout else { return };
    let what = match timeout.get().get().as_millis() {
        0..1100 => "every attempt whose first SYN is dropped counts as a failure",
        1100..3100 => "an attempt that needs a second SYN retry may count as a failure",
        _ => return,
    };
    problems.notice(
        timeout.span(),
        format!("with a timeout of {}, {what}", timeout.get()),
        "Linux sends SYN again after 1 s and 2 s (3 s before Linux 6.5): \"4s\" sees both",
    );
}

fn close(raw: &raw::Load, lifecycle: Lifecycle, problems: &mut Problems) -> Close {
    let written = raw.close.as_ref();
    match (lifecycle, written.map(|close| *close.get())) {
        (Lifecycle::Fresh, close) => close.unwrap_or(Close::Fin),
        (Lifecycle::Recycle, close) => {
            if let (Some(Close::Fin), Some(written)) = (close, written) {
                problems.error(
                    written.span(),
                    "a recycled socket is reset: it cannot close by FIN",
                    "remove `close`, or write lifecycle = \"fresh\"",
                );
            }
            Close::Rst
        }
    }
}

fn client(at: &At<raw::Load>, target: &Target, files: &Files, problems: &mut Problems) -> Client {
    let raw = at.get();
    let kind = raw.client.as_ref().map_or(Kind::Connect, |kind| *kind.get());
    check_keys(raw, kind, problems);
    let greet = greet(raw, kind, target, problems);
    let whole = Duration::ZERO..=LONGEST_CELL;
    match kind {
        Kind::Connect => {
            let hold = span("hold", raw.hold.as_ref(), Span::default(), whole, problems);
            Client::Connect { hold, greet }
        }
        Kind::Request => {
            let message = message::message(raw.message.as_ref(), files, problems);
            let exchanges =
                number("exchanges", raw.exchanges.as_ref(), 1, 1..=MOST_EXCHANGES, problems);
            let reply = reply(at, target, &message, problems);
            check_exchanges(raw, exchanges, &reply, target, problems);
            let think = span("think", raw.think.as_ref(), Span::default(), whole, problems);
            Client::Request { message, reply, exchanges, think, greet }
        }
    }
}

fn check_keys(raw: &raw::Load, kind: Kind, problems: &mut Problems) {
    if problems.lost("client") {
        return;
    }
    let (foreign, why, help): (&[_], _, _) = match kind {
        Kind::Request => (
            &[("hold", place(&raw.hold))],
            "for requests",
            "remove it; `exchanges` and `think` say how long a connection lives",
        ),
        Kind::Connect => (
            &[
                ("message", place(&raw.message)),
                ("reply", place(&raw.reply)),
                ("exchanges", place(&raw.exchanges)),
                ("think", place(&raw.think)),
            ],
            "for a client that only connects",
            "remove it, or write client = \"request\"",
        ),
    };
    surplus(foreign, why, |_| help.to_owned(), problems);
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

/// Where a reply ends: as written, or as our own target replies.
fn reply(at: &At<raw::Load>, target: &Target, message: &[u8], problems: &mut Problems) -> ReplyEnd {
    let written = at.get().reply.as_ref().map(|written| (end_of(written, problems), written));
    let serve = match target {
        Target::Own { serve, .. } => serve,
        Target::External { .. } => {
            return written.map(|(end, _)| end).unwrap_or_else(|| {
                problems.missing(
                    "reply",
                    at.span(),
                    "it is not said where a reply of your server ends",
                    "add reply = { length = 5 }, { until = \"\\r\\n\" } or \"close\" to this load",
                );
                ReplyEnd::Close
            });
        }
    };
    let Some(length) = sent_by(serve, message) else {
        if !problems.lost("reply") {
            problems.error(
                place(&at.get().client).unwrap_or(at.span()),
                "requests wait for a reply, and the target sends none",
                "write reply = \"echo\" under [target], or client = \"connect\" here",
            );
        }
        return ReplyEnd::Length(1);
    };
    if let AcceptPace::Never = serve.accept {
        problems.notice(
            place(&at.get().client).unwrap_or(at.span()),
            "the target accepts nothing: no request is ever answered",
            "to watch only the queue fill, write client = \"connect\"",
        );
    }
    match written {
        None => ReplyEnd::Length(length),
        Some((end, written)) => {
            check_end(&end, written, serve, message, length, problems);
            end
        }
    }
}

/// How many bytes our own target sends for one message.
fn sent_by(serve: &Serve, message: &[u8]) -> Option<u64> {
    match serve.reply {
        Reply::None => None,
        Reply::Echo => Some(message.len() as u64),
        Reply::Bytes(size) => Some(size.0),
    }
}

/// Longest delimiter.
const LONGEST_DELIMITER: usize = 64;

fn end_of(written: &At<raw::ReplyEnd>, problems: &mut Problems) -> ReplyEnd {
    match written.get() {
        raw::ReplyEnd::Length(0) => {
            problems.error(written.span(), "a reply of no bytes", "write a length of 1 or above");
            ReplyEnd::Length(1)
        }
        raw::ReplyEnd::Length(length) => ReplyEnd::Length(*length),
        raw::ReplyEnd::Until(bytes) => {
            if bytes.is_empty() || bytes.len() > LONGEST_DELIMITER {
                problems.error(
                    written.span(),
                    format!("a delimiter of {} bytes", bytes.len()),
                    format!("write 1 to {LONGEST_DELIMITER} bytes, such as \"\\r\\n\""),
                );
            }
            ReplyEnd::Delimiter(bytes.clone())
        }
        raw::ReplyEnd::Close => ReplyEnd::Close,
    }
}

/// Whether our own target's reply ends as the load expects: else every attempt would time out.
fn check_end(
    end: &ReplyEnd,
    written: &At<raw::ReplyEnd>,
    serve: &Serve,
    message: &[u8],
    length: u64,
    problems: &mut Problems,
) {
    let title = match end {
        ReplyEnd::Length(wanted) if *wanted != length => {
            format!("the target sends {length} bytes a reply, not {wanted}")
        }
        ReplyEnd::Delimiter(_) if serve.reply != Reply::Echo => {
            "the target's fixed replies hold no delimiter".to_owned()
        }
        ReplyEnd::Delimiter(bytes) if first_end(message, bytes) != Some(message.len()) => {
            "the target echoes the message, and that does not end with this".to_owned()
        }
        ReplyEnd::Close if serve.close == Closer::Client => {
            problems.error(
                written.span(),
                "the target does not close first: this reply never ends",
                "write close = \"server\" under [target], or remove `reply`",
            );
            return;
        }
        _ => return,
    };
    problems.error(written.span(), title, "remove `reply`: our own target's replies are known");
}

/// Where the first occurrence of `end` in `text` ends.
fn first_end(text: &[u8], end: &[u8]) -> Option<usize> {
    if end.is_empty() {
        return None;
    }
    text.windows(end.len()).position(|window| window == end).map(|at| at + end.len())
}

fn check_exchanges(
    raw: &raw::Load,
    exchanges: u32,
    reply: &ReplyEnd,
    target: &Target,
    problems: &mut Problems,
) {
    let Some(written) = raw.exchanges.as_ref().filter(|_| exchanges > 1) else { return };
    let server_closes = matches!(
        target, Target::Own { serve, .. } if serve.close == Closer::Server
    );
    if *reply == ReplyEnd::Close || server_closes {
        problems.error(
            written.span(),
            "the target closes after its first reply: there is no second exchange",
            "remove `exchanges`, or let the client close first",
        );
    }
}
