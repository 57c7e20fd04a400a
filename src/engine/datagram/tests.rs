use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;
use crate::load::Shape;
use crate::measure::Outcome;
use crate::measure::datagram::{Content, Header, Kind, LENGTH};
use crate::sys::clock;
use crate::sys::endpoint::Endpoint;
use crate::sys::permit::Policy;
use crate::units::{Rate, Span, Transport};

const RUN: u32 = 0xabcd;

/// A socket of UDP on loopback with room for what the tests send.
fn receiver() -> (UdpSocket, PermittedAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20).unwrap();
    let address = Policy::default().permit(Endpoint::Udp(socket.local_addr().unwrap())).unwrap();
    (socket, address)
}

fn closed_port() -> PermittedAddr {
    receiver().1
}

fn open_loop(per_second: f64, attempts: u64) -> Schedule {
    let shape = Shape::Constant { rate: Rate::new(per_second).unwrap() };
    let window = Span::from_millis(60_000);
    Schedule::Open { shape, window, attempts: Some(attempts) }
}

fn closed_loop(clients: u32, attempts: u64) -> Schedule {
    let (think, window) = (Span::default(), Span::from_millis(60_000));
    Schedule::Closed { clients, think, window, attempts: Some(attempts) }
}

fn part(destinations: &[PermittedAddr], schedule: Schedule) -> DatagramPart {
    let stream = |(number, destination): (usize, &PermittedAddr)| StreamPart {
        number: number as u32,
        destination: *destination,
        source: None,
    };
    DatagramPart {
        load: 3,
        streams: destinations.iter().enumerate().map(stream).collect(),
        all_streams: destinations.len() as u32,
        sizes: Sizes::Fixed { bytes: 64 },
        schedule,
        seed: 1,
        start: 0,
        timeout: 20_000_000_000,
        reply: DatagramReply::None,
        bulk: None,
        ports: None,
        index: 0,
        workers: 1,
    }
}

/// What a worker said, and the sum of its snapshots.
struct Told {
    report: SenderReport,
    all: Tallies,
}

/// Runs the part to its end; `stop` may be requested before.
fn run_part(part: DatagramPart, stop: &Stop, gate: &Gate) -> Told {
    let share = DatagramShare {
        epoch: clock::monotonic(),
        run: RUN,
        interval: 20_000_000,
        realtime: false,
        parts: vec![part],
    };
    let (filled, snapshots) = mpsc::channel();
    let (_empty, emptied) = mpsc::channel();
    let handover = DatagramHandover { worker: 0, filled, emptied };
    let report = run(share, handover, stop, gate).unwrap();
    let mut all = Tallies::default();
    let snapshots: Vec<Snapshot> = snapshots.iter().collect();
    assert!(snapshots.windows(2).all(|pair| pair[0].upto < pair[1].upto));
    assert_eq!(snapshots.last().unwrap().upto, u64::MAX);
    let tallies = snapshots.iter().map(|snapshot| &*snapshot.tallies);
    for one in tallies.chain(report.parts.iter().map(|part| &*part.late)) {
        add(&mut all, one);
    }
    assert_eq!(all.attempts as i64, all.outcomes.sum(), "each attempt is in one class");
    assert_eq!(all.attempts, report.parts[0].report.taken);
    assert_eq!(all.sent, report.streams.iter().map(|stream| stream.sent).sum::<u64>());
    assert_eq!(all.attempts as i64, all.sent as i64 + all.unsent.sum());
    Told { report, all }
}

fn add(all: &mut Tallies, one: &Tallies) {
    all.attempts += one.attempts;
    all.sent += one.sent;
    all.bytes += one.bytes;
    all.calls += one.calls;
    all.replies += one.replies;
    all.reply_duplicates += one.reply_duplicates;
    all.reply_late += one.reply_late;
    all.reply_foreign += one.reply_foreign;
    one.outcomes.iter().for_each(|(outcome, count)| all.outcomes.add(outcome, count));
    one.unsent.iter().for_each(|(outcome, count)| all.unsent.add(outcome, count));
    one.errors.iter().for_each(|(errno, count)| all.errors.add(errno, count));
    all.lag.add(&one.lag).unwrap();
    all.observer_error.add(&one.observer_error).unwrap();
    all.rtt.add(&one.rtt).unwrap();
    all.rtt_service.add(&one.rtt_service).unwrap();
}

/// To its end, with the gate open.
fn run_through(part: DatagramPart) -> Told {
    let gate = Gate::new();
    gate.open();
    run_part(part, &Stop::new(), &gate)
}

