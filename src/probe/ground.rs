//! Where experiments are made, and what can be seen there.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::Socket;

use super::METHODS;
use crate::lab::{Lab, Privacy};
use crate::measure::Outcome;
use crate::measure::card::{Family, Methods, Missing, Place};
use crate::scenario::plan;
use crate::sys::endpoint::Endpoint;
use crate::sys::errno;
use crate::sys::listener::{Listening, listen_so};
use crate::sys::netlink::SockDiag;
use crate::sys::permit::{PermittedAddr, Policy};
use crate::sys::standing::Standing;
use crate::sys::tcp_info::TcpInfo;

/// How long a client of an empty queue may take: one SYN may be lost.
const PATIENCE: Duration = Duration::from_secs(4);

/// A lab, or the host's loopback.
#[derive(Debug)]
pub enum Ground {
    /// A fresh namespace for each experiment.
    Lab(Privacy),
    /// The host, and why.
    Host(String),
}

/// What tells about queues here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruments {
    /// TCP_INFO of a client names its state.
    pub tcp_info: bool,
    /// TCP_INFO of a listener has its length and its limit.
    pub listener_info: bool,
    /// sock_diag lists sockets.
    pub sock_diag: bool,
}

/// One place for one experiment.
#[derive(Debug)]
pub struct Site<'a> {
    /// Where its listeners are.
    pub address: IpAddr,
    /// Its lab, where it has one.
    pub lab: Option<&'a Lab>,
    /// What may be used to see.
    pub instruments: Instruments,
    policy: Policy,
}

impl Ground {
    /// For the card.
    pub fn place(&self) -> Place {
        match self {
            Self::Lab(_) => Place::Lab,
            Self::Host(reason) => Place::Host { reason: reason.clone() },
        }
    }

    /// Does `work` where addresses are of this family and kernel settings, by dotted name, have these
    /// values: in a fresh namespace, or on the host if there are no settings to change.
    ///
    /// # Errors
    /// Why there is no such place, or what `work` could not find out.
    pub fn at<T: Send>(
        &self,
        family: Family,
        settings: &[(&str, &str)],
        work: impl FnOnce(&Site) -> Result<T, Missing> + Send,
    ) -> Result<T, Missing> {
        match self {
            Self::Lab(privacy) => {
                in_lab(privacy, &lab_plan(plan::Link::Loopback, family, settings), work)
            }
            Self::Host(reason) if !settings.is_empty() => {
                Err(no_lab("kernel settings are changed in a lab only, and there is none", reason))
            }
            Self::Host(_) => work(&Site::new(loopback(family), None)?),
        }
    }

    /// Does `work` where nothing of the network is used: in a fresh namespace as well, or on the host,
    /// whatever its loopback is like.
    ///
    /// # Errors
    /// As of [`Ground::at`].
    pub fn off_network<T: Send>(
        &self,
        work: impl FnOnce(&Site) -> Result<T, Missing> + Send,
    ) -> Result<T, Missing> {
        match self {
            Self::Lab(_) => self.at(Family::Ipv4, &[], work),
            Self::Host(_) => {
                let (instruments, policy) = (Instruments::NONE, Policy::default());
                work(&Site { address: loopback(Family::Ipv4), lab: None, instruments, policy })
            }
        }
    }

    /// As [`Ground::at`], but at an address that is not of loopback: that of one end of a lab's veth
    /// pair, to which connections go without leaving that end's namespace.
    ///
    /// # Errors
    /// As there; and on the host, whose other addresses are not ours to use.
    pub fn off_loopback<T: Send>(
        &self,
        family: Family,
        settings: &[(&str, &str)],
        work: impl FnOnce(&Site) -> Result<T, Missing> + Send,
    ) -> Result<T, Missing> {
        match self {
            Self::Lab(privacy) => {
                in_lab(privacy, &lab_plan(plan::Link::Veth, family, settings), work)
            }
            Self::Host(reason) => Err(no_lab(
                "there is no address but loopback to use, since there is no lab",
                reason,
            )),
        }
    }
}

/// Does `work` on the target's side of a fresh lab.
fn in_lab<T: Send>(
    privacy: &Privacy,
    plan: &plan::Lab,
    work: impl FnOnce(&Site) -> Result<T, Missing> + Send,
) -> Result<T, Missing> {
    let lab = Lab::create(privacy, plan)
        .map_err(|error| Missing::all(error.to_string(), "see the remedy there"))?;
    let site = || Site::new(lab.target_address(), Some(&lab));
    let done = lab.target().run(|| site().and_then(|site| work(&site)));
    done.map_err(|error| missing("setns", &error))?
}

