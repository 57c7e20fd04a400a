//! Client kind `request`: connect, exchange messages and replies, close.

use super::{Arrived, Finish, Progress, Stage, Want};
use crate::scenario::plan::{Exchange, ReplyEnd};

/// See [`crate::scenario::plan::Client::Request`].
#[derive(Debug, Clone)]
pub struct Request {
    exchange: Exchange,
    pub(super) greet: bool,
    /// How it ends.
    finish: Finish,
}

impl Request {
    pub(super) fn new(exchange: Exchange, greet: bool, finish: Finish) -> Self {
        Self { exchange, greet, finish }
    }

    /// Nanoseconds between a whole reply and the next message.
    pub(super) fn think(&self) -> u64 {
        self.exchange.think.nanos()
    }

    /// The bytes of each message.
    pub(super) fn message(&self) -> &[u8] {
        &self.exchange.message
    }

    /// The rest of the greeting (before the first message only) and of the message: one write,
    /// since a second small segment would wait for the first one's ACK (Nagle).
    pub(super) fn sending<'a>(&'a self, progress: &'a Progress) -> Want<'a> {
        let (greeting, message) = (self.greeting_length(progress), &self.exchange.message[..]);
        let (first, second) = match progress.sent.checked_sub(greeting) {
            None => (&progress.greeting[progress.sent..greeting], message),
            Some(sent) => (&message[sent.min(message.len())..], &[][..]),
        };
        Want::Send(first, second)
    }

    pub(super) fn sent(&self, progress: &mut Progress) {
        if progress.sent >= self.greeting_length(progress) + self.exchange.message.len() {
            let last = progress.exchanges + 1 >= self.exchange.exchanges;
            let half_close = last && self.finish == Finish::HalfClose;
            progress.stage = if half_close { Stage::Closing } else { Stage::Receiving };
            progress.received = 0;
            progress.matched = 0;
        }
    }

    /// Whether a reply is still to come.
    pub(super) fn awaits_reply(&self, progress: &Progress) -> bool {
        progress.exchanges < self.exchange.exchanges
    }

    pub(super) fn received(&self, progress: &mut Progress, bytes: &[u8]) -> Arrived {
        progress.received += bytes.len() as u64;
        let whole = match &self.exchange.reply {
            ReplyEnd::Length(length) => progress.received >= *length,
            ReplyEnd::Delimiter(delimiter) => {
                bytes.iter().any(|byte| matches(delimiter, &mut progress.matched, *byte))
            }
            ReplyEnd::Close => false,
        };
        if whole { self.whole_reply(progress) } else { Arrived::Part }
    }

    pub(super) fn closed(&self, progress: &mut Progress) -> Arrived {
        if self.exchange.reply != ReplyEnd::Close {
            return Arrived::Early;
        }
        progress.exchanges += 1;
        progress.stage = Stage::Over;
        Arrived::Reply
    }

    fn whole_reply(&self, progress: &mut Progress) -> Arrived {
        progress.exchanges = progress.exchanges.saturating_add(1);
        if progress.exchanges >= self.exchange.exchanges {
            progress.stage = self.finish.stage();
        } else if self.think() > 0 {
            progress.stage = Stage::Pausing;
        } else {
            progress.sending();
        }
        Arrived::Reply
    }

    fn greeting_length(&self, progress: &Progress) -> usize {
        if self.greet && progress.exchanges == 0 { progress.greeting.len() } else { 0 }
    }
}

/// Whether the stream ends with `delimiter` after `byte`; `matched` is how much of it the stream
/// ended with before (Knuth, Morris and Pratt, with the fallback found by trying: delimiters are
/// short and mismatches inside them rare).
fn matches(delimiter: &[u8], matched: &mut usize, byte: u8) -> bool {
    let mut length = *matched;
    while length > 0 && delimiter[length] != byte {
        length = (0..length)
            .rev()
            .find(|shorter| delimiter[..length].ends_with(&delimiter[..*shorter]))
            .unwrap_or(0);
    }
    if delimiter[length] == byte {
        length += 1;
    }
    let whole = length == delimiter.len();
    *matched = if whole { 0 } else { length };
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_delimiter_is_found_where_it_first_ends(
            delimiter in prop::collection::vec(0u8..3, 1..6),
            stream in prop::collection::vec(0u8..3, 0..200),
        ) {
            let mut matched = 0;
            let found = stream.iter().position(|byte| matches(&delimiter, &mut matched, *byte));
            let expected = stream
                .windows(delimiter.len())
                .position(|window| window == delimiter)
                .map(|start| start + delimiter.len() - 1);
            prop_assert_eq!(found, expected);
        }
    }
}
