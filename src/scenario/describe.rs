//! A plan as text for people, within 80 columns.

mod datagram;

use std::fmt::Write as _;

use super::cost::cost_of_cell;
use super::plan::{
    AcceptPace, After, Bound, Cell, Client, Close, Closing, DatagramReply, EngineChoice, Exchange,
    Lifecycle, Limit, Load, Plan, Reply, ReplyEnd, Restart, Serve, ServiceTime, Statistic, Subject,
    Succession, Target, TargetEngine, Transport, Vanish, VanishHow, WhenFull,
};
use crate::load::{Schedule, Shape};

/// Columns of a terminal.
const WIDTH: usize = 80;
/// So many cells are described whole; of more, only the first.
const MOST_WHOLE: usize = 3;

/// The resolved plan: every effective option, defaults included.
pub fn describe(plan: &Plan) -> String {
    let mut lines = Lines::default();
    lines.add("scenario", &plan.name);
    if !plan.description.is_empty() {
        lines.add("", &plan.description);
    }
    lines.add("seed", &format!("{}; timeline interval {}", plan.seed, plan.interval));
    for axis in &plan.sweep {
        lines.add("sweep", &format!("{}: {}", axis.path, axis.values.join(", ")));
    }
    for limit in &plan.limits {
        lines.add("limit", &limit.to_string());
    }
    let whole = if plan.cells.len() <= MOST_WHOLE { plan.cells.len() } else { 1 };
    for cell in plan.cells.iter().take(whole) {
        describe_cell(cell, &mut lines);
    }
    if let Some(rest @ 1..) = plan.cells.len().checked_sub(whole) {
        lines.add("", &format!("and {rest} more cells like it, with their values of the sweep"));
    }
    lines.text
}

fn describe_cell(cell: &Cell, lines: &mut Lines) {
    lines.add("cell", &cell.name);
    let lab = &cell.lab;
    let sources = lab.sources;
    lines.add(
        "  lab",
        &match cell.target.transport().is_ip() {
            true => format!("{}, {}, {sources} client address(es)", lab.link, lab.family),
            false => "one namespace for both sides".to_owned(),
        },
    );
    if lab.strangers > 0 {
        lines.add("", &format!("{} further address(es) for half-open clients", lab.strangers));
    }
    for (key, value) in &lab.sysctl {
        lines.add("", &format!("{key} = {value}"));
    }
    if let Some(impair) = &lab.impair {
        lines.add("", &datagram::impair_text(impair));
    }
    if let Some(capture) = lab.capture {
        lines.add("", &format!("packets recorded, at most {}", capture.size));
    }
    match &cell.target {
        Target::External { address, sample, .. } => {
            lines.add("  target", &format!("yours, at {address}; queue sampled every {sample}"));
        }
        Target::Own { command, address, serve } => {
            lines.add("  target", &serve_text(serve));
            lines.add_start(command.as_deref(), address.as_deref());
        }
        Target::Receiver { command, address, receive } => {
            lines.add("  target", &datagram::receive_text(receive));
            lines.add_start(command.as_deref(), address.as_deref());
        }
    }
    for load in &cell.loads {
        lines.add("  load", &load_text(load, cell.target.transport()));
    }
    let cost = cost_of_cell(cell);
    let attempts = cost.attempts.map_or("as many as get through".into(), |n| format!("about {n}"));
    lines.add(
        "  cost",
        &format!(
            "{attempts} attempts; at most {:.0} s, {} sockets at once, {} ports, {} MiB",
            cost.seconds.ceil(),
            cost.peak_sockets,
            cost.source_ports,
            cost.memory_bytes.div_ceil(1 << 20)
        ),
    );
}

fn serve_text(serve: &Serve) -> String {
    let over = if serve.transport.is_tcp() { "" } else { &format!(" over {}", serve.transport) };
    let mut text = format!("ours: listen({}){over}, ", serve.backlog);
    if serve.listeners > 1 {
        text.push_str(&format!("{} listeners (SO_REUSEPORT) with ", serve.listeners));
    }
    text.push_str(&format!("{} acceptor(s), accept ", serve.acceptors));
    match serve.accept {
        AcceptPace::Asap => text.push_str("as soon as possible"),
        AcceptPace::Rate(rate) => text.push_str(&format!("at most {rate}")),
        AcceptPace::Never => text.push_str("never"),
    }
    for window in &serve.stalls {
        text.push_str(&format!(", stalled from {} to {}", window.from, window.to));
    }
    text.push_str(&match serve.service {
        ServiceTime::Constant { time } => format!("; service {time}"),
        ServiceTime::Uniform { min, max } => format!("; service uniform {min} to {max}"),
        ServiceTime::Exponential { mean } => format!("; service exponential, mean {mean}"),
        ServiceTime::LogNormal { median, sigma } => {
            format!("; service log-normal, median {median}, sigma {sigma}")
        }
    });
    if serve.serial {
        text.push_str(", one client at a time");
    }
    match serve.reply {
        Reply::None => text.push_str("; no reply"),
        Reply::Echo => text.push_str("; echo"),
        Reply::Bytes(size) => text.push_str(&format!("; reply of {size}")),
    }
    text.push_str(match serve.close {
        super::plan::Closer::Client => "; the client closes",
        super::plan::Closer::Server => "; the target closes",
    });
    if !serve.close_delay.is_zero() {
        text.push_str(&format!(", its own close {} later", serve.close_delay));
    }
    text.push_str(&listener_text(serve));
    text.push_str(&format!("; queue sampled every {}", serve.sample));
    text
}

