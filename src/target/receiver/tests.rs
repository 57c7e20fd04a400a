use super::*;
use crate::measure::Metric;
use crate::measure::datagram::{Content, Header, Kind, LENGTH};
use crate::observe::ticker::Sampling;
use crate::scenario::plan::{Cast, Rebind, Window};
use crate::sys::clock;
use crate::units::{Bytes, Rate, Span, Transport};
use socket2::Socket;
use std::io::Read;
use std::time::Duration;

const RUN: u32 = 77;

/// A sender with one stream.
struct Sender {
    socket: Socket,
    stream: u32,
    next: u64,
    length: usize,
}

impl Sender {
    fn to(at: Endpoint, stream: u32, length: usize) -> Self {
        let socket = at.socket().expect("a socket");
        if let Endpoint::Unix(kind, _) = at {
            let unnamed = Endpoint::Unix(kind, crate::units::UnixName::UNNAMED);
            socket.bind(&unnamed.sock_addr()).expect("a name");
        }
        socket.connect(&at.sock_addr()).expect("connected");
        socket.set_nonblocking(false).expect("blocking");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        Self { socket, stream, next: 0, length }
    }

    fn write(&self, kind: Kind, intended: u64) {
        let mut bytes = vec![0; self.length];
        let (stream, sequence) = (self.stream, self.next);
        let sent = clock::monotonic();
        Header { kind, run: RUN, stream, sequence, intended, sent }.write(&mut bytes);
        self.socket.send(&bytes).expect("sent");
    }

    fn send(&mut self, count: u64) {
        for _ in 0..count {
            self.write(Kind::Data, clock::monotonic());
            self.next += 1;
        }
    }

    fn close(&self) {
        self.write(Kind::Closing, self.next);
    }

    fn echo(&self) -> Header {
        let mut bytes = [0; 2048];
        let count = (&self.socket).read(&mut bytes).expect("an echo");
        assert_eq!(count, self.length);
        match Header::read(&bytes) {
            Content::Ours(header) => header,
            other => panic!("{other:?}"),
        }
    }
}

fn endpoint(text: &str) -> Endpoint {
    text.parse().expect(text)
}

fn bind(at: &str, receive: &Receive) -> (Receivers, Vec<Endpoint>) {
    let receivers = Receivers::bind(endpoint(at), receive, None).expect("bound");
    let addresses = receivers.addresses();
    (receivers, addresses)
}

fn start(receivers: Receivers) -> Readers {
    let reception = Reception { epoch: clock::monotonic(), run: Some(RUN), one_clock: true };
    receivers.start(reception).expect("readers")
}

