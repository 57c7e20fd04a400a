//! The target: our own server, in a child process that is this benchmark once more.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use loadgen::scenario::plan::{AcceptPace, Closer, Reply, Serve, ServiceTime};
use loadgen::sys::clock;
use loadgen::sys::permit::{PermittedAddr, Policy};
use loadgen::target::{Bound, Occasion, Server};
use loadgen::units::{Backlog, Span};

/// Makes this benchmark be the target.
pub const ARGUMENT: &str = "--target";
/// Fills up only where the target is slower than the generator for long.
const BACKLOG: i32 = 4096;

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

/// The child's side: accepts as fast as it can and waits for clients to close, until its standard
/// input ends.
pub fn serve(arguments: &[String]) -> anyhow::Result<()> {
    let place = arguments.iter().position(|argument| argument == ARGUMENT);
    let cpu = place.and_then(|place| arguments.get(place + 1)).context("no CPU is given")?;
    super::cost::pin(cpu.parse()?)?;
    let plan = Serve {
        backlog: Backlog(BACKLOG),
        acceptors: 1,
        accept: AcceptPace::Asap,
        stalls: Vec::new(),
        service: ServiceTime::Constant { time: Span::default() },
        serial: false,
        reply: Reply::None,
        close: Closer::Client,
        sample: Span::default(),
    };
    let bound = Bound::new("127.0.0.1:0".parse()?, BACKLOG)?;
    let occasion = Occasion { epoch: clock::monotonic(), run: 0, seed: 0, one_clock: true };
    let server = Server::start(&bound, &plan, occasion)?;
    writeln!(io::stdout(), "{}", bound.address)?;
    io::stdin().read_to_end(&mut Vec::new())?;
    server.stop()?;
    Ok(())
}