/// Headers and lengths of what waits at the socket.
fn received(socket: &UdpSocket) -> Vec<(Header, usize)> {
    socket.set_nonblocking(true).unwrap();
    let mut buffer = vec![0; 1 << 16];
    std::iter::from_fn(|| socket.recv(&mut buffer).ok().map(|length| (length, buffer.clone())))
        .map(|(length, bytes)| match Header::read(&bytes[..length]) {
            Content::Ours(header) => (header, length),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_stream_arrives_whole_and_says_how_long_it_was() {
    let (socket, address) = receiver();
    let before = clock::monotonic();
    let told = run_through(DatagramPart {
        sizes: Sizes::Turns { bytes: vec![64, 100] },
        ..part(&[address], open_loop(20_000.0, 500))
    });
    let came = received(&socket);
    let (data, closing) = came.split_at(500);
    for (number, (header, length)) in data.iter().enumerate() {
        let expected = (Kind::Data, RUN, 0, number as u64);
        assert_eq!((header.kind, header.run, header.stream, header.sequence), expected);
        assert_eq!(*length, [64, 100][number % 2]);
        assert!(header.sent >= header.intended && header.intended >= before);
    }
    assert_eq!(data[499].0.intended - data[0].0.intended, 499 * 50_000);
    assert_eq!(closing.len(), 5);
    for (header, length) in closing {
        let expected = (Kind::Closing, 500, 500, LENGTH);
        assert_eq!((header.kind, header.sequence, header.intended, *length), expected);
    }
    assert_eq!(told.all.outcomes.of(Outcome::Ok), 500);
    assert_eq!((told.all.sent, told.all.bytes), (500, 250 * 164));
    assert_eq!((told.all.lag.len(), told.all.observer_error.len()), (500, 500));
    assert_eq!(told.report.parts[0].report.unissued, 0);
    assert!(told.report.failed.is_none());
}

#[test]
fn streams_take_turns_whatever_the_workers() {
    let destinations: Vec<_> = (0..3).map(|_| receiver()).collect();
    let addresses: Vec<PermittedAddr> = destinations.iter().map(|one| one.1).collect();
    thread::scope(|scope| {
        for index in 0..2 {
            let whole = part(&addresses, open_loop(100_000.0, 300));
            let own = whole.streams.iter().skip(index).step_by(2).copied().collect();
            let part = DatagramPart { streams: own, index: index as u64, workers: 2, ..whole };
            scope.spawn(move || run_through(part));
        }
    });
    for (number, (socket, _)) in destinations.iter().enumerate() {
        let came = received(socket);
        let data: Vec<_> = came.iter().filter(|one| one.0.kind == Kind::Data).collect();
        assert_eq!(data.len(), 100, "stream {number}");
        assert!(data.iter().all(|one| one.0.stream == number as u32));
        // Attempt n goes to stream n mod 3: its instant tells n.
        let step = data[1].0.intended - data[0].0.intended;
        assert_eq!(step, 30_000, "stream {number}");
    }
}

#[test]
fn a_closed_port_refuses_every_datagram() {
    let gso = Some(Bulk::Gso);
    for (schedule, bulk) in
        [(open_loop(50_000.0, 400), None), (closed_loop(1, 400), None), (closed_loop(1, 400), gso)]
    {
        let told = run_through(DatagramPart { bulk, ..part(&[closed_port()], schedule) });
        assert_eq!(told.all.outcomes.of(Outcome::Refused), 400);
        assert_eq!(told.all.outcomes.of(Outcome::Ok), 0);
        assert_eq!(told.all.sent, 400, "the kernel took each of them");
        assert_eq!(told.all.errors.iter().collect::<Vec<_>>(), [(libc::ECONNREFUSED, 400)]);
    }
}

#[test]
fn a_refusal_ends_the_wait_for_a_reply() {
    let part = part(&[closed_port()], closed_loop(1, 50));
    let told = run_through(DatagramPart { reply: DatagramReply::Echo, ..part });
    assert_eq!(told.all.outcomes.of(Outcome::Refused), 50);
}

/// Sends what comes back, `times` times, until a closing marker comes.
fn echo(socket: UdpSocket, times: usize) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = [0; 2000];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            match Header::read(&buffer[..length]) {
                Content::Ours(header) if header.kind == Kind::Closing => return,
                _ => {}
            }
            for _ in 0..times {
                socket.send_to(&buffer[..length], from).unwrap();
            }
        }
    })
}

#[test]
fn each_echo_is_matched_with_its_datagram() {
    for schedule in [open_loop(5000.0, 200), closed_loop(2, 200)] {
        let (sockets, addresses): (Vec<_>, Vec<_>) = (0..2).map(|_| receiver()).unzip();
        let echoes: Vec<_> = sockets.into_iter().map(|socket| echo(socket, 2)).collect();
        let part = part(&addresses, schedule);
        let told = run_through(DatagramPart { reply: DatagramReply::Echo, ..part });
        echoes.into_iter().for_each(|echo| echo.join().unwrap());
        assert_eq!(told.all.outcomes.of(Outcome::Ok), 200);
        assert_eq!((told.all.replies, told.all.rtt.len()), (200, 200));
        assert!(told.all.rtt.max() >= told.all.rtt_service.max());
        // The last ones may come after the markers.
        assert!((190..=200).contains(&told.all.reply_duplicates));
        assert_eq!((told.all.reply_foreign, told.all.reply_late), (0, 0));
    }
}

