//! `loadgen serve` for datagrams, by hand: a line a second, and an account at Ctrl-C.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::serve::{failed, interrupts, overrides, resolved};
use super::{Exit, Failure, ServeArgs, print_out};
use crate::observe::ticker::Sampling;
use crate::scenario::plan;
use crate::sys::endpoint::Endpoint;
use crate::sys::{clock, errno};
use crate::target::receiver::{Receivers, Reception, Seen, Totals, sample};
use crate::units::UnixKind;

/// From one line of the account to the next, in nanoseconds.
const LINE: u64 = 1_000_000_000;

/// Whether datagrams are received there.
pub(super) fn is_for(at: Endpoint) -> bool {
    matches!(at, Endpoint::Udp(_) | Endpoint::Unix(UnixKind::Datagram, _))
}

/// Receives until Ctrl-C, datagrams of any run.
pub(super) async fn by_hand(args: &ServeArgs) -> Result<Exit, Failure> {
    let receive = how(args)?;
    // Watched from before anyone is told that this receives, so that no Ctrl-C is missed.
    let interrupted = interrupts().map_err(|error| failed("watch for Ctrl-C", &error))?;
    let receivers = Receivers::bind(args.listen, &receive, None)
        .map_err(|error| cannot_receive(args.listen, &error))?;
    let limit = receivers.effective.map_or("unknown".to_owned(), |bytes| bytes.to_string());
    for address in receivers.addresses() {
        print_out(&format!("receiving at {address}, buffer {limit} bytes\n"))?;
    }
    let epoch = clock::monotonic();
    let reception = Reception { epoch, run: None, one_clock: true };
    let mut readers = receivers.start(reception).map_err(|error| failed("receive", &error))?;
    let when = Sampling { epoch, period: receive.sample.nanos(), interval: LINE };
    let (shared, places) = (readers.shared(), readers.places().to_vec());
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    let sampling = std::thread::spawn(move || {
        // Whoever reads may have gone away; the target goes on.
        sample(&places, &shared, when, &stopping, |seen| drop(print_out(&line(&seen))))
    });
    interrupted.await;
    let totals = readers.halt().map_err(|error| failed("stop", &error))?;
    stop.store(true, Ordering::Relaxed);
    let _ = sampling.join();
    if let Endpoint::Unix(_, name) = args.listen
        && let Some(path) = name.path()
    {
        // Nobody can send to it any more.
        let _ = std::fs::remove_file(path);
    }
    print_out(&account(&totals))
}

/// The flags mean what the same keys mean in a scenario, and are checked by the same code.
fn how(args: &ServeArgs) -> Result<plan::Receive, Failure> {
    let transport = match args.listen {
        Endpoint::Unix(..) => "unix-dgram",
        _ => "udp",
    };
    let flags = [
        ("transport", Some(transport.to_owned())),
        ("rcvbuf", args.rcvbuf.clone()),
        ("drain", args.drain.clone()),
        ("readers", args.readers.clone()),
        ("reply", args.reply.clone()),
    ];
    match resolved(&overrides(&flags, &args.stall)?)? {
        Some(plan::Target::Receiver { receive, .. }) => Ok(receive),
        _ => Err(Failure::Input("these flags describe no receiver of datagrams".to_owned())),
    }
}

fn cannot_receive(at: Endpoint, error: &io::Error) -> Failure {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another socket is bound there: choose another port with --listen (port 0 takes any \
             free one)"
        }
        io::ErrorKind::AddrNotAvailable => "; give an address of this host to --listen",
        io::ErrorKind::PermissionDenied => "; choose a port above 1023 with --listen",
        _ => "",
    };
    Failure::Environment(format!("cannot receive at {at}: {}{remedy}", errno::describe(error)))
}

fn line(seen: &Seen) -> String {
    let text = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
    let of = &seen.datagrams;
    let lost = of.lost.iter().map(|(cause, count)| format!(" {} +{count}", cause.name()));
    format!(
        "t={}s received {} again {} reordered {} buffer max {}/{}{}\n",
        seen.index + 1,
        text(of.received),
        text(of.duplicates),
        text(of.reordered),
        text(of.queue_bytes),
        text(of.queue_limit),
        lost.collect::<String>(),
    )
}

fn account(totals: &Totals) -> String {
    let mut text = String::from("\n");
    for (run, stream) in &totals.streams {
        let sent = if stream.closed { stream.sent.to_string() } else { "?".to_owned() };
        text += &format!(
            "run {run:08x} receiver {} stream {}: sent {sent}, received {}, lost {}, late {}, \
             again {}, reordered {}, outside {}, longest burst {}\n",
            stream.receiver,
            stream.stream,
            stream.received,
            stream.lost,
            stream.late,
            stream.duplicates,
            stream.reordered,
            stream.outside,
            stream.longest_burst,
        );
    }
    for receiver in &totals.receivers {
        let drops = receiver.drops.map_or("-".to_owned(), |drops| drops.to_string());
        text += &format!(
            "{}: read by each reader {:?}, dropped for want of room {drops}, most bytes {}\n",
            receiver.address, receiver.read_by, receiver.queue_peak
        );
    }
    text += &format!(
        "foreign {}, corrupt {}, beyond {}, unread {}\n",
        totals.foreign, totals.corrupt, totals.beyond, totals.unread
    );
    for (error, count) in &totals.errors {
        text += &format!("{error} {count}\n");
    }
    text
}
