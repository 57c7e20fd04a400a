//! The cases, and the small harness that runs each in a child.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use loadgen::lab::{self, Lab, LabError, Privacy};
use loadgen::observe::counters::{Counters, Watch};
use loadgen::observe::listen::Diag;
use loadgen::observe::states::StateWatch;
use loadgen::scenario::plan::{self, Family, Link};
use loadgen::sys::namespace::Namespace;
use loadgen::sys::netlink::{End, Families};
use loadgen::sys::permit::Policy;
use socket2::{Domain, Protocol, Socket, Type};

use super::{datagrams, uml, wire};

/// Names the case to a child.
const CASE: &str = "LOADGEN_LAB_CASE";
/// Exit status of a child whose machine refuses namespaces.
pub const SKIPPED: i32 = 77;

/// What such a child says where another kernel would do.
pub const NO_NETEM: &str = "this kernel has no netem";

type Case = (&'static str, fn(Privacy));

const CASES: &[Case] = &[
    ("somaxconn_is_set_in_the_lab_and_clamps_a_listener", clamps),
    ("every_link_and_family_carries_connections", carries),
    ("thousands_of_sources_reach_the_target", thousands),
    ("settings_that_do_not_hold_are_refused", settings),
    ("each_cell_starts_afresh", afresh),
    ("nothing_is_left_after_a_kill", waits_to_be_killed),
    ("listen_queues_count_half_open_connections", half_open),
    ("half_open_connections_stop_where_the_kernel_says", syn_backlog),
    ("looking_at_thousands_of_sockets_stays_cheap", cheap),
    ("random_loss_is_counted_exactly", datagrams::random_loss),
    ("every_so_manyth_datagram_is_lost", datagrams::regular_loss),
    ("what_a_rate_drops_is_counted", datagrams::limited_rate),
    ("netem_holds_and_doubles_or_is_named", datagrams::delay),
    ("a_run_over_netem_adds_up", datagrams::netem_run),
    ("every_packet_of_a_link_is_seen_once", wire::once),
    ("what_a_full_ring_drops_is_counted", wire::full),
    ("every_member_of_a_group_gets_every_datagram", datagrams::groups),
];

pub fn main() -> ExitCode {
    if std::process::id() == 1 {
        uml::init();
    }
    if let Ok(name) = std::env::var(CASE) {
        child(&name);
    }
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let chosen = CASES.iter().filter(|(name, _)| filter.as_ref().is_none_or(|f| name.contains(f)));
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, _) in chosen {
        match run(name) {
            Outcome::Passed => passed += 1,
            Outcome::Failed(why) => {
                println!("failed: {name}: {why}");
                failed += 1;
            }
            Outcome::Skipped(why) => {
                let line = format!("skipped: {name}: {why}");
                println!("{line}");
                note(&line);
                skipped += 1;
            }
        }
    }
    println!("lab: {passed} passed, {failed} failed, {skipped} skipped");
    ExitCode::from(u8::from(failed > 0))
}

/// Appends to the list that `make test` prints at its end.
fn note(line: &str) {
    let Some(list) = std::env::var_os("LOADGEN_SKIPPED") else { return };
    let mut list = fs::OpenOptions::new().create(true).append(true).open(list).unwrap();
    writeln!(list, "{line}").unwrap();
}

enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Runs one case in a child and looks at the host before and after.
fn run(name: &str) -> Outcome {
    let before = Host::look();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env(CASE, name)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    let mut private = BTreeSet::new();
    let killed = said.starts_with("kill me");
    if killed {
        private.extend(namespaces_of(child.id()));
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    match status.code() {
        Some(SKIPPED) if said.trim() == NO_NETEM => return under_uml(name),
        Some(SKIPPED) => return Outcome::Skipped(said.trim().into()),
        Some(0) => {}
        None if killed && private.len() >= 3 => {}
        _ => return Outcome::Failed(format!("{status}; it held the namespaces {private:?}")),
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let left: Vec<_> = all_namespaces().intersection(&private).cloned().collect();
        let after = Host::look();
        if after == before && left.is_empty() {
            return Outcome::Passed;
        }
        if Instant::now() > deadline {
            return Outcome::Failed(format!("left {left:?}; {before:?} -> {after:?}"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Runs one case under a kernel that has netem.
fn under_uml(name: &str) -> Outcome {
    match uml::run(CASE, name) {
        Err(why) => Outcome::Skipped(format!("{NO_NETEM}, and there is {why}")),
        Ok(ended) if ended.code == 0 => {
            println!("{name}: under user-mode Linux, {:.1} s", ended.took.as_secs_f64());
            Outcome::Passed
        }
        Ok(ended) => Outcome::Failed(format!("status {}: {}", ended.code, ended.said)),
    }
}

/// What must not change.
#[derive(Debug, PartialEq)]
struct Host {
    interfaces: BTreeSet<String>,
    somaxconn: String,
}

impl Host {
    fn look() -> Self {
        let interfaces = fs::read_dir("/sys/class/net").unwrap();
        Self {
            interfaces: interfaces
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect(),
            somaxconn: fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap(),
        }
    }
}

/// Network namespaces in which a process is or which it holds, but for our own, as `net:[inode]`.
/// A process in another user namespace lets only root look.
fn namespaces_of(pid: u32) -> BTreeSet<String> {
    let own = fs::read_link("/proc/self/ns/net").ok();
    let held = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    let held = held.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    held.chain(fs::read_link(format!("/proc/{pid}/ns/net")))
        .filter(|link| Some(link) != own.as_ref())
        .map(|link| link.to_string_lossy().into_owned())
        .filter(|link| link.starts_with("net:["))
        .collect()
}

fn all_namespaces() -> BTreeSet<String> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok());
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.flat_map(namespaces_of).collect()
}

fn child(name: &str) -> ! {
    let (_, case) = CASES.iter().find(|(n, _)| *n == name).expect("a case of this name");
    match lab::enter() {
        Ok(privacy) => case(privacy),
        Err(error @ LabError::Refused { .. }) => {
            println!("{error}");
            std::process::exit(SKIPPED);
        }
        Err(error) => panic!("{error}"),
    }
    std::process::exit(0)
}

pub fn wanted(link: Link, family: Family, sources: u16, sysctl: &[(&str, &str)]) -> plan::Lab {
    let sysctl = sysctl.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    plan::Lab { link, family, sources, strangers: 0, sysctl, impair: None, capture: None }
}

fn listen(lab: &Lab, backlog: i32) -> (Socket, SocketAddr) {
    lab.target()
        .run(|| {
            let at = SocketAddr::new(lab.target_address(), 0);
            let socket =
                Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP)).unwrap();
            socket.bind(&at.into()).unwrap();
            socket.listen(backlog).unwrap();
            let at = socket.local_addr().unwrap().as_socket().unwrap();
            (socket, at)
        })
        .unwrap()
}

fn connect_from(source: IpAddr, target: SocketAddr) -> TcpStream {
    let socket =
        Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP)).unwrap();
    socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
    socket.connect_timeout(&target.into(), Duration::from_secs(3)).expect("a connection");
    socket.into()
}

fn clamps(privacy: Privacy) {
    for link in [Link::Loopback, Link::Veth] {
        let plan = wanted(link, Family::Ipv4, 1, &[("net.core.somaxconn", "64")]);
        let lab = Lab::create(&privacy, &plan).unwrap();
        assert_eq!(lab.sysctl(), [("net.core.somaxconn".to_owned(), "64".to_owned())]);
        let (_listener, at) = listen(&lab, 5000);
        let queue = lab.target().run(|| Diag::open().unwrap().listeners(at).unwrap()).unwrap();
        assert_eq!((queue.limit, queue.listeners), (64, 1));
        let policy = lab.permits(Policy::default());
        assert!(policy.permit(at).is_ok() && lab.contains(at.ip()));
        assert_eq!(Policy::default().permit(at).is_ok(), link == Link::Loopback);
    }
}

fn carries(privacy: Privacy) {
    for link in [Link::Loopback, Link::Veth] {
        for family in [Family::Ipv4, Family::Ipv6] {
            for sources in [1, 3] {
                let started = Instant::now();
                let lab = Lab::create(&privacy, &wanted(link, family, sources, &[])).unwrap();
                let made = started.elapsed();
                assert_eq!(lab.separate(), link == Link::Veth);
                exchange(&lab);
                eprintln!("{link:?} {family:?} {sources}: made in {made:?}");
            }
        }
    }
}

