//! In which order are clients accepted that waited in the queue, or for room in it?

use std::io::{ErrorKind, Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::measure::card::{Missing, Observation};
use crate::probe::Site;
use crate::probe::ground::missing;
use crate::probe::unix_place::{UnixPlace, accept_one};
use crate::sys::listener::listen;
use crate::sys::socket::Dialer;
use crate::units::UnixKind;

const BACKLOG: i32 = 4;
/// Clients that find no room where n + 1 fit, and wait.
const LATE: u8 = 3;
/// Between two that wait: enough for the first to have called connect().
const APART: Duration = Duration::from_millis(100);
/// As long as they wait, and as anybody waits for their numbers.
const PATIENCE: Duration = Duration::from_secs(2);

/// Clients send their numbers; the listener accepts when all have come, and makes room for one after
/// the other: of several that are woken at once, the scheduler decides who is first.
pub fn trial(site: &Site, kind: UnixKind) -> Result<Observation, Missing> {
    let place = UnixPlace::new(kind, |endpoint| listen(endpoint, BACKLOG))?;
    let dialer = Dialer::new(site.permit(&place.socket)?, &[], None, false);
    let early = BACKLOG as u8 + 1;
    let mut clients = Vec::new();
    for number in 0..early {
        let socket = dialer.socket(0).map_err(|error| missing("socket", &error))?;
        // Where fewer fit, fewer are accepted.
        if dialer.connect(&socket).is_ok() {
            (&socket).write_all(&[number]).map_err(|error| missing("send", &error))?;
            clients.push(socket);
        }
    }
    let (done, inside) = channel();
    let late = |number: u8, done: Sender<()>| -> Option<Socket> {
        let socket = dialer.socket(0).ok()?;
        let connected = dialer.connect_waiting(&socket, PATIENCE);
        // Nobody listens any more where all were given up.
        let _ = done.send(());
        connected.ok()?;
        (&socket).write_all(&[number]).ok()?;
        Some(socket)
    };
    thread::scope(|scope| {
        let late = &late;
        let waiting = (early..early + LATE).map(|number| {
            let done = done.clone();
            let thread = thread::Builder::new().spawn_scoped(scope, move || late(number, done));
            thread::sleep(APART);
            thread
        });
        let waiting = waiting.collect::<Result<Vec<_>, _>>();
        let waiting = waiting.map_err(|error| missing("starting a thread", &error))?;
        let accepted = numbers(&place.socket, early + LATE, &inside)?;
        // They hold their sockets until all numbers were read.
        let waited = waiting.into_iter().filter_map(|thread| thread.join().ok().flatten()).count();
        let listed = accepted.iter().map(u8::to_string).collect::<Vec<_>>().join(" ");
        Ok(Observation::new()
            .given("trial", "order")
            .given("backlog", i64::from(BACKLOG))
            .given("clients", i64::from(early + LATE))
            .seen("waited", waited as i64)
            .seen("accepted", listed))
    })
}

/// Accepts until all have come or nobody comes any more: the numbers that they sent.
fn numbers(listener: &Socket, all: u8, inside: &Receiver<()>) -> Result<Vec<u8>, Missing> {
    let begun = Instant::now();
    let mut connections = Vec::new();
    let mut last = Instant::now();
    while connections.len() < usize::from(all)
        && last.elapsed() < 2 * APART
        && begun.elapsed() < PATIENCE
    {
        match accept_one(listener)? {
            Some(connection) => {
                connections.push(connection);
                if (1..=usize::from(LATE)).contains(&connections.len()) {
                    // The next one of those that wait has the place, or nobody wants it.
                    let _ = inside.recv_timeout(2 * APART);
                }
                last = Instant::now();
            }
            None => thread::sleep(Duration::from_millis(1)),
        }
    }
    connections.iter().map(|connection| read(connection, begun)).collect()
}

fn read(mut connection: &Socket, begun: Instant) -> Result<u8, Missing> {
    loop {
        let mut number = [0];
        match connection.read(&mut number) {
            Ok(1) => return Ok(number[0]),
            Ok(_) => {
                return Err(Missing::all("a client sent no number", "none is known").of("order"));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && begun.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(missing("recv", &error).of("order")),
        }
    }
}
