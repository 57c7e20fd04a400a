//! The bare loop: what a connection costs when nothing but its success is looked at.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use loadgen::sys::permit::PermittedAddr;

use super::cost::{Cost, cpu_time};

/// Keeps `in_flight` connects going: socket, connect, epoll_ctl, epoll_wait, SO_ERROR, close.
pub fn run(address: PermittedAddr, in_flight: usize, time: Duration) -> io::Result<Cost> {
    let Some(SocketAddr::V4(address)) = address.get().inet() else {
        return Err(io::Error::other("the bare loop speaks IPv4 only"));
    };
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
        sin_zero: [0; 8],
    };
    let cpu = cpu_time()?;
    let begin = Instant::now();
    // SAFETY: plain system calls on descriptors that live until this function closes them, with
    // pointers to live values of the sizes that are given.
    let connections = unsafe { keep_connecting(&address, in_flight, begin + time) }?;
    Ok(Cost { connections, wall_s: begin.elapsed().as_secs_f64(), cpu_s: cpu_time()? - cpu })
}

unsafe fn keep_connecting(
    address: &libc::sockaddr_in,
    in_flight: usize,
    end: Instant,
) -> io::Result<u64> {
    unsafe {
        let epoll = checked(libc::epoll_create1(libc::EPOLL_CLOEXEC))?;
        let mut events: Vec<libc::epoll_event> = vec![zeroed(); in_flight];
        for _ in 0..in_flight {
            connect(epoll, address)?;
        }
        let (mut left, mut connections) = (in_flight, 0);
        while left > 0 {
            let ready =
                checked(libc::epoll_wait(epoll, events.as_mut_ptr(), in_flight as i32, 5000))?;
            if ready == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let over = Instant::now() >= end;
            for event in &events[..ready as usize] {
                finish(event.u64 as i32)?;
                connections += 1;
                if over {
                    left -= 1;
                } else {
                    connect(epoll, address)?;
                }
            }
        }
        libc::close(epoll);
        Ok(connections)
    }
}

unsafe fn connect(epoll: i32, address: &libc::sockaddr_in) -> io::Result<()> {
    unsafe {
        let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let socket = checked(libc::socket(libc::AF_INET, kind, libc::IPPROTO_TCP))?;
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        checked(libc::setsockopt(
            socket,
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        ))?;
        let length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        if libc::connect(socket, (&raw const *address).cast(), length) < 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(libc::EINPROGRESS) {
                return Err(error);
            }
        }
        let mut event = libc::epoll_event { events: libc::EPOLLOUT as u32, u64: socket as u64 };
        checked(libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, socket, &mut event))?;
        Ok(())
    }
}

unsafe fn finish(socket: i32) -> io::Result<()> {
    unsafe {
        let mut error: libc::c_int = 0;
        let mut length = size_of::<libc::c_int>() as libc::socklen_t;
        checked(libc::getsockopt(
            socket,
            libc::SOL_SOCKET,
            libc::SO_ERROR,
            (&raw mut error).cast(),
            &mut length,
        ))?;
        libc::close(socket);
        if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
    }
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