/// A connection from each source, with bytes both ways, counted at the target.
fn exchange(lab: &Lab) {
    let (listener, at) = listen(lab, 128);
    let (before, mut watch) = lab
        .target()
        .run(|| (Counters::read().unwrap(), Watch::open(&["ListenDrops"]).unwrap()))
        .unwrap();
    for source in lab.client_addresses() {
        let started = Instant::now();
        let mut client = lab.client().run(|| connect_from(*source, at)).unwrap();
        assert!(started.elapsed() < Duration::from_millis(500), "a SYN was lost or waited");
        let (peer, from) = listener.accept().unwrap();
        assert_eq!(from.as_socket().unwrap().ip(), *source);
        let mut peer: TcpStream = peer.into();
        client.write_all(b"hello").unwrap();
        let mut heard = [0; 5];
        peer.read_exact(&mut heard).unwrap();
        peer.write_all(&heard).unwrap();
        client.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"hello");
    }
    let after = lab.target().run(|| Counters::read().unwrap()).unwrap();
    let opened = Counters::growth(&before, &after).get("PassiveOpens");
    assert_eq!(opened, Some(lab.client_addresses().len() as u64));
    assert_eq!(watch.read().unwrap(), [Some(0)], "read from outside the namespace");
}

fn thousands(privacy: Privacy) {
    for (link, family) in
        [(Link::Veth, Family::Ipv4), (Link::Veth, Family::Ipv6), (Link::Loopback, Family::Ipv6)]
    {
        let started = Instant::now();
        let lab = Lab::create(&privacy, &wanted(link, family, 4096, &[])).unwrap();
        eprintln!("{link:?} {family:?}: 4096 sources made in {:?}", started.elapsed());
        let (listener, at) = listen(&lab, 4096);
        // Closed at once: an ordinary user may not hold as many descriptors.
        let connect_all = || {
            for source in lab.client_addresses() {
                drop(connect_from(*source, at));
            }
        };
        lab.client().run(connect_all).unwrap();
        drop(listener);
    }
}

fn settings(privacy: Privacy) {
    let cases = [
        ("net.core.somaxcon", "64", "ENOENT"),
        ("net.core.somaxconn", "many", "EINVAL"),
        ("net.core.somaxconn", "-1", "EINVAL"),
        ("net.core.rmem_max", "1", "EACCES"),
        ("net.ipv4.tcp_mem", "1 2 3", "ENOENT"),
        ("kernel.panic", "1", "below net."),
        ("net.core.../../kernel/panic", "1", "below net."),
    ];
    for (key, value, reason) in cases {
        let plan = wanted(Link::Loopback, Family::Ipv4, 1, &[(key, value)]);
        let error = Lab::create(&privacy, &plan).unwrap_err();
        assert!(matches!(error, LabError::Setting { .. }), "{key}: {error}");
        let text = error.to_string();
        assert!(text.contains(key) && text.contains(value), "{text}");
        // Older kernels hide a setting where newer ones make it read-only.
        let hidden = reason == "EACCES" && text.contains("ENOENT");
        assert!(text.contains(reason) || hidden, "{text}");
    }
    let ports = [("net.ipv4.ip_local_port_range", "20000   30000")];
    let lab = Lab::create(&privacy, &wanted(Link::Loopback, Family::Ipv4, 1, &ports)).unwrap();
    assert_eq!(lab.sysctl()[0].1, "20000 30000");
    let range = lab.client().run(loadgen::sys::limits::ephemeral_ports).unwrap().unwrap();
    assert_eq!(range, (20000, 30000));
}

fn afresh(privacy: Privacy) {
    let plan = wanted(Link::Loopback, Family::Ipv4, 1, &[("net.core.somaxconn", "64")]);
    let first = Lab::create(&privacy, &plan).unwrap();
    let here = Namespace::current().unwrap().id().unwrap();
    assert_ne!(first.target().id().unwrap(), here);
    let second = Lab::create(&privacy, &wanted(Link::Loopback, Family::Ipv4, 1, &[])).unwrap();
    assert_ne!(first.target().id().unwrap(), second.target().id().unwrap());
    let somaxconn = || fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    assert_ne!(second.target().run(somaxconn).unwrap().trim(), "64");
    assert_eq!(Namespace::current().unwrap().id().unwrap(), here, "the caller has not moved");
}

