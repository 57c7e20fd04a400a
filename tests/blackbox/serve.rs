//! `loadgen serve` by hand, and rude clients.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::common::{PROGRAM, loadgen, until};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server by hand; killed with the test.
pub struct Served {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    address: SocketAddr,
    first: String,
}

impl Served {
    fn start(flags: &[&str]) -> Self {
        Self::spawn(loadgen(&["serve", "--listen", "127.0.0.1:0"]), flags)
    }

    /// A server that may have so many descriptors.
    pub fn limited(descriptors: u32, flags: &[&str]) -> Self {
        let script = format!("ulimit -n {descriptors} && exec \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh", PROGRAM, "serve", "--listen", "127.0.0.1:0"]);
        Self::spawn(command, flags)
    }

    fn spawn(mut command: Command, flags: &[&str]) -> Self {
        command.args(flags).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let address = first.split([' ', ',']).find_map(|word| word.parse().ok());
        let address = address.unwrap_or_else(|| {
            let mut errors = String::new();
            child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
            panic!("no address in {first:?}; {errors}")
        });
        Self { child, lines, address, first }
    }

    pub fn client(&self) -> TcpStream {
        let client = TcpStream::connect_timeout(&self.address, PATIENCE).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.set_write_timeout(Some(PATIENCE)).unwrap();
        client
    }

    /// A client that says something and is echoed.
    fn serves_a_polite_client(&mut self) {
        let mut client = self.client();
        for _ in 0..3 {
            client.write_all(b"hello\n").unwrap();
            let mut heard = [0; 6];
            client.read_exact(&mut heard).unwrap();
            assert_eq!(&heard, b"hello\n");
        }
        assert!(self.child.try_wait().unwrap().is_none(), "the server is alive");
    }

    /// Ctrl-C; what it said since.
    pub fn stop(mut self) -> String {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
        let status = until("the server to end", PATIENCE, || self.child.try_wait().unwrap());
        let mut said = String::new();
        self.lines.read_to_string(&mut said).unwrap();
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert!(status.success() && !errors.contains("panicked"), "{status}: {said}\n{errors}");
        said
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_by_hand_tells_where_it_listens_and_what_it_did() {
    let mut served = Served::start(&["--backlog", "9"]);
    assert!(served.first.contains("backlog 9 asked, 9 effective"), "{}", served.first);
    served.serves_a_polite_client();
    served.serves_a_polite_client();
    assert!(served.stop().contains("accepted 2"));
}

#[test]
fn rude_clients_do_not_harm_a_server() {
    let mut served = Served::start(&[]);

    let mut rubbish = served.client();
    let noise: Vec<u8> =
        (0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    // Neither side reads while it writes: what does not fit in the buffers is not waited for.
    rubbish.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let _ = rubbish.write_all(&noise);
    drop(rubbish);
    served.serves_a_polite_client();

    for _ in 0..50 {
        let reset = served.client();
        socket2::SockRef::from(&reset).set_linger(Some(Duration::ZERO)).unwrap();
        drop(reset);
        let mut cut = served.client();
        cut.write_all(b"hel").unwrap();
        socket2::SockRef::from(&cut).set_linger(Some(Duration::ZERO)).unwrap();
        drop(cut);
    }
    served.serves_a_polite_client();

    let silent: Vec<TcpStream> = (0..50).map(|_| served.client()).collect();
    served.serves_a_polite_client();
    drop(silent);
    let half = served.client();
    half.shutdown(Shutdown::Write).unwrap();
    served.serves_a_polite_client();

    let flood = flood(&served);
    served.serves_a_polite_client();
    drop(flood);
    served.serves_a_polite_client();
    let said = served.stop();
    assert!(said.contains("accepted "), "{said}");
}

/// A client that writes 10 MB and never reads: the server must not buffer it all, nor wait.
fn flood(served: &Served) -> TcpStream {
    let mut client = served.client();
    client.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let piece = [b'x'; 64 << 10];
    for _ in 0..160 {
        if let Err(error) = client.write_all(&piece) {
            let full = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            assert!(full, "back pressure or acceptance, not {error}");
            break;
        }
    }
    client
}

#[test]
fn a_serial_server_survives_clients_that_leave() {
    let mut served = Served::start(&["--serial"]);
    for _ in 0..3 {
        drop(served.client());
        let reset = served.client();
        socket2::SockRef::from(&reset).set_linger(Some(Duration::ZERO)).unwrap();
        drop(reset);
        served.serves_a_polite_client();
    }
    served.stop();
}

#[test]
fn every_flag_of_a_server_by_hand_is_taken() {
    let flags = [
        "--backlog",
        "5",
        "--acceptors",
        "2",
        "--accept",
        "100/s",
        "--stall",
        "0s..10ms",
        "--service",
        "1ms",
        "--reply",
        "4KiB",
        "--close",
        "server",
    ];
    let served = Served::start(&flags);
    let mut client = served.client();
    client.write_all(b"hello\n").unwrap();
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).unwrap();
    assert_eq!(reply.len(), 4096);
    served.stop();
    for wrong in [["--backlog", "x"], ["--accept", "5"], ["--stall", "5"], ["--service", "1"]] {
        super::common::call(&[&["serve"], &wrong[..]].concat()).exits(&[2]).tells(&[wrong[1]]);
    }
}

#[test]
fn rubbish_instead_of_a_plan_ends_a_target() {
    let lines: [&[u8]; 5] = [b"\n", b"{}\n", b"not json\n", b"[[[[[[[[[\n", &[0xff; 100]];
    let mut long = vec![b'{'; 32 << 20];
    long.push(b'\n');
    for line in lines.into_iter().chain([&long[..]]) {
        let mut child = Command::new(PROGRAM)
            .args(["serve", "--stdio"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut to: ChildStdin = child.stdin.take().unwrap();
        // It may leave before it has heard all.
        let _ = to.write_all(line);
        drop(to);
        let status = until("the target to end", PATIENCE, || child.try_wait().unwrap());
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert!(!errors.contains("panicked") && status.code() != Some(101), "{status}: {errors}");
    }
}
