//! `loadgen serve`: a target, by hand or for a runner.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Exit, Failure, ServeArgs, print_out, receive};
use crate::observe::sampler::{self, First, Queue, Sampling};
use crate::observe::states::StateWatch;
use crate::scenario::{self, plan};
use crate::sys::endpoint::Endpoint;
use crate::sys::netlink::{End, Families};
use crate::sys::{clock, errno, limits};
use crate::target::{Door, Occasion, Server, Totals, stdio};

/// The least scenario: only its target matters.
const SCENARIO: &str = "name = \"serve\"\n[[load]]\nrate = \"1/s\"\nattempts = 1\n";
/// Descriptors that a target needs beside its connections.
const FEWEST_DESCRIPTORS: u64 = 32;
/// From one line of the account to the next, in nanoseconds.
const LINE: u64 = 1_000_000_000;

/// Serves until Ctrl-C, or for a runner until it is done.
pub fn serve(args: &ServeArgs) -> Result<Exit, Failure> {
    let limit = limits::raise_descriptors()
        .map_err(|error| failed("raise the limit of descriptors", &error))?;
    super::enough_descriptors(limit, FEWEST_DESCRIPTORS)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed("start (raise ulimit -n)", &error))?;
    if args.stdio {
        let served = runtime.block_on(stdio::serve());
        // Reading standard input cannot be cancelled, and would be waited for.
        runtime.shutdown_background();
        return served.map(|()| Exit::Pass).map_err(|error| failed("serve", &error));
    }
    if receive::is_for(args.listen) {
        return runtime.block_on(receive::by_hand(args));
    }
    let serve = how(args)?;
    runtime.block_on(by_hand(args, &serve))
}

pub(super) fn failed(what: &str, error: &io::Error) -> Failure {
    Failure::Environment(format!("cannot {what}: {}", errno::describe(error)))
}

fn cannot_listen(at: Endpoint, error: &io::Error) -> Failure {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another server listens there: stop it, or choose another port with --listen \
             (port 0 takes any free one)"
        }
        io::ErrorKind::AddrNotAvailable => "; give an address of this host to --listen",
        io::ErrorKind::PermissionDenied => "; choose a port above 1023 with --listen",
        _ => "",
    };
    Failure::Environment(format!("cannot listen on {at}: {}{remedy}", errno::describe(error)))
}

/// The flags mean what the same keys mean in a scenario, and are checked by the same code.
fn how(args: &ServeArgs) -> Result<plan::Serve, Failure> {
    let flags = [
        ("backlog", args.backlog.clone()),
        ("acceptors", args.acceptors.clone()),
        ("engine", args.engine.clone()),
        ("accept", args.accept.clone()),
        ("service", args.service.clone()),
        ("reply", Some(args.reply.clone().unwrap_or_else(|| "echo".to_owned()))),
        ("close", args.close.clone()),
        ("serial", args.serial.then(|| "true".to_owned())),
    ];
    match resolved(&overrides(&flags, &args.stall)?)? {
        Some(plan::Target::Own { serve, .. }) => Ok(serve),
        _ => Err(Failure::Input("these flags describe no target of ours".to_owned())),
    }
}

/// What flags say, as a scenario's keys of the target.
pub(super) fn overrides(
    flags: &[(&str, Option<String>)],
    stall: &[String],
) -> Result<Vec<String>, Failure> {
    let given = flags.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
    let mut overrides: Vec<String> =
        given.map(|(key, value)| format!("target.{key}={value}")).collect();
    overrides.extend(stalls(stall)?);
    Ok(overrides)
}

/// The target that they describe.
pub(super) fn resolved(overrides: &[String]) -> Result<Option<plan::Target>, Failure> {
    let no_files = |_: &std::path::Path| Err(io::ErrorKind::NotFound.into());
    let resolved = scenario::resolve(SCENARIO, "serve", overrides, &no_files)?;
    Ok(resolved.plan.cells.into_iter().next().map(|cell| cell.target))
}