#[test]
fn who_does_not_answer_in_time_is_late() {
    let (socket, address) = receiver();
    let part = part(&[address], closed_loop(1, 3));
    let slow = thread::spawn(move || {
        let mut buffer = [0; 2000];
        for _ in 0..3 {
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            thread::sleep(Duration::from_millis(60));
            socket.send_to(&buffer[..length], from).unwrap();
            socket.send_to(b"who are you?", from).unwrap();
        }
    });
    let timeout = 20_000_000;
    let gate = Gate::new();
    let told = thread::scope(|scope| {
        let part = DatagramPart { reply: DatagramReply::Echo, timeout, ..part };
        let run = scope.spawn(|| run_part(part, &Stop::new(), &gate));
        slow.join().unwrap();
        thread::sleep(Duration::from_millis(100));
        gate.open();
        run.join().unwrap()
    });
    assert_eq!(told.all.outcomes.of(Outcome::Timeout), 3);
    assert_eq!((told.all.replies, told.all.reply_late, told.all.reply_foreign), (0, 3, 3));
}

#[test]
fn what_waits_when_the_run_is_stopped_is_cut() {
    let (_socket, address) = receiver();
    let part = part(&[address], open_loop(1000.0, 60_000));
    let (stop, gate) = (Stop::new(), Gate::new());
    let told = thread::scope(|scope| {
        let part = DatagramPart { reply: DatagramReply::Echo, ..part };
        let run = scope.spawn(|| run_part(part, &stop, &gate));
        thread::sleep(Duration::from_millis(200));
        stop.request();
        gate.abandon();
        run.join().unwrap()
    });
    assert!(told.all.attempts > 0 && told.all.attempts < 60_000);
    assert_eq!(told.all.outcomes.of(Outcome::Cut), told.all.attempts as i64);
}

#[test]
fn a_bulk_is_many_datagrams_in_one_call() {
    let (socket, address) = receiver();
    let bulk = Some(Bulk::Gso);
    let told = run_through(DatagramPart { bulk, ..part(&[address], closed_loop(1, 640)) });
    assert_eq!((told.all.sent, told.all.calls), (640, 10));
    assert_eq!(told.all.outcomes.of(Outcome::Ok), 640);
    let came = received(&socket);
    for (number, (header, length)) in came[..640].iter().enumerate() {
        assert_eq!((header.sequence, *length), (number as u64, 64));
        assert_eq!(header.sent, came[number / 64 * 64].0.sent, "one instant");
    }
    assert_eq!(came.len(), 645);
}

/// A socket of AF_UNIX with a name of its own.
fn unix_receiver() -> (UnixDatagram, PermittedAddr) {
    let unspecified = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let endpoint = Endpoint::to_bind(Transport::UnixDgram, unspecified);
    let socket = endpoint.socket().unwrap();
    socket.bind(&endpoint.sock_addr()).unwrap();
    let address = Policy::default().permit(Endpoint::of(&socket).unwrap()).unwrap();
    (UnixDatagram::from(socket), address)
}

#[test]
fn a_full_queue_of_af_unix_takes_no_more() {
    let (socket, address) = unix_receiver();
    let told = run_through(part(&[address], open_loop(100_000.0, 200)));
    let limit = std::fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen").unwrap();
    let room = limit.trim().parse::<u64>().unwrap() + 1;
    let taken = room.min(200);
    assert_eq!(told.all.sent, taken);
    assert_eq!(told.all.unsent.of(Outcome::Again), 200 - taken as i64);
    // A failed send leaves no gap in the sequence.
    let mut buffer = [0; 100];
    for sequence in 0..taken {
        let length = socket.recv(&mut buffer).unwrap();
        let Content::Ours(header) = Header::read(&buffer[..length]) else { panic!("foreign") };
        assert_eq!(header.sequence, sequence);
    }
}

#[test]
fn a_client_of_af_unix_that_is_refused_waits_before_it_tries_again() {
    let (socket, address) = unix_receiver();
    let (stop, gate) = (Stop::new(), Gate::new());
    let told = thread::scope(|scope| {
        let part = part(&[address], closed_loop(1, 1 << 40));
        let run = scope.spawn(|| run_part(part, &stop, &gate));
        thread::sleep(Duration::from_millis(50));
        drop(socket);
        thread::sleep(Duration::from_millis(100));
        stop.request();
        gate.open();
        run.join().unwrap()
    });
    let refused = told.all.outcomes.of(Outcome::Refused);
    assert!((1..10_000).contains(&refused), "{refused}");
    assert!(told.all.sent > 0);
}