impl<'a> Site<'a> {
    fn new(address: IpAddr, lab: Option<&'a Lab>) -> Result<Self, Missing> {
        let policy = match lab {
            Some(lab) => lab.permits(Policy::default()),
            None => Policy::default(),
        };
        let instruments = Instruments::found(address)?;
        Ok(Self { address, lab, instruments, policy })
    }

    /// A listener here, on a free port.
    ///
    /// # Errors
    /// As of `listen(2)`.
    pub fn listen(&self, backlog: i32) -> Result<Socket, Missing> {
        self.listen_so(Listening::plain(backlog))
    }

    /// A listener here with options, on a free port.
    ///
    /// # Errors
    /// As of `setsockopt(2)` and `listen(2)`.
    pub fn listen_so(&self, how: Listening) -> Result<Socket, Missing> {
        listen_so(SocketAddr::new(self.address, 0), how).map_err(|error| missing("listen", &error))
    }

    /// Where clients of the listener may connect to.
    ///
    /// # Errors
    /// Where its address is not of this site.
    pub fn permit(&self, listener: &Socket) -> Result<PermittedAddr, Missing> {
        let endpoint = Endpoint::of(listener).map_err(|error| missing("getsockname", &error))?;
        self.policy.permit(endpoint).map_err(|error| Missing::all(error.to_string(), "none"))
    }
}

impl Instruments {
    /// What every system has.
    const NONE: Self = Self { tcp_info: false, listener_info: false, sock_diag: false };

    /// Tries them on a listener and a client of its own.
    fn found(address: IpAddr) -> Result<Self, Missing> {
        let listener = crate::sys::listener::listen(SocketAddr::new(address, 0), 7)
            .map_err(|error| missing("listen", &error))?;
        let local = listener.local_addr().ok().and_then(|address| address.as_socket());
        let local = local.unwrap_or(SocketAddr::new(address, 0));
        // Where not even this client comes in, what keeps others out is not the queue.
        let client = TcpStream::connect_timeout(&local, PATIENCE)
            .map_err(|error| missing("connect to a listener with an empty queue", &error))?;
        if METHODS == Methods::Portable {
            return Ok(Self::NONE);
        }
        let established =
            |info: TcpInfo| info.standing() == Standing::Established && info.rtt_us() > 0;
        let tcp_info = TcpInfo::of(&client).is_ok_and(established);
        let queue = TcpInfo::of(&listener);
        let told = |info: TcpInfo| info.accept_queue() == 1 && info.accept_limit() >= 1;
        let listener_info = queue.is_ok_and(told);
        let mut seen = false;
        let asked = SockDiag::open();
        let asked = asked.and_then(|mut kernel| kernel.listeners(local.port(), |_| seen = true));
        if let Err(error) = &asked
            && is_shortage(error)
        {
            return Err(missing("sock_diag", error));
        }
        let sock_diag = asked.is_ok() && seen;
        Ok(Self { tcp_info, listener_info, sock_diag })
    }
}

fn no_lab(what: &str, reason: &str) -> Missing {
    Missing::all(
        format!("{what}: {reason}"),
        "run where an ordinary user may make namespaces, or as root",
    )
}

/// What a call that failed leaves unknown.
pub fn missing(call: &str, error: &io::Error) -> Missing {
    let remedy = match errno::outcome(errno::number(error)) {
        Outcome::NoFd => "raise the limit of descriptors (ulimit -n)",
        Outcome::Unreachable => "bring the loopback interface up (ip link set lo up)",
        Outcome::NoPort if call == "listen" => {
            "give the loopback interface an address of this family (of IPv6: \
             net.ipv6.conf.lo.disable_ipv6 = 0)"
        }
        Outcome::Again if matches!(call, "setns" | "starting a thread") => {
            "raise the limit of processes (ulimit -u)"
        }
        _ => "none is known",
    };
    Missing::all(format!("{call} failed with {}", errno::describe(error)), remedy)
}

/// Whether this process has too little of something, which tells nothing of the system.
pub fn is_shortage(error: &io::Error) -> bool {
    matches!(errno::outcome(errno::number(error)), Outcome::NoFd | Outcome::NoBuffer)
}

fn loopback(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::LOCALHOST.into(),
        Family::Ipv6 => Ipv6Addr::LOCALHOST.into(),
    }
}

fn lab_plan(link: plan::Link, family: Family, settings: &[(&str, &str)]) -> plan::Lab {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    plan::Lab {
        link,
        family: match family {
            Family::Ipv4 => plan::Family::Ipv4,
            Family::Ipv6 => plan::Family::Ipv6,
        },
        sources: 1,
        strangers: 0,
        sysctl: settings.iter().map(owned).collect(),
        impair: None,
        capture: None,
    }
}
