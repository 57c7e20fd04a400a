//! The target, in a child process that is this benchmark once more.
//!
//! It looks into its accept queue every now and then instead of waiting for it: waking a sleeping
//! acceptor up would cost the connecting CPU several microseconds for each connection, or none
//! when the acceptor happens to be awake, and drown what is compared.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use loadgen::sys::clock;
use loadgen::sys::permit::{PermittedAddr, Policy};
use loadgen::sys::socket::{accept, listen};

/// Makes this benchmark be the target.
pub const ARGUMENT: &str = "--target";
/// Many times what comes between two looks.
const BACKLOG: i32 = 4096;
/// Between two looks, in nanoseconds.
const PERIOD: u64 = 100_000;
/// Connections that are kept before the oldest is closed: by then its client has reset it, and
/// closing sends nothing.
const KEPT: usize = 256;

/// A target at work; it ends with its standard input, thus also when we are killed.
pub struct Target {
    child: Child,
    /// Where it listens.
    pub address: PermittedAddr,
}

impl Target {
    /// Starts a target on `cpu`.
    pub fn start(cpu: usize) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, &cpu.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("the target has no standard output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address: SocketAddr = line.trim().parse().context("the target did not start")?;
        Ok(Self { child, address: Policy::default().permit(address)? })
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ends by itself, and how matters to nobody.
        let _ = self.child.wait();
    }
}

/// The child's side: accepts until its standard input ends.
pub fn serve(arguments: &[String]) -> anyhow::Result<()> {
    let place = arguments.iter().position(|argument| argument == ARGUMENT);
    let cpu = place.and_then(|place| arguments.get(place + 1)).context("no CPU is given")?;
    super::cost::pin(cpu.parse()?)?;
    let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)), BACKLOG)?;
    let address = listener.local_addr()?.as_socket().context("the listener has no address")?;
    writeln!(io::stdout(), "{address}")?;
    let orphaned = std::thread::spawn(|| io::stdin().read_to_end(&mut Vec::new()));
    clock::tighten_timer_slack();
    let mut kept = VecDeque::with_capacity(KEPT);
    while !orphaned.is_finished() {
        clock::sleep_until(clock::monotonic() + PERIOD);
        while let Ok(connection) = accept(&listener) {
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back(connection);
        }
    }
    Ok(())
}
