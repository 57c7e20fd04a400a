//! What a load exchanges with the target: messages, replies, how often.

use std::time::Duration;

use crate::scenario::at::At;
use crate::scenario::diagnostic::Problems;
use crate::scenario::plan::{AcceptPace, Closer, Exchange, Reply, ReplyEnd, Serve, Target};
use crate::scenario::raw;
use crate::units::Span;

use super::{Files, LONGEST_CELL, message, number, place, span};

/// Most `exchanges`.
const MOST_EXCHANGES: u32 = 1_000_000;

/// What is exchanged on a connection of this load, `think` apart unless it says otherwise.
pub(super) fn exchange(
    at: &At<raw::Load>,
    think: Span,
    target: &Target,
    files: &Files,
    problems: &mut Problems,
) -> Exchange {
    let raw = at.get();
    let message = message::message(raw.message.as_ref(), files, problems);
    let exchanges = number("exchanges", raw.exchanges.as_ref(), 1, 1..=MOST_EXCHANGES, problems);
    let reply = reply(at, target, &message, problems);
    check_exchanges(raw, exchanges, &reply, target, problems);
    let whole = Duration::ZERO..=LONGEST_CELL;
    let think = span("think", raw.think.as_ref(), think, whole, problems);
    Exchange { message, reply, exchanges, think }
}

/// Where a reply ends: as written, or as our own target replies.
fn reply(at: &At<raw::Load>, target: &Target, message: &[u8], problems: &mut Problems) -> ReplyEnd {
    let written = at.get().reply.as_ref().map(|written| (end_of(written, problems), written));
    let serve = match target {
        Target::Own { serve, .. } => serve,
        Target::Receiver { .. } | Target::External { .. } => {
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
        raw::ReplyEnd::None | raw::ReplyEnd::Echo => {
            problems.error(
                written.span(),
                "this says what is replied to a datagram, and here a reply needs an end",
                "write reply = { length = 5 }, { until = \"\\r\\n\" } or \"close\"",
            );
            ReplyEnd::Close
        }
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