fn waits_to_be_killed(privacy: Privacy) {
    let plan = wanted(Link::Veth, Family::Ipv4, 2, &[("net.core.somaxconn", "64")]);
    let lab = Lab::create(&privacy, &plan).unwrap();
    let (_listener, at) = listen(&lab, 5);
    let _client = lab.client().run(|| connect_from(lab.client_addresses()[1], at)).unwrap();
    println!("kill me");
    std::thread::sleep(Duration::from_secs(60));
    panic!("nobody killed me");
}

fn half_open(privacy: Privacy) {
    let lab = Lab::create(&privacy, &wanted(Link::Loopback, Family::Ipv4, 1, &[])).unwrap();
    let (listener, at) = listen(&lab, 5);
    let mut diag = lab.target().run(|| Diag::open().unwrap()).unwrap();
    // A client that filters everything out never sees the SYN-ACK, so the request stays.
    let clients: Vec<Socket> = lab.client().run(|| (0..3).map(|_| deaf(at)).collect()).unwrap();
    assert_eq!(diag.syn_recv(at.port()).unwrap(), 3);
    assert_eq!(diag.listeners(at).unwrap().depth, 0);
    assert_eq!(diag.syn_recv(at.port().wrapping_add(1)).unwrap(), 0);
    drop((listener, clients));
}

/// Without cookies the kernel keeps a quarter of tcp_max_syn_backlog free, and drops what would go
/// beyond (`tcp_conn_request`, net/ipv4/tcp_input.c).
fn syn_backlog(privacy: Privacy) {
    for (limit, most) in [("16", 13), ("64", 49), ("128", 97)] {
        let sysctl = [("net.ipv4.tcp_syncookies", "0"), ("net.ipv4.tcp_max_syn_backlog", limit)];
        let lab = Lab::create(&privacy, &wanted(Link::Veth, Family::Ipv4, 1, &sysctl)).unwrap();
        let (listener, at) = listen(&lab, 1024);
        let watch = |end| StateWatch::start(end, Families::of(at)).unwrap();
        let target = lab.target().run(|| watch(End::Local(at.port()))).unwrap();
        let client = lab.client().run(|| watch(End::Remote(at.port()))).unwrap();
        let clients: Vec<Socket> =
            lab.client().run(|| (0..150).map(|_| deaf(at)).collect()).unwrap();
        let (target, client) = (target.finish().peak, client.finish().peak);
        assert_eq!((target.syn_recv, target.syn_sent), (most, 0), "tcp_max_syn_backlog {limit}");
        assert_eq!((client.syn_recv, client.syn_sent), (0, 150), "tcp_max_syn_backlog {limit}");
        drop((listener, clients));
    }
}

/// 20,000 sockets in TIME_WAIT, which a look lists one by one, and 12,000 that are established,
/// which it only passes: looks become rare enough to take 1 % of one CPU.
fn cheap(privacy: Privacy) {
    let lab = Lab::create(&privacy, &wanted(Link::Loopback, Family::Ipv4, 4, &[])).unwrap();
    let (listener, at) = listen(&lab, 16);
    let sources = lab.client_addresses();
    let connect =
        |n: usize| (connect_from(sources[n % sources.len()], at), listener.accept().unwrap());
    let held: Vec<_> = lab.client().run(|| (0..6_000).map(connect).collect()).unwrap();
    // The client closes first, and is left in TIME_WAIT.
    lab.client().run(|| (0..20_000).for_each(|n| drop(connect(n)))).unwrap();
    let start = || StateWatch::start(End::Remote(at.port()), Families::of(at)).unwrap();
    let watch = lab.client().run(start).unwrap();
    std::thread::sleep(Duration::from_secs(4));
    let result = watch.finish();
    eprintln!("{result:?}");
    assert_eq!((result.peak.time_wait, result.failed), (20_000, 0));
    assert!(result.looks >= 3, "{result:?}");
    // The last look comes before its time.
    let hurried = result.cost_us / 4e6;
    assert!(result.cpu_share - hurried < 0.015, "{result:?}");
    drop(held);
}

/// A client in SYN_SENT that stays there.
fn deaf(target: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
    // BPF_RET | BPF_K with 0: keep no byte of any packet.
    socket.attach_filter(&[socket2::SockFilter::new(0x06, 0, 0, 0)]).unwrap();
    socket.set_nonblocking(true).unwrap();
    let _ = socket.connect(&target.into());
    socket
}
