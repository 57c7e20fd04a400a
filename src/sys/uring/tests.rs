//! Rings against listeners on loopback.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::*;
use crate::sys::limits;
use crate::sys::permit::Policy;

const SECOND: Patience = Patience::For(1_000_000_000);
const MOMENT: Patience = Patience::For(20_000_000);

/// Whether there are rings here; without them the case is listed as skipped.
pub(crate) fn can_run(case: &str) -> bool {
    let Err(error) = available() else { return true };
    let line = format!("skipped: {case}: {error}\n");
    print!("{line}");
    if let Some(list) = std::env::var_os("LOADGEN_SKIPPED") {
        let file = fs::OpenOptions::new().append(true).create(true).open(list);
        file.expect("the list").write_all(line.as_bytes()).expect("the list");
    }
    false
}

/// A ring, and a connection made by it.
fn connected(places: u32) -> (Ring, Socket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let address = Policy::default().permit(address).expect("loopback is permitted");
    let dialer = Dialer::new(address, &[], None, false);
    let socket = dialer.socket(0).expect("a socket");
    let mut ring = Ring::new(places).expect("a ring");
    ring.connect(&socket, &dialer, 7).expect("room in the queue");
    ring.enter(SECOND).expect("a call");
    assert_eq!(ring.completed(), Some(Completion { name: 7, errno: 0 }));
    let (peer, _) = listener.accept().expect("a connection");
    peer.set_read_timeout(Some(Duration::from_secs(1))).expect("a timeout");
    (ring, socket, peer)
}

/// Whether the other side has closed, without waiting for it.
fn is_closed(peer: &mut TcpStream) -> bool {
    peer.set_nonblocking(true).expect("a socket");
    let read = peer.read(&mut [0; 8]);
    peer.set_nonblocking(false).expect("a socket");
    matches!(read, Ok(0))
}

#[test]
fn a_refusal_is_told_by_its_number() {
    if !can_run("a_refusal_is_told_by_its_number") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let address = Policy::default().permit(address).expect("loopback is permitted");
    let dialer = Dialer::new(address, &[], None, false);
    let socket = dialer.socket(0).expect("a socket");
    let mut ring = Ring::new(1).expect("a ring");
    ring.connect(&socket, &dialer, 7).expect("room in the queue");
    ring.enter(SECOND).expect("a call");
    assert_eq!(ring.completed(), Some(Completion { name: 7, errno: libc::ECONNREFUSED }));
}

#[test]
fn a_disconnected_socket_connects_again_in_the_same_batch() {
    if !can_run("a_disconnected_socket_connects_again_in_the_same_batch") {
        return;
    }
    let (mut ring, socket, mut peer) = connected(1);
    let address = peer.local_addr().expect("an address");
    let again = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let to = Policy::default().permit(again.local_addr().expect("an address"));
    let dialer = Dialer::new(to.expect("loopback is permitted"), &[], None, false);
    ring.disconnect(&socket).expect("room in the queue");
    ring.connect(&socket, &dialer, 8).expect("room in the queue");
    ring.enter(SECOND).expect("a call");
    assert_eq!(ring.completed(), Some(Completion { name: 8, errno: 0 }));
    assert_ne!(socket.peer_addr().expect("a peer").as_socket(), Some(address));
    assert!(peer.read(&mut [0; 1]).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionReset));
}

#[test]
fn a_parked_socket_has_no_descriptor_and_hears_what_arrives() {
    if !can_run("a_parked_socket_has_no_descriptor_and_hears_what_arrives") {
        return;
    }
    let (mut ring, socket, mut peer) = connected(4);
    let descriptor = format!("/proc/self/fd/{}", socket.as_raw_fd());
    let before = fs::read_link(&descriptor).expect("a descriptor");
    ring.park(3, socket, 9).expect("a place");
    assert_ne!(fs::read_link(&descriptor).ok(), Some(before));
    ring.enter(MOMENT).expect("a call");
    assert_eq!(ring.completed(), None);
    assert!(!is_closed(&mut peer));
    peer.write_all(b"hello").expect("a connection");
    ring.enter(SECOND).expect("a call");
    assert_eq!(ring.completed(), Some(Completion { name: 9, errno: 0 }));
    let mut socket = ring.unpark(3, 9).expect("a descriptor");
    let mut text = [0; 5];
    socket.read_exact(&mut text).expect("five bytes");
    assert_eq!(&text, b"hello");
    drop(socket);
    assert!(is_closed(&mut peer), "the ring holds nothing of it any more");
}