/// Waits for what must come to be, however busy the machine is.
fn wait_until(what: impl Fn() -> bool) {
    let until = clock::monotonic() + 30_000_000_000;
    while !what() {
        assert!(clock::monotonic() < until, "it never came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn drain(readers: &Readers) {
    readers.drain().expect("woken");
    wait_until(|| readers.are_drained());
}

#[test]
fn what_was_not_read_is_drained_and_the_rest_is_the_sockets_drops() {
    for at in ["udp:127.0.0.1:0", "udp:[::1]:0"] {
        let receive =
            Receive { rcvbuf: Some(Bytes(65_536)), drain: AcceptPace::Never, ..Receive::default() };
        let (receivers, addresses) = bind(at, &receive);
        assert_eq!(receivers.effective, Some(131_072));
        let charge = receivers.charges(&[100]).expect("charges")[0];
        let mut readers = start(receivers);
        let mut sender = Sender::to(addresses[0], 3, 100);
        sender.send(4000);
        drain(&readers);
        sender.close();
        let totals = readers.halt().expect("halted");
        let (receiver, (_, stream)) = (&totals.receivers[0], totals.streams[0]);
        assert_eq!((stream.sent, stream.stream, stream.closed), (4000, 3, true));
        assert_eq!(Some(stream.lost), receiver.drops);
        assert_eq!(stream.received + stream.lost, 4000);
        assert_eq!(Some(stream.received), charge.fit, "{charge:?}");
        // The rest of the tail: one burst.
        assert_eq!(stream.longest_burst, stream.lost);
        // The closing marker told of all drops.
        assert_eq!(receiver.rxq_ovfl, receiver.drops);
        assert_eq!((totals.unread, totals.foreign), (0, 0));
        assert!(receiver.read_by[0] >= stream.received);
    }
}

#[test]
fn what_is_never_drained_is_unread() {
    let receive = Receive { drain: AcceptPace::Never, ..Receive::default() };
    let (receivers, addresses) = bind("udp:127.0.0.1:0", &receive);
    let mut readers = start(receivers);
    Sender::to(addresses[0], 0, LENGTH).send(10);
    let totals = readers.halt().expect("halted");
    assert_eq!((totals.unread, totals.streams.len()), (10, 0));
}

#[test]
fn every_reader_and_receiver_counts_into_one_ledger() {
    let receive = Receive { receivers: 2, readers: 2, ..Receive::default() };
    let (receivers, addresses) = bind("udp:127.0.0.1:0", &receive);
    assert_ne!(addresses[0], addresses[1]);
    let mut readers = start(receivers);
    let mut senders: Vec<Sender> =
        (0..40).map(|stream| Sender::to(addresses[stream as usize % 2], stream, 64)).collect();
    for _ in 0..5 {
        senders.iter_mut().for_each(|sender| sender.send(3));
    }
    drain(&readers);
    senders.iter().for_each(Sender::close);
    let totals = readers.halt().expect("halted");
    assert_eq!(totals.streams.len(), 40);
    for (_, stream) in &totals.streams {
        assert_eq!((stream.received, stream.lost, stream.closed), (15, 0, true));
        assert_eq!(u32::from(stream.receiver), stream.stream % 2);
    }
    for receiver in &totals.receivers {
        assert_eq!(receiver.read_by.len(), 2);
        assert_eq!(receiver.read_by.iter().sum::<u64>(), 320);
    }
}

#[test]
fn echoes_go_back_and_closing_markers_do_not() {
    for (at, transport) in [
        ("udp:127.0.0.1:0", Transport::Udp),
        ("udp:[::1]:0", Transport::Udp),
        ("unix-dgram:", Transport::UnixDgram),
    ] {
        let receive = Receive { transport, reply: DatagramReply::Echo, ..Receive::default() };
        let (receivers, addresses) = bind(at, &receive);
        let mut readers = start(receivers);
        let mut sender = Sender::to(addresses[0], 1, 200);
        for sequence in 0..20 {
            sender.send(1);
            assert_eq!(sender.echo().sequence, sequence);
        }
        sender.close();
        sender.socket.set_nonblocking(true).expect("non-blocking");
        let totals = readers.halt().expect("halted");
        assert!((&sender.socket).read(&mut [0]).is_err());
        assert_eq!(totals.streams[0].1.received, 20);
        assert_eq!(totals.errors, BTreeMap::new());
    }
}

#[test]
fn a_restart_loses_what_waits_and_the_ledger_goes_on() {
    let restart = Rebind { at: Span::from_millis(300), gap: Span::from_millis(50) };
    let stall = Window { from: Span::from_millis(0), to: Span::from_millis(350) };
    let receive = Receive { stalls: vec![stall], restart: Some(restart), ..Receive::default() };
    let (receivers, addresses) = bind("udp:127.0.0.1:0", &receive);
    let mut sender = Sender::to(addresses[0], 0, 64);
    sender.send(7);
    let mut readers = start(receivers);
    let place = Arc::clone(&readers.places()[0]);
    wait_until(|| place.socket().is_none());
    wait_until(|| place.socket().is_some());
    sender.send(5);
    drain(&readers);
    sender.close();
    let totals = readers.halt().expect("halted");
    let (restart, (_, stream)) = (totals.restarts[0], totals.streams[0]);
    assert_eq!((restart.discarded, stream.received, stream.lost), (7, 5, 7));
    assert!(
        restart.closed_s >= 0.3
            && restart.bound_s.is_some_and(|bound| bound >= restart.closed_s + 0.05)
    );
    assert_eq!(totals.receivers[0].drops, Some(0));
}

#[test]
fn a_rate_lets_no_more_through_and_a_stall_nothing() {
    let rate = AcceptPace::Rate(Rate::new(100.0).expect("a rate"));
    let stall = Window { from: Span::from_millis(0), to: Span::from_millis(200) };
    let receive = Receive { drain: rate, stalls: vec![stall], ..Receive::default() };
    let (receivers, addresses) = bind("udp:127.0.0.1:0", &receive);
    Sender::to(addresses[0], 0, 64).send(20);
    let epoch = clock::monotonic();
    let mut readers = start(receivers);
    let shared = readers.shared();
    let received = || {
        let (interval, _) = lock(&shared.books).finish_interval(Box::default());
        interval.received.unwrap_or(0)
    };
    let mut all = 0;
    while all < 20 {
        all += received();
        let elapsed = clock::monotonic() - epoch;
        // 10 ms each, from the end of the stall on.
        let most = elapsed.checked_sub(200_000_000).map_or(0, |since| since / 10_000_000 + 1);
        assert!(all <= most, "{all} after {elapsed} ns");
        std::thread::sleep(Duration::from_millis(2));
    }
    readers.halt().expect("halted");
}

#[test]
fn a_group_has_every_datagram_at_every_receiver() {
    let receive = Receive { receivers: 3, cast: Cast::Multicast, ..Receive::default() };
    let interface: IpAddr = [127, 0, 0, 1].into();
    let group = endpoint("udp:239.255.7.8:0");
    let receivers = Receivers::bind(group, &receive, Some(interface)).expect("bound");
    let addresses = receivers.addresses();
    assert!(addresses.iter().all(|at| *at == addresses[0]));
    let mut readers = start(receivers);
    let mut sender = Sender::to(endpoint("udp:127.0.0.1:9"), 0, 64);
    sender.socket = addresses[0].socket().expect("a socket");
    sender.socket.set_multicast_if_v4(&[127, 0, 0, 1].into()).expect("an interface");
    sender.socket.connect(&addresses[0].sock_addr()).expect("connected");
    sender.send(10);
    drain(&readers);
    sender.close();
    let totals = readers.halt().expect("halted");
    assert_eq!(totals.streams.len(), 3);
    assert!(totals.streams.iter().all(|(_, stream)| (stream.received, stream.lost) == (10, 0)));
}

#[test]
fn the_sampler_sees_the_queue_and_its_drops() {
    let receive =
        Receive { rcvbuf: Some(Bytes(8_192)), drain: AcceptPace::Never, ..Receive::default() };
    let (receivers, addresses) = bind("udp:127.0.0.1:0", &receive);
    Sender::to(addresses[0], 0, 100).send(200);
    let mut readers = start(receivers);
    let stop = AtomicBool::new(false);
    let when = Sampling { epoch: clock::monotonic(), period: 1_000_000, interval: 20_000_000 };
    let (shared, places) = (readers.shared(), readers.places().to_vec());
    let mut seen = Vec::new();
    let mut totals = None;
    sample(&places, &shared, when, &stop, |interval| {
        seen.push(interval);
        if seen.len() == 3 {
            drain(&readers);
            totals = Some(readers.halt().expect("halted"));
            stop.store(true, Ordering::Relaxed);
        }
    });
    let totals = totals.expect("three intervals");
    let first = &seen[0].datagrams;
    assert_eq!(first.queue_limit, Some(16_384));
    assert!(first.queue_bytes.is_some_and(|bytes| bytes > 8_192), "{first:?}");
    assert!(first.queue_mean.is_some_and(|bytes| bytes > 8_192.0), "{first:?}");
    let received: u64 = seen.iter().filter_map(|one| one.datagrams.received).sum();
    let lost: u64 = seen
        .iter()
        .filter_map(|one| one.datagrams.lost.get(&crate::measure::datagrams::Cause::ReceiveBuffer))
        .sum();
    assert_eq!((received + lost, Some(lost)), (200, totals.receivers[0].drops));
    assert!(seen.iter().any(|one| one.metrics.contains_key(&Metric::Owd)));
    assert!(totals.receivers[0].queue_peak > 8_192);
}

#[test]
fn charges_are_those_that_fill_a_buffer() {
    let receive = Receive { rcvbuf: Some(Bytes(65_536)), ..Receive::default() };
    for (at, transport) in [("udp:127.0.0.1:0", Transport::Udp), ("udp:[::1]:0", Transport::Udp)] {
        let (receivers, _) = bind(at, &Receive { transport, ..receive.clone() });
        for charge in receivers.charges(&[40, 512, 1_400, 9_000]).expect("charges") {
            assert!(charge.charged > u64::from(charge.size), "{charge:?}");
            let fit = charge.fit.expect("known");
            assert!(fit.abs_diff(131_072 / charge.charged) <= 1 + fit / 2, "{charge:?}");
            println!("{charge:?}");
        }
    }
    let unix = Receive { transport: Transport::UnixDgram, ..Receive::default() };
    let (receivers, _) = bind("unix-dgram:", &unix);
    assert_eq!(receivers.effective, None);
    let charge = receivers.charges(&[100]).expect("charges")[0];
    assert!(charge.charged >= 100 && charge.fit.is_some_and(|fit| fit > 1), "{charge:?}");
}
