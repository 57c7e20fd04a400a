//! One accepted connection: a state machine without input and output.

use crate::measure::greeting::{self, Greeting};
use crate::scenario::plan::{Closer, Reply};

/// Bytes of one message that are kept for an echo; more of it is echoed in parts.
pub const MOST_PENDING: usize = 64 * 1024;
/// What a reply of a fixed length consists of, as often as it takes: what is in it does not matter.
static ZEROES: [u8; 64 * 1024] = [0; 64 * 1024];

/// How the target answers: the part of its plan that connections need.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// What is sent back.
    pub reply: Reply,
    /// Who closes first.
    pub close: Closer,
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Waits for a message, or for the client's close.
    Reading,
    /// Is being served, until the acceptor says that the service time is over.
    Serving,
    /// Has a reply to send.
    Replying,
    /// Is over.
    Over,
}

/// One accepted connection.
#[derive(Debug)]
pub struct Connection {
    /// When `accept()` returned, CLOCK_MONOTONIC in nanoseconds.
    pub accepted: u64,
    /// Where it stands.
    pub state: State,
    /// Since when the present message is served: the accept for the first one.
    pub since: u64,
    /// What its client said of itself.
    pub greeting: Option<Greeting>,
    manners: Manners,
    /// First bytes that may become a greeting; `None` once that is decided.
    head: Option<Vec<u8>>,
    pending: Vec<u8>,
    /// Bytes of the present reply that are sent.
    sent: u64,
}

impl Connection {
    /// A connection that was accepted at `accepted`.
    pub fn new(manners: Manners, accepted: u64) -> Self {
        Self {
            accepted,
            state: State::Reading,
            since: accepted,
            greeting: None,
            manners,
            head: Some(Vec::new()),
            pending: Vec::new(),
            sent: 0,
        }
    }

    /// Whether it is served without having said anything.
    pub fn is_served_unasked(&self) -> bool {
        self.manners.reply == Reply::None && self.manners.close == Closer::Server
    }

    /// Bytes came. A message may be complete only when nothing more is there to read: see
    /// [`Connection::drained`].
    pub fn received(&mut self, bytes: &[u8]) {
        let Some(mut head) = self.head.take() else { return self.message(bytes) };
        head.extend_from_slice(bytes);
        if !Greeting::may_begin(&head) {
            return self.message(&head);
        }
        let Some((first, rest)) = head.split_first_chunk::<{ greeting::LENGTH }>() else {
            self.head = Some(head);
            return;
        };
        self.greeting = Greeting::decode(first);
        self.message(rest);
    }

    /// Whether there is room for more bytes before the reply is sent.
    pub fn has_room(&self) -> bool {
        self.pending.len() < MOST_PENDING
    }

    /// Nothing more is there to read for now: what came is taken as the message.
    pub fn drained(&mut self) {
        if self.state == State::Reading && !self.pending.is_empty() {
            self.state = State::Serving;
        }
    }

    /// The service time is over.
    pub fn served(&mut self) {
        self.state = match self.manners.reply {
            Reply::None => State::Over,
            Reply::Echo | Reply::Bytes(_) => State::Replying,
        };
        self.sent = 0;
    }

    /// What is left of the reply, or its next part.
    pub fn to_send(&self) -> &[u8] {
        match self.manners.reply {
            Reply::Bytes(count) => {
                let left = count.0.saturating_sub(self.sent);
                &ZEROES[..left.min(ZEROES.len() as u64) as usize]
            }
            // No more than a packet can hold.
            Reply::None | Reply::Echo => {
                let left = &self.pending[self.sent as usize..];
                &left[..left.len().min(MOST_PENDING)]
            }
        }
    }

    /// Length of the reply.
    fn length(&self) -> u64 {
        match self.manners.reply {
            Reply::Bytes(count) => count.0,
            Reply::None | Reply::Echo => self.pending.len() as u64,
        }
    }

    /// `count` bytes of the reply are sent; whether it is whole.
    pub fn sent(&mut self, count: usize) -> bool {
        self.sent += count as u64;
        let whole = self.sent >= self.length();
        if whole {
            self.pending.clear();
            self.sent = 0;
            self.state = match self.manners.close {
                Closer::Client => State::Reading,
                Closer::Server => State::Over,
            };
        }
        whole
    }

    fn message(&mut self, bytes: &[u8]) {
        match (self.manners.reply, bytes) {
            (Reply::None, _) | (_, []) => {}
            (Reply::Echo, bytes) => self.pending.extend_from_slice(bytes),
            // That something came is all that matters.
            (Reply::Bytes(_), _) => self.pending.resize(1, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;
    use proptest::prelude::*;

    const GREETING: Greeting = Greeting { run: 9, client: 1, monotonic: 2, realtime: 3 };

    fn connection(reply: Reply, close: Closer) -> Connection {
        Connection::new(Manners { reply, close }, 100)
    }

    #[test]
    fn an_echo_goes_round() {
        let mut connection = connection(Reply::Echo, Closer::Client);
        connection.received(b"he");
        connection.received(b"llo");
        connection.drained();
        assert_eq!(connection.state, State::Serving);
        connection.served();
        assert_eq!(connection.to_send(), b"hello");
        assert!(!connection.sent(2));
        assert!(connection.sent(3));
        assert_eq!(connection.state, State::Reading);
        connection.drained();
        assert_eq!(connection.state, State::Reading);
    }

    #[test]
    fn a_server_that_closes_does_so_after_its_reply() {
        let mut connection = connection(Reply::Bytes(Bytes(4)), Closer::Server);
        connection.received(b"x");
        connection.drained();
        connection.served();
        assert!(connection.sent(4));
        assert_eq!(connection.state, State::Over);
    }

    #[test]
    fn a_large_reply_takes_no_memory() {
        let size = 1 << 30;
        let mut connection = connection(Reply::Bytes(Bytes(size)), Closer::Client);
        for _ in 0..2 {
            connection.received(b"x");
            connection.drained();
            connection.served();
            let mut sent = 0;
            while connection.state == State::Replying {
                let part = connection.to_send().len();
                sent += part as u64;
                assert_eq!(connection.sent(part), sent == size);
                assert!(connection.pending.capacity() < 100);
            }
            assert_eq!((sent, connection.state), (size, State::Reading));
        }
    }

    #[test]
    fn without_a_reply_bytes_are_only_swallowed() {
        let mut connection = connection(Reply::None, Closer::Client);
        connection.received(b"anything");
        connection.drained();
        assert_eq!(connection.state, State::Reading);
    }

    proptest! {
        #[test]
        fn greetings_are_cut_off_wherever_the_bytes_are_split(
            cuts in prop::collection::vec(1usize..30, 0..6),
            message in prop::collection::vec(any::<u8>(), 0..50),
            greets: bool,
        ) {
            prop_assume!(greets || !Greeting::may_begin(&message));
            let mut bytes = if greets { GREETING.encode().to_vec() } else { Vec::new() };
            bytes.extend_from_slice(&message);
            let mut connection = connection(Reply::Echo, Closer::Client);
            let mut rest = &bytes[..];
            for cut in cuts {
                let (part, later) = rest.split_at(cut.min(rest.len()));
                connection.received(part);
                rest = later;
            }
            connection.received(rest);
            prop_assert_eq!(connection.greeting, greets.then_some(GREETING));
            prop_assert_eq!(connection.to_send(), &message[..]);
        }
    }
}
