//! `[[load]]`.

use std::time::Duration;

use crate::scenario::at::At;
use crate::scenario::diagnostic::Problems;
use crate::scenario::plan::{
    After, Client, Close, DatagramReply, EngineChoice, Lifecycle, Load, Target, Vanish, VanishHow,
    WhenFull,
};
use crate::scenario::raw::{self, Kind};
use crate::units::Span;

use super::{Files, LONGEST_CELL, client, datagram, number, schedule, span, transport};

/// Default of `timeout`: longer than two SYN retries on every Linux.
const TIMEOUT: Span = Span::from_millis(4000);
/// Longest `timeout`.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);

/// A load of a cell.
pub(super) fn load(
    name: String,
    at: &At<raw::Load>,
    target: &Target,
    files: &Files,
    problems: &mut Problems,
) -> Load {
    if target.transport().carries_datagrams() {
        return datagram::load(name, at, target, problems);
    }
    let raw = at.get();
    let range = Duration::from_nanos(1)..=LONGEST_TIMEOUT;
    let timeout = span("timeout", raw.timeout.as_ref(), TIMEOUT, range, problems);
    transport::check_load(raw, target, problems);
    notice_short(raw.timeout.as_ref().filter(|_| target.transport().is_tcp()), problems);
    let whole = Duration::ZERO..=LONGEST_CELL;
    let start = span("start", raw.start.as_ref(), Span::default(), whole, problems);
    let kind = client::kind(raw, target.transport());
    client::check_keys(raw, kind, problems);
    let (client, schedule) = match kind {
        Kind::Hold => client::hold(at, start, target, files, problems),
        _ => {
            let client = client::client(at, kind, target, files, problems);
            let schedule = schedule::schedule(at, longest_attempt(&client, timeout), problems);
            (client, schedule)
        }
    };
    let lifecycle = lifecycle(raw, &client, problems);
    Load {
        name,
        schedule,
        start,
        timeout,
        lifecycle,
        when_full: raw.when_full.as_ref().map_or(WhenFull::Fail, |when| *when.get()),
        fast_open: raw.fast_open.as_ref().is_some_and(|written| *written.get()),
        close: close(raw, &client, lifecycle, problems),
        ports: raw.ports.as_ref().map(|ports| *ports.get()),
        workers: raw
            .workers
            .as_ref()
            .map(|_| number("workers", raw.workers.as_ref(), 1, 1..=256, problems)),
        vanish: raw.vanish.as_ref().and_then(|v| vanish(v, &client, target, lifecycle, problems)),
        engine: raw.engine.as_ref().map_or(EngineChoice::Auto, |engine| *engine.get()),
        client,
    }
}

/// The longest that an attempt can take, from its start to its end.
pub(in crate::scenario) fn longest_attempt(client: &Client, timeout: Span) -> Duration {
    let exchanges = client.exchange().map_or(Duration::ZERO, |exchange| {
        (timeout.get() + exchange.think.get()).saturating_mul(exchange.exchanges)
    });
    let rest = match client {
        Client::Connect { hold, .. } | Client::HalfOpen { hold } => hold.get(),
        Client::Request { .. } => Duration::ZERO,
        // The wait for the other side's FIN.
        Client::Churn { .. } => timeout.get(),
        // The echo of the last one.
        Client::Datagram { .. } => Duration::ZERO,
        Client::Hold { until, .. } => return timeout.get() + until.get(),
    };
    timeout.get().saturating_add(rest).saturating_add(exchanges)
}

/// When the last attempt of a load has ended at the latest, from the start of the schedule.
pub(in crate::scenario) fn latest_end(load: &Load) -> Duration {
    let longest = longest_attempt(&load.client, load.timeout);
    match &load.client {
        Client::Hold { .. } => longest,
        Client::Datagram { datagrams } if datagrams.reply == DatagramReply::None => {
            load.start.get().saturating_add(load.schedule.window().get())
        }
        _ => {
            let parts = [load.schedule.window().get(), longest];
            parts.into_iter().fold(load.start.get(), Duration::saturating_add)
        }
    }
}