fn listener_text(serve: &Serve) -> String {
    let mut text = String::new();
    text.push_str(match serve.engine {
        TargetEngine::Auto => "",
        TargetEngine::Epoll => "; kept by epoll",
        TargetEngine::IoUring => "; kept in io_uring",
        TargetEngine::Threads => "; kept by threads with descriptors of their own",
    });
    if let Some(time) = serve.defer_accept {
        text.push_str(&format!("; accept deferred up to {time} until data comes"));
    }
    if let Some(queue) = serve.fast_open {
        text.push_str(&format!("; TCP Fast Open, queue {queue}"));
    }
    if !serve.reuse_address {
        text.push_str("; no SO_REUSEADDR");
    }
    match serve.restart {
        Some(Restart { at, succession: Succession::Gap(gap) }) => {
            text.push_str(&format!("; restart at {at}, nobody listens for {gap}"));
        }
        Some(Restart { at, succession: Succession::HandOver }) => {
            text.push_str(&format!("; restart at {at} with hand-over"));
        }
        None => {}
    }
    text
}

fn load_text(load: &Load, transport: Transport) -> String {
    let mut text = format!("{}: {}", load.name, client_text(&load.client));
    text.push_str(&format!("; {}", schedule_text(&load.schedule)));
    if !load.start.is_zero() {
        text.push_str(&format!(", from {} on", load.start));
    }
    match &load.client {
        Client::HalfOpen { .. } => return text,
        Client::Datagram { datagrams } => {
            if datagrams.reply == DatagramReply::Echo {
                text.push_str(&format!("; timeout {}", load.timeout));
            }
            return text + &places_text(load);
        }
        _ => {}
    }
    text.push_str(&format!("; timeout {}", load.timeout));
    text.push_str(match load.lifecycle {
        Lifecycle::Fresh => "; fresh sockets",
        Lifecycle::Recycle => "; recycled sockets",
    });
    text.push_str(match (&load.client, load.close) {
        (Client::Churn { closing: Closing::FinClient, .. }, _) => ", FIN of the client first",
        (Client::Churn { closing: Closing::FinServer, .. }, _) => ", FIN of the target first",
        (Client::Churn { closing: Closing::HalfClose, .. }, _) => ", FIN behind the message",
        (_, Close::Fin) if transport.is_tcp() => ", closed by FIN",
        (_, Close::Fin) => ", closed",
        (_, Close::Rst) => ", closed by RST",
    });
    if load.when_full == WhenFull::Wait {
        text.push_str("; waits while the queue is full");
    }
    if load.fast_open {
        text.push_str("; TCP Fast Open");
    }
    if let Some(Vanish { after, ratio, how }) = load.vanish {
        let after = match after {
            After::Connect => "when connected",
            After::Request => "after the first message",
        };
        let how = match how {
            VanishHow::Rst => "by RST",
            VanishHow::Silent => "without a word",
        };
        text.push_str(&format!("; {ratio} leave {how} {after}"));
    }
    match load.engine {
        EngineChoice::Auto => {}
        EngineChoice::Mio => text.push_str("; engine mio"),
        EngineChoice::IoUring => text.push_str("; engine io_uring"),
        EngineChoice::Processes => text.push_str("; engine processes"),
    }
    text + &places_text(load)
}

/// Where a load's sockets are, and who drives them.
fn places_text(load: &Load) -> String {
    let ports = load.ports.map(|ports| format!("; local ports {ports}"));
    let workers = load.workers.map(|workers| format!("; {workers} worker(s)"));
    ports.unwrap_or_default() + &workers.unwrap_or_default()
}