fn stalls(windows: &[String]) -> Result<Option<String>, Failure> {
    let mut parts = Vec::new();
    for window in windows {
        let (from, to) = window.split_once("..").ok_or_else(|| {
            Failure::Input(format!("--stall {window}: write FROM..TO, such as 1s..2.5s"))
        })?;
        parts.push(format!("{{ from = \"{from}\", to = \"{to}\" }}"));
    }
    Ok((!parts.is_empty()).then(|| format!("target.stall=[{}]", parts.join(", "))))
}

async fn by_hand(args: &ServeArgs, serve: &plan::Serve) -> Result<Exit, Failure> {
    // Watched from before anyone is told that this listens, so that no Ctrl-C is missed.
    let interrupted = interrupts().map_err(|error| failed("watch for Ctrl-C", &error))?;
    let door = Door::open(args.listen, serve, false)
        .map_err(|error| cannot_listen(args.listen, &error))?;
    let effective = door.effective.map_or("unknown".to_owned(), |limit| limit.to_string());
    print_out(&format!(
        "listening on {}, backlog {} asked, {effective} effective\n",
        door.address, serve.backlog
    ))?;
    let epoch = clock::monotonic();
    let occasion = Occasion {
        epoch,
        run: 0,
        seed: 1,
        one_clock: true,
        expected: args.connections,
        names: false,
    };
    let server = Server::start(&door, serve, occasion).map_err(|error| failed("serve", &error))?;
    let server = Arc::new(server);
    let stop = Arc::new(AtomicBool::new(false));
    let (counted, stopping) = (Arc::clone(&server), Arc::clone(&stop));
    let when = Sampling { epoch, period: serve.sample.nanos(), interval: LINE };
    let states = door.address.inet().and_then(|address| {
        StateWatch::start(End::Local(address.port()), Families::of(address)).ok()
    });
    let looked = states.as_ref().map(StateWatch::seen);
    let queue = Queue::own(Arc::clone(&door) as _);
    let sampling = std::thread::spawn(move || {
        sampler::run(queue, (when, First::Epoch), &stopping, |index, mut seen, _| {
            if let Some(looked) = &looked {
                looked.complete(&mut seen);
            }
            let text = |value: Option<u64>| value.map_or("-".to_owned(), |v| v.to_string());
            // Whoever reads may have gone away; the server goes on.
            let _ = print_out(&format!(
                "t={}s accepted {} queue max {}/{} SYN_RECV {} ListenOverflows +{}\n",
                index + 1,
                counted.tally().accepted(),
                text(seen.accept_queue.map(u64::from)),
                text(seen.accept_limit.map(u64::from)),
                text(seen.syn_recv),
                text(seen.listen_overflows),
            ));
        })
    });
    interrupted.await;
    stop.store(true, Ordering::Relaxed);
    let _ = sampling.join();
    let server = Arc::into_inner(server)
        .ok_or_else(|| Failure::Environment("the sampler did not end".to_owned()))?;
    let totals = server.stop().map_err(|error| failed("stop", &error))?;
    if let Endpoint::Unix(_, name) = door.address
        && let Some(path) = name.path()
    {
        // Nobody can connect to it any more.
        let _ = std::fs::remove_file(path);
    }
    print_out(&account(&totals))
}

/// Ends with Ctrl-C or SIGTERM, also with one that comes before it is awaited.
pub(super) fn interrupts() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn account(totals: &Totals) -> String {
    let counts = totals.outcomes.iter().map(|(outcome, count)| format!("{outcome} {count}"));
    let faults = totals.client_faults.iter().chain(&totals.accept_errors);
    let faults = faults.map(|(name, count)| format!("{name} {count}"));
    let endings = totals.endings.iter().map(|(ending, count)| format!("{ending} {count}"));
    let endings: Vec<String> = endings.collect();
    let parts: Vec<String> = counts.chain(faults).collect();
    let notices: String = totals.notices.iter().map(|notice| format!("{notice}\n")).collect();
    let (counts, endings) = (parts.join(", "), endings.join(", "));
    format!("\n{counts}\nended: {endings}\nengine {}\n{notices}", totals.engine)
}