fn notice_short(timeout: Option<&At<Span>>, problems: &mut Problems) {
    let Some(timeout) = timeout else { return };
    let what = match timeout.get().get().as_millis() {
        0..1100 => "every attempt whose first SYN is dropped counts as a failure",
        1100..3100 => "an attempt that needs a second SYN retry may count as a failure",
        _ => return,
    };
    problems.notice(
        timeout.span(),
        format!("with a timeout of {}, {what}", timeout.get()),
        "Linux sends SYN again after 1 s and 2 s (3 s before Linux 6.5): \"4s\" sees both",
    );
}

fn lifecycle(raw: &raw::Load, client: &Client, problems: &mut Problems) -> Lifecycle {
    let Some(written) = &raw.lifecycle else { return Lifecycle::Fresh };
    let waits =
        matches!(client, Client::Churn { .. } | Client::Hold { .. } | Client::HalfOpen { .. });
    if *written.get() == Lifecycle::Recycle && waits {
        problems.error(
            written.span(),
            format!("sockets of client \"{}\" are not used again", client.kind()),
            "remove `lifecycle`: each attempt has a socket of its own",
        );
        return Lifecycle::Fresh;
    }
    *written.get()
}

fn close(raw: &raw::Load, client: &Client, lifecycle: Lifecycle, problems: &mut Problems) -> Close {
    let Some(written) = &raw.close else {
        let reset = lifecycle == Lifecycle::Recycle || matches!(client, Client::Hold { .. });
        return if reset { Close::Rst } else { Close::Fin };
    };
    let (title, help) = match (client, lifecycle, *written.get()) {
        (Client::Churn { .. }, _, raw::CloseWord::Rst) => return Close::Rst,
        // What else is wrong with it is told where the client's kind is read.
        (Client::Churn { .. }, ..) => return Close::Fin,
        (_, Lifecycle::Recycle, raw::CloseWord::Fin) => (
            "a recycled socket is reset: it cannot close by FIN",
            "remove `close`, or write lifecycle = \"fresh\"",
        ),
        (.., raw::CloseWord::Rst) => return Close::Rst,
        (.., raw::CloseWord::Fin) => return Close::Fin,
        _ => (
            "only client \"churn\" closes in this way",
            "write close = \"fin\" or \"rst\", or client = \"churn\"",
        ),
    };
    problems.error(written.span(), title, help);
    Close::Rst
}

fn vanish(
    written: &At<raw::Vanish>,
    client: &Client,
    target: &Target,
    lifecycle: Lifecycle,
    problems: &mut Problems,
) -> Option<Vanish> {
    let raw = written.get();
    let after = raw.after.unwrap_or(After::Connect);
    let wrong = match (after, client, lifecycle) {
        (_, _, Lifecycle::Recycle) => Some((
            "a recycled socket cannot vanish",
            "remove `vanish`, or write lifecycle = \"fresh\"",
        )),
        (After::Request, client, _) if client.exchange().is_none() => Some((
            "this load makes no request after which a client could vanish",
            "write after = \"connect\", or give the load a `message`",
        )),
        _ => None,
    };
    if let Some((title, help)) = wrong {
        problems.error(written.span(), title, help);
    }
    if raw.how == Some(VanishHow::Silent)
        && !matches!(target, Target::Own { command: None, address: None, .. })
    {
        problems.error(
            written.span(),
            "clients fall silent only inside a lab, and this target is outside",
            "write how = \"rst\", or measure our own server",
        );
    }
    let Some(ratio) = raw.ratio else {
        if problems.lost("ratio") || problems.lost("vanish") {
            return None;
        }
        problems.error(
            written.span(),
            "it is not said how many clients vanish",
            "add their share, such as ratio = \"5%\"",
        );
        return None;
    };
    Some(Vanish { after, ratio, how: raw.how.unwrap_or(VanishHow::Rst) })
}
