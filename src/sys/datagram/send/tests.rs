use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;

use super::*;
use crate::measure::datagram::{Content, Header, Kind, LENGTH};
use crate::sys::datagram::complaints::{self, Origin};
use crate::sys::endpoint::Endpoint;
use crate::sys::permit::{PermittedAddr, Policy};

fn permitted(endpoint: Endpoint) -> PermittedAddr {
    Policy::default().permit(endpoint).expect("loopback")
}

fn receiver() -> (UdpSocket, PermittedAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    let address = permitted(Endpoint::Udp(socket.local_addr().unwrap()));
    (socket, address)
}

fn header(sequence: u64) -> Header {
    Header { kind: Kind::Data, run: 1, stream: 2, sequence, intended: 3, sent: 4 }
}

#[test]
fn datagrams_go_with_their_sizes_in_one_call() {
    let (socket, address) = receiver();
    let source = Ipv4Addr::new(127, 0, 0, 9);
    let client = Client::open(address, Some(source.into()), None).unwrap();
    let mut outbox = Outbox::new(4, 100);
    for index in 0..4 {
        outbox.datagram(index, 10 * (index + 1)).fill(index as u8);
    }
    assert_eq!(outbox.send(&client, 1..4).unwrap(), 3);
    let mut buffer = [0; 200];
    for index in 1..4 {
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], vec![index as u8; 10 * (index + 1)]);
        assert_eq!(from.ip(), source);
    }
}

#[test]
fn a_bulk_is_cut_where_the_receiver_takes_no_bulk() {
    let (socket, address) = receiver();
    let client = Client::open(address, None, None).unwrap();
    let mut outbox = Outbox::new(MOST_SEGMENTS, 100);
    for index in 0..MOST_SEGMENTS {
        outbox.datagram(index, 100).fill(index as u8);
    }
    outbox.datagram(MOST_SEGMENTS - 1, 60);
    outbox.send_bulk(&client, 0..MOST_SEGMENTS, 100).unwrap();
    let mut buffer = [0; 200];
    for index in 0..MOST_SEGMENTS {
        let length = socket.recv(&mut buffer).unwrap();
        let wanted = if index == MOST_SEGMENTS - 1 { 60 } else { 100 };
        assert_eq!(&buffer[..length], vec![index as u8; wanted]);
    }
}

#[test]
fn a_closed_port_is_told_of_each_datagram() {
    for ip in [Ipv4Addr::LOCALHOST.into(), std::net::IpAddr::from(Ipv6Addr::LOCALHOST)] {
        let closed = UdpSocket::bind((ip, 0)).unwrap().local_addr().unwrap();
        let client = Client::open(permitted(Endpoint::Udp(closed)), None, None).unwrap();
        let mut outbox = Outbox::new(1, LENGTH);
        for sequence in 0..20 {
            header(sequence).write(outbox.datagram(0, LENGTH));
            assert_eq!(outbox.send(&client, 0..1).unwrap(), 1);
            let complaint = complaints::next(&client).unwrap().expect("loopback tells at once");
            assert_eq!(complaint.errno, libc::ECONNREFUSED);
            assert_eq!(complaint.origin, Origin::Icmp);
            assert_eq!(complaint.about, Content::Ours(header(sequence)), "{ip}");
            assert_eq!(complaints::next(&client).unwrap(), None);
        }
    }
}

#[test]
fn an_error_of_an_earlier_datagram_costs_no_later_one() {
    let closed = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let client = Client::open(permitted(Endpoint::Udp(closed)), None, None).unwrap();
    let mut outbox = Outbox::new(2, LENGTH);
    header(0).write(outbox.datagram(0, LENGTH));
    header(1).write(outbox.datagram(1, LENGTH));
    // The error of the first stops the second, and the call does not say why.
    assert_eq!(outbox.send(&client, 0..2).unwrap(), 1);
    assert_eq!(outbox.send(&client, 1..2).unwrap(), 1);
    let about = |_| complaints::next(&client).unwrap().map(|complaint| complaint.about);
    let expected = [Some(Content::Ours(header(0))), Some(Content::Ours(header(1))), None];
    assert_eq!([0, 1, 2].map(about), expected);
}

#[test]
fn a_client_of_af_unix_has_a_name_and_finds_its_peer_again() {
    let endpoint = Endpoint::to_bind(
        crate::units::Transport::UnixDgram,
        SocketAddr::from(([127, 0, 0, 1], 0)),
    );
    let socket = endpoint.socket().unwrap();
    socket.bind(&endpoint.sock_addr()).unwrap();
    let endpoint = Endpoint::of(&socket).unwrap();
    socket.set_nonblocking(false).unwrap();
    let server = UnixDatagram::from(socket);
    let client = Client::open(permitted(endpoint), None, None).unwrap();
    let mut outbox = Outbox::new(1, 5);
    outbox.datagram(0, 5).copy_from_slice(b"hello");
    assert_eq!(outbox.send(&client, 0..1).unwrap(), 1);

    let mut buffer = [0; 10];
    let (length, from) = server.recv_from(&mut buffer).unwrap();
    server.send_to_addr(&buffer[..length], &from).unwrap();
    assert_eq!(client.receive(&mut buffer).unwrap(), 5);
    assert_eq!(client.receive(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);

    drop(server);
    let refused = |done: io::Result<usize>| done.unwrap_err().raw_os_error();
    assert_eq!(refused(outbox.send(&client, 0..1)), Some(libc::ECONNREFUSED));
    assert_eq!(refused(outbox.send(&client, 0..1)), Some(libc::ENOTCONN));
    assert!(client.reconnect().is_err());
    let again = endpoint.socket().unwrap();
    again.bind(&endpoint.sock_addr()).unwrap();
    client.reconnect().unwrap();
    assert_eq!(outbox.send(&client, 0..1).unwrap(), 1);
}