fn client_text(client: &Client) -> String {
    let what = match client {
        Client::Connect { hold, .. } => format!("connect, hold {hold}"),
        Client::Request { exchange, .. } => format!("request, {}", exchange_text(exchange)),
        Client::Churn { exchange: None, .. } => "churn".to_owned(),
        Client::Churn { exchange: Some(exchange), .. } => {
            format!("churn, {}", exchange_text(exchange))
        }
        Client::Hold { until, exchange } => {
            let talk = exchange.as_ref().map(|exchange| {
                let Exchange { message, think, .. } = exchange;
                format!(", {} bytes and a reply every {think}", message.len())
            });
            format!("hold until {until}{}", talk.unwrap_or_default())
        }
        Client::HalfOpen { hold } => format!("half-open, kept {hold}"),
        Client::Datagram { datagrams } => datagram::datagrams_text(datagrams),
    };
    if client.greets() { what + ", greets" } else { what }
}

fn exchange_text(exchange: &Exchange) -> String {
    let Exchange { message, reply, exchanges, think } = exchange;
    let end = match reply {
        ReplyEnd::Length(bytes) => format!("{bytes} bytes"),
        ReplyEnd::Delimiter(bytes) => format!("until \"{}\"", bytes.escape_ascii()),
        ReplyEnd::Close => "until close".to_owned(),
    };
    format!("{exchanges} x {} bytes, reply {end}, think {think}", message.len())
}

fn schedule_text(schedule: &Schedule) -> String {
    let (mut text, window, attempts) = match schedule {
        Schedule::Open { shape, window, attempts } => (shape_text(shape), window, attempts),
        Schedule::Closed { clients, think, window, attempts } => {
            (format!("closed, {clients} clients, pause {think}"), window, attempts)
        }
    };
    text.push_str(&format!(" for {window}"));
    if let Some(attempts) = attempts {
        text.push_str(&format!(", at most {attempts} attempts"));
    }
    text
}

fn shape_text(shape: &Shape) -> String {
    match shape {
        Shape::Constant { rate } => format!("constant {rate}"),
        Shape::Poisson { rate } => format!("poisson {rate}"),
        Shape::Ramp { from, to } => format!("ramp {from} to {to}"),
        Shape::Step { stages } => {
            let stages: Vec<_> =
                stages.iter().map(|stage| format!("{} for {}", stage.rate, stage.span)).collect();
            format!("step {}, in all", stages.join(", "))
        }
        Shape::Burst { size, every } => format!("burst of {size} every {every}"),
    }
}

/// As it would be written: `connect.p99 <= 5ms`.
impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} {} {}", self.subject, self.comparison, self.bound)
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let of = |load: &Option<String>| match load {
            Some(load) => format!("load.{load}."),
            None => String::new(),
        };
        match self {
            Self::Metric { load, metric, statistic } => {
                write!(f, "{}{metric}.{statistic}", of(load))
            }
            Self::Outcome { load, outcome } => write!(f, "{}outcomes.{outcome}", of(load)),
            Self::Class { load, class } => write!(f, "{}classes.{class}", of(load)),
            Self::Counter(name) => write!(f, "counters.{name}"),
            Self::Loss(None) => f.write_str("loss"),
            Self::Loss(Some(cause)) => write!(f, "loss.{cause}"),
            Self::Throughput { load } => write!(f, "{}throughput", of(load)),
            Self::CpuPerAttempt => f.write_str("cpu_per_attempt"),
        }
    }
}

impl std::fmt::Display for Statistic {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Count => f.write_str("count"),
            Self::Min => f.write_str("min"),
            Self::Mean => f.write_str("mean"),
            Self::Stdev => f.write_str("stdev"),
            Self::Max => f.write_str("max"),
            Self::Percentile(p) => write!(f, "p{p}"),
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Time(span) => span.fmt(f),
            Self::Count(count) => write!(f, "{count}"),
            Self::Share(share) => write!(f, "{}%", share * 100.0),
            Self::Rate(per_second) => write!(f, "{per_second}/s"),
        }
    }
}

/// Lines with a label on the left, folded at [`WIDTH`].
#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    /// How a target is started that is not simply ours.
    fn add_start(&mut self, command: Option<&[String]>, address: Option<&str>) {
        if let (Some(command), Some(address)) = (command, address) {
            self.add("", &format!("started by `{}`, at {address}", command.join(" ")));
        }
    }

    fn add(&mut self, label: &str, text: &str) {
        const INDENT: usize = 10;
        let mut line = format!("{label:<INDENT$}");
        let mut empty = true;
        for word in text.split_whitespace() {
            if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
                let _ = writeln!(self.text, "{line}");
                line = " ".repeat(INDENT);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.extend(word.chars().filter(|c| !c.is_control()));
            empty = false;
        }
        let _ = writeln!(self.text, "{line}");
    }
}
