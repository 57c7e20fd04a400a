//! Client kind `request`: connect, exchange messages and replies, close.

use super::{Arrived, Progress, Stage, Want};
use crate::scenario::plan::ReplyEnd;

/// See [`crate::scenario::plan::Client::Request`].
#[derive(Debug, Clone)]
pub struct Request {
    message: Vec<u8>,
    reply: ReplyEnd,
    exchanges: u32,
    /// Nanoseconds between a whole reply and the next message.
    pub(super) think: u64,
    pub(super) greet: bool,
    target_closes: bool,
}

impl Request {
    pub(super) fn new(
        message: Vec<u8>,
        reply: ReplyEnd,
        exchanges: u32,
        think: u64,
        greet: bool,
        target_closes: bool,
    ) -> Self {
        Self { message, reply, exchanges, think, greet, target_closes }
    }

    /// The bytes of each message.
    pub(super) fn message(&self) -> &[u8] {
        &self.message
    }

    /// The rest of the greeting (before the first message only) and of the message: one write,
    /// since a second small segment would wait for the first one's ACK (Nagle).
    pub(super) fn sending<'a>(&'a self, progress: &'a Progress) -> Want<'a> {
        let greeting = self.greeting_length(progress);
        let (first, second) = match progress.sent.checked_sub(greeting) {
            None => (&progress.greeting[progress.sent..greeting], &self.message[..]),
            Some(sent) => (&self.message[sent.min(self.message.len())..], &[][..]),
        };
        Want::Send(first, second)
    }

    pub(super) fn sent(&self, progress: &mut Progress) {
        if progress.sent >= self.greeting_length(progress) + self.message.len() {
            progress.stage = Stage::Receiving;
            progress.received = 0;
            progress.matched = 0;
        }
    }

    pub(super) fn received(&self, progress: &mut Progress, bytes: &[u8]) -> Arrived {
        progress.received += bytes.len() as u64;
        let whole = match &self.reply {
            ReplyEnd::Length(length) => progress.received >= *length,
            ReplyEnd::Delimiter(delimiter) => {
                bytes.iter().any(|byte| matches(delimiter, &mut progress.matched, *byte))
            }
            ReplyEnd::Close => false,
        };
        if whole { self.whole_reply(progress) } else { Arrived::Part }
    }

    pub(super) fn closed(&self, progress: &mut Progress) -> Arrived {
        if self.reply != ReplyEnd::Close {
            return Arrived::Early;
        }
        progress.exchanges += 1;
        progress.stage = Stage::Over;
        Arrived::Reply
    }

    fn whole_reply(&self, progress: &mut Progress) -> Arrived {
        progress.exchanges += 1;
        if progress.exchanges >= self.exchanges {
            progress.stage = if self.target_closes { Stage::AwaitingClose } else { Stage::Over };
        } else if self.think > 0 {
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
    use super::super::Script;
    use super::*;
    use crate::measure::greeting::{Greeting, LENGTH};
    use proptest::prelude::*;

    const GREETING: Greeting = Greeting { run: 1, client: 2, monotonic: 3, realtime: 4 };

    fn begin(reply: ReplyEnd, exchanges: u32, think: u64, greet: bool) -> (Script, Progress) {
        let request = Request::new(b"hello".to_vec(), reply, exchanges, think, greet, false);
        (Script::Request(request), Progress::new(&GREETING))
    }

    #[test]
    fn greeting_and_message_are_one_write_and_only_once() {
        let (script, mut progress) = begin(ReplyEnd::Length(5), 2, 0, true);
        assert_eq!(script.want(&progress), Want::Send(&GREETING.encode(), b"hello"));
        script.sent(&mut progress, LENGTH + 2);
        assert_eq!(script.want(&progress), Want::Send(b"llo", b""));
        script.sent(&mut progress, 3);
        assert_eq!(script.want(&progress), Want::Receive);
        assert_eq!(script.received(&mut progress, b"hell"), Arrived::Part);
        assert_eq!(script.received(&mut progress, b"o"), Arrived::Reply);
        assert_eq!(script.want(&progress), Want::Send(b"hello", b""));
        script.sent(&mut progress, 5);
        assert_eq!(script.received(&mut progress, b"hello"), Arrived::Reply);
        assert_eq!(script.want(&progress), Want::Nothing);
        assert_eq!(progress.exchanges(), 2);
    }

    #[test]
    fn thinking_lies_between_exchanges_only() {
        let (script, mut progress) = begin(ReplyEnd::Length(1), 2, 9, false);
        script.sent(&mut progress, 5);
        assert_eq!(script.received(&mut progress, b"x"), Arrived::Reply);
        assert_eq!(script.want(&progress), Want::Pause(9));
        script.resumed(&mut progress);
        script.sent(&mut progress, 5);
        assert_eq!(script.received(&mut progress, b"x"), Arrived::Reply);
        assert_eq!(script.want(&progress), Want::Nothing);
    }

    #[test]
    fn a_close_ends_a_reply_only_where_it_should() {
        let (script, mut progress) = begin(ReplyEnd::Close, 1, 0, false);
        script.sent(&mut progress, 5);
        assert_eq!(script.received(&mut progress, b"anything"), Arrived::Part);
        assert_eq!(script.closed(&mut progress), Arrived::Reply);
        let (script, mut progress) = begin(ReplyEnd::Length(3), 1, 0, false);
        script.sent(&mut progress, 5);
        assert_eq!(script.closed(&mut progress), Arrived::Early);
    }

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