#[test]
fn nothing_is_left_of_a_socket_that_was_taken_back_or_forgotten() {
    if !can_run("nothing_is_left_of_a_socket_that_was_taken_back_or_forgotten") {
        return;
    }
    let (mut ring, socket, mut peer) = connected(1);
    ring.park(0, socket, 9).expect("a place");
    ring.enter(Patience::Look).expect("a call");
    drop(ring.unpark(0, 9).expect("a descriptor"));
    ring.enter(Patience::Look).expect("a call");
    assert!(is_closed(&mut peer));

    let (mut ring, socket, mut peer) = connected(1);
    ring.watch(&socket, Readiness::Arrival, 9).expect("room in the queue");
    ring.enter(Patience::Look).expect("a call");
    ring.cancel(9).expect("room in the queue");
    drop(socket);
    drop(ring);
    assert!(is_closed(&mut peer));
}

#[test]
fn a_bell_tells_of_arrivals_and_an_evicted_socket_is_closed() {
    if !can_run("a_bell_tells_of_arrivals_and_an_evicted_socket_is_closed") {
        return;
    }
    let (mut ring, socket, mut peer) = connected(1);
    let bell = ring.bell().expect("a bell");
    ring.park(0, socket, 9).expect("a place");
    assert!(ring.submit().expect("a call") && !ring.submit().expect("no call"));
    let rang = || {
        let mut count = [0; 8];
        nix::unistd::read(&bell, &mut count).is_ok()
    };
    assert!(!rang());
    peer.write_all(b"x").expect("a connection");
    assert!(rang());
    ring.enter(Patience::Look).expect("a call");
    assert_eq!(ring.completed(), Some(Completion { name: 9, errno: 0 }));
    let socket = ring.take(0, 9).expect("a descriptor");
    assert_eq!((&socket).read(&mut [0; 8]).expect("what arrived"), 1);
    ring.park(0, socket, 10).expect("a place");
    ring.submit().expect("a call");
    ring.evict(0, 10).expect("a place");
    ring.submit().expect("a call");
    assert!(is_closed(&mut peer));
}

#[test]
fn more_can_be_queued_than_the_queue_has_room_for() {
    if !can_run("more_can_be_queued_than_the_queue_has_room_for") {
        return;
    }
    let (mut ring, socket, _peer) = connected(1);
    for name in 0..u64::from(3 * REQUESTS) {
        ring.watch(&socket, Readiness::Room, name).expect("room in the queue");
    }
    ring.enter(Patience::Look).expect("a call");
    let names: Vec<u64> = std::iter::from_fn(|| ring.completed()).map(|met| met.name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..u64::from(3 * REQUESTS)).collect::<Vec<_>>());
}

#[test]
fn too_many_places_are_refused() {
    if !can_run("too_many_places_are_refused") {
        return;
    }
    let (_, hard) = limits::descriptors().expect("limits");
    let Ok(places) = u32::try_from(hard + 1) else { return };
    if places > 1 << 20 {
        return;
    }
    assert!(Ring::new(places).is_err_and(|e| e.raw_os_error() == Some(libc::EMFILE)));
}

#[test]
fn a_refusal_of_the_system_names_call_error_and_remedy() {
    let text = |number| refused(&io::Error::from_raw_os_error(number)).to_string();
    assert!(text(libc::EPERM).starts_with("io_uring_setup: EPERM: kernel.io_uring_disabled"));
    assert!(text(libc::ENOSYS).contains("ENOSYS: the kernel needs CONFIG_IO_URING"));
}
