//! `[limits]`.

use crate::measure::result::{Cause, Class};
use crate::measure::{Ending, Metric, Outcome, Unit};
use crate::scenario::at::At;
use crate::scenario::diagnostic::{Problems, nearest, suggest};
use crate::scenario::plan::{
    Bound, Cell, Client, Closer, Comparison, DatagramReply, Limit, Statistic, Subject, Target,
};
use crate::scenario::raw;
use crate::units::Rate;

/// At most this many limits.
const MOST: usize = 200;
/// Statistics by name; percentiles are beside them.
const STATISTICS: [&str; 10] =
    ["count", "min", "mean", "stdev", "max", "p50", "p90", "p99", "p999", "p9999"];
/// Counters that scenarios commonly judge: a name close to one of them is probably meant to be it.
const COUNTERS: [&str; 12] = [
    "ListenOverflows",
    "ListenDrops",
    "SyncookiesSent",
    "SyncookiesRecv",
    "SyncookiesFailed",
    "TCPReqQFullDrop",
    "TCPReqQFullDoCookies",
    "TCPTimeouts",
    "TCPSynRetrans",
    "RetransSegs",
    "RcvbufErrors",
    "NoPorts",
];

/// The limits, in the order written.
pub(in crate::scenario) fn limits(
    raw: Option<&raw::Limits>,
    cells: &[Cell],
    problems: &mut Problems,
) -> Vec<Limit> {
    let entries = raw.map_or(&[][..], |map| map.0.0.as_slice());
    if let Some((key, _)) = entries.get(MOST) {
        problems.error(key.span(), "too many limits", format!("at most {MOST}"));
    }
    entries
        .iter()
        .take(MOST)
        .filter_map(|(key, value)| {
            let subject = subject(key, cells, problems);
            let condition = condition(value, problems);
            let (subject, (comparison, bound)) = (subject?, condition?);
            check_pair(&subject, bound, value, problems);
            Some(Limit { subject, comparison, bound })
        })
        .collect()
}

/// What a limit judges, or a comparison of runs.
pub(in crate::scenario) fn subject(
    key: &At<String>,
    cells: &[Cell],
    problems: &mut Problems,
) -> Option<Subject> {
    let path = key.get().as_str();
    if let Some(name) = path.strip_prefix("counters.") {
        return counter(key, name, problems);
    }
    if path == "loss" || path.starts_with("loss.") {
        return loss(key, path.strip_prefix("loss."), cells, problems);
    }
    let (load, rest) = match path.strip_prefix("load.") {
        None => (None, path),
        Some(rest) => {
            let (load, rest) = named_load(key, rest, cells, problems)?;
            (Some(load), rest)
        }
    };
    match rest.split_once('.') {
        Some(("outcomes", outcome)) => check_outcome(key, outcome, problems)
            .then(|| Subject::Outcome { load, outcome: outcome.to_owned() }),
        Some(("classes", class)) => check_class(key, class, problems)
            .then(|| Subject::Class { load, class: class.to_owned() }),
        Some((metric, statistic)) => {
            let found = metric_of(key, metric, load.as_deref(), cells, problems);
            let statistic = statistic_of(key, statistic, problems);
            Some(Subject::Metric { load, metric: found?.name().to_owned(), statistic: statistic? })
        }
        None => of_one_word(key, rest, load, problems),
    }
}

/// A subject without a statistic or a class.
fn of_one_word(
    key: &At<String>,
    word: &str,
    load: Option<String>,
    problems: &mut Problems,
) -> Option<Subject> {
    const WORDS: [&str; 3] = ["throughput", "cpu_per_attempt", "loss"];
    match word {
        "throughput" => return Some(Subject::Throughput { load }),
        "cpu_per_attempt" if load.is_none() => return Some(Subject::CpuPerAttempt),
        "cpu_per_attempt" => problems.error(
            key.span(),
            "`cpu_per_attempt` is measured of the generator, over all loads",
            "write `cpu_per_attempt`, without a load",
        ),
        _ => {
            let mut known: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
            known.extend(WORDS);
            let meant = match nearest(word, known) {
                Some(close) if WORDS.contains(&close) => format!("did you mean `{close}`? "),
                Some(metric) => format!("did you mean `{metric}.p99`? "),
                None => String::new(),
            };
            problems.error(
                key.span(),
                format!("`{}` is not something that can be judged", key.get()),
                format!(
                    "{meant}Write a metric and its statistic (connect.p99), outcomes.timeout, \
                     outcomes.failed, classes.accept_queue_full, loss, loss.receive_buffer, \
                     counters.ListenOverflows, throughput, cpu_per_attempt; a metric, an outcome, \
                     a class or throughput also after load.NAME."
                ),
            );
        }
    }
    None
}

fn counter(key: &At<String>, name: &str, problems: &mut Problems) -> Option<Subject> {
    let sound = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !sound {
        let help = "write it as the kernel spells it, such as counters.ListenOverflows";
        problems.error(key.span(), format!("`{name}` is not the name of a kernel counter"), help);
        return None;
    }
    // Kernels differ in their counters, so that an unknown one is no error.
    if !COUNTERS.contains(&name)
        && let Some(close) = nearest(name, COUNTERS)
        && strsim::normalized_damerau_levenshtein(&name.to_lowercase(), &close.to_lowercase()) > 0.8
    {
        let help = format!("did you mean `counters.{close}`? Kernel names are kept as they are");
        problems.notice(key.span(), format!("`{name}` may be no counter of this kernel"), help);
    }
    Some(Subject::Counter(name.to_owned()))
}

/// Datagrams that were lost, in all or by one cause.
fn loss(
    key: &At<String>,
    cause: Option<&str>,
    cells: &[Cell],
    problems: &mut Problems,
) -> Option<Subject> {
    let names: Vec<&str> = Cause::ALL.iter().map(|cause| cause.name()).collect();
    if let Some(unknown) = cause.filter(|cause| !names.contains(cause)) {
        let help = suggest(unknown, &names).0;
        problems.error(key.span(), format!("nothing loses datagrams as `{unknown}`"), help);
        return None;
    }
    if !cells.is_empty() && !cells.iter().any(|cell| cell.target.transport().carries_datagrams()) {
        problems.error(
            key.span(),
            "nothing here sends datagrams that could be lost",
            "write transport = \"udp\" or \"unix-dgram\" under [target]",
        );
    }
    Some(Subject::Loss(cause.map(str::to_owned)))
}

/// The load whose name `rest` begins with, and what follows it.
fn named_load<'k>(
    key: &At<String>,
    rest: &'k str,
    cells: &[Cell],
    problems: &mut Problems,
) -> Option<(String, &'k str)> {
    let names: Vec<&str> =
        cells.iter().flat_map(|cell| &cell.loads).map(|load| load.name.as_str()).collect();
    let found = names
        .iter()
        .filter_map(|name| Some((*name, rest.strip_prefix(name)?.strip_prefix('.')?)))
        .max_by_key(|(name, _)| name.len());
    if found.is_none() && !problems.lost("name") && !names.is_empty() {
        let word = rest.split('.').next().unwrap_or_default();
        let mut distinct = names.clone();
        distinct.sort_unstable();
        distinct.dedup();
        problems.error(
            key.span(),
            format!("no load has the name `{word}`"),
            suggest(word, &distinct).0,
        );
    }
    found.map(|(name, rest)| (name.to_owned(), rest))
}

fn check_outcome(key: &At<String>, outcome: &str, problems: &mut Problems) -> bool {
    let mut names: Vec<&str> = Outcome::ALL.iter().map(|class| class.name()).collect();
    names.extend(
        Ending::ALL
            .iter()
            .map(|class| class.name())
            .filter(|name| matches!(*name, "done" | "closed" | "vanished")),
    );
    names.push(Subject::FAILED);
    let known = names.contains(&outcome);
    if !known {
        let help = suggest(outcome, &names).0;
        problems.error(key.span(), format!("there is no outcome `{outcome}`"), help);
    }
    known
}

fn check_class(key: &At<String>, class: &str, problems: &mut Problems) -> bool {
    let names = Class::ALL.map(Class::name);
    let known = names.contains(&class);
    if !known {
        let help = suggest(class, &names).0;
        problems.error(key.span(), format!("there is no class `{class}`"), help);
    }
    known
}

fn metric_of(
    key: &At<String>,
    name: &str,
    load: Option<&str>,
    cells: &[Cell],
    problems: &mut Problems,
) -> Option<Metric> {
    let Some(metric) = Metric::from_name(name) else {
        let mut names: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        names.extend(["outcomes", "classes", "counters"]);
        let help = suggest(name, &names).0;
        problems.error(key.span(), format!("there is no metric `{name}`"), help);
        return None;
    };
    let at_target = matches!(metric, Metric::QueueWait | Metric::Service) || of_receiver(metric);
    if (at_target || metric == Metric::WireRtt) && load.is_some() {
        let by = if at_target { "by the target" } else { "on the wire" };
        problems.error(
            key.span(),
            format!("`{metric}` is measured {by}, over all loads"),
            format!("write `{metric}.p99`, without a load"),
        );
    } else if !cells.is_empty() && !cells.iter().any(|cell| measures(cell, metric, load)) {
        let help = match metric {
            Metric::QueueWait => "our own target measures it where a load has greet = true",
            Metric::Service => "only our own target measures it",
            Metric::WireRtt => "it is measured in a lab with capture = true, of TCP only",
            Metric::KernelRtt | Metric::ObserverError => "the kernel tells it of TCP only",
            Metric::Rtt | Metric::RttService => {
                "it is measured where a load of datagrams has reply = \"echo\""
            }
            metric if of_receiver(metric) => {
                "our own target measures it with transport = \"udp\" or \"unix-dgram\""
            }
            Metric::Close => {
                "a load with client = \"churn\" measures it, or our own target with close = \"server\""
            }
            _ => "it is measured where a load has client = \"request\"",
        };
        problems.error(key.span(), format!("nothing here measures `{metric}`"), help);
    }
    Some(metric)
}

/// Whether the metric exists in the cell at all.
fn measures(cell: &Cell, metric: Metric, load: Option<&str>) -> bool {
    let own = matches!(cell.target, Target::Own { .. });
    let mut loads = cell.loads.iter().filter(|l| load.is_none_or(|name| l.name == name));
    match metric {
        Metric::Service => own,
        Metric::KernelRtt => cell.target.transport().is_tcp(),
        Metric::WireRtt => cell.lab.capture.is_some() && cell.target.transport().is_tcp(),
        Metric::ObserverError => {
            let transport = cell.target.transport();
            transport.is_tcp() || transport.carries_datagrams()
        }
        Metric::Lag => loads.any(|load| !matches!(load.client, Client::HalfOpen { .. })),
        Metric::Rtt | Metric::RttService => loads.any(|load| match &load.client {
            Client::Datagram { datagrams } => datagrams.reply == DatagramReply::Echo,
            _ => false,
        }),
        metric if of_receiver(metric) => matches!(cell.target, Target::Receiver { .. }),
        Metric::QueueWait => own && loads.any(|load| load.client.greets()),
        Metric::Request | Metric::RequestService => {
            loads.any(|load| load.client.exchange().is_some())
        }
        Metric::Close => {
            closes_first(&cell.target) || loads.any(|l| matches!(l.client, Client::Churn { .. }))
        }
        _ => loads
            .any(|load| !matches!(load.client, Client::HalfOpen { .. } | Client::Datagram { .. })),
    }
}

/// Whether a target of datagrams measures it.
fn of_receiver(metric: Metric) -> bool {
    Metric::OF_RECEIVERS.contains(&metric)
}

fn closes_first(target: &Target) -> bool {
    matches!(target, Target::Own { serve, .. } if serve.close == Closer::Server)
}

fn statistic_of(key: &At<String>, name: &str, problems: &mut Problems) -> Option<Statistic> {
    let found = match name {
        "count" => Some(Statistic::Count),
        "min" => Some(Statistic::Min),
        "mean" => Some(Statistic::Mean),
        "stdev" => Some(Statistic::Stdev),
        "max" => Some(Statistic::Max),
        _ => name.strip_prefix('p').and_then(percentile).map(Statistic::Percentile),
    };
    if found.is_none() {
        let help = format!("{}; any percentile such as `p99.5`", suggest(name, &STATISTICS).0);
        problems.error(key.span(), format!("there is no statistic `{name}`"), help);
    }
    found
}

/// `99`, `99.9`, and `999` for 99.9 as in `summary.csv`.
fn percentile(digits: &str) -> Option<f64> {
    let plain = digits.chars().all(|c| c.is_ascii_digit() || c == '.') && digits.len() <= 12;
    let value: f64 = match digits {
        "100" => 100.0,
        _ if plain && digits.starts_with("99") && digits.len() > 2 && !digits.contains('.') => {
            format!("{}.{}", &digits[..2], &digits[2..]).parse().ok()?
        }
        _ if plain => digits.parse().ok()?,
        _ => return None,
    };
    (value > 0.0 && value <= 100.0).then_some(value)
}

const EXAMPLE: &str = "write a comparison and a bound, such as \"<= 5ms\", \"== 0\" or \"<= 0.1%\"";

fn condition(value: &At<String>, problems: &mut Problems) -> Option<(Comparison, Bound)> {
    const COMPARISONS: [(&str, Comparison); 6] = [
        ("<=", Comparison::AtMost),
        (">=", Comparison::AtLeast),
        ("==", Comparison::Equal),
        ("!=", Comparison::Unequal),
        ("<", Comparison::Below),
        (">", Comparison::Above),
    ];
    let text = value.get().trim();
    let found = COMPARISONS
        .iter()
        .find_map(|(sign, comparison)| Some((text.strip_prefix(sign)?, *comparison)));
    let Some((rest, comparison)) = found else {
        problems.error(value.span(), format!("\"{text}\" compares with nothing"), EXAMPLE);
        return None;
    };
    let bound = bound(rest.trim());
    if bound.is_none() {
        let help = EXAMPLE;
        problems.error(value.span(), format!("\"{}\" is not a bound", rest.trim()), help);
    }
    bound.map(|bound| (comparison, bound))
}

fn bound(text: &str) -> Option<Bound> {
    let number = |text: &str| {
        text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)
    };
    if let Some(percent) = text.strip_suffix('%') {
        return number(percent).filter(|n| *n <= 100.0).map(|n| Bound::Share(n / 100.0));
    }
    if text.contains('/') {
        return text.parse().ok().map(|rate: Rate| Bound::Rate(rate.per_second()));
    }
    match number(text) {
        Some(count) => Some(Bound::Count(count)),
        None => text.parse().ok().map(Bound::Time),
    }
}

/// Times are compared with times, counts with counts, and outcomes also with a share.
fn check_pair(subject: &Subject, bound: Bound, value: &At<String>, problems: &mut Problems) {
    let counts = |subject: &Subject| match subject {
        Subject::Metric { metric, .. } => {
            Metric::from_name(metric).is_some_and(|metric| metric.unit() == Unit::Datagrams)
        }
        _ => false,
    };
    let (title, help) = match (subject, bound) {
        (subject, Bound::Count(_)) if counts(subject) => return,
        (subject, _) if counts(subject) => {
            ("a number of datagrams is compared with a number", "write one, such as \"<= 3\"")
        }
        (Subject::Metric { statistic: Statistic::Count, .. }, Bound::Count(_))
        | (Subject::Counter(_), Bound::Count(_))
        | (
            Subject::Outcome { .. } | Subject::Class { .. } | Subject::Loss(_),
            Bound::Count(_) | Bound::Share(_),
        ) => return,
        (Subject::Metric { statistic: Statistic::Count, .. } | Subject::Counter(_), _) => {
            ("a number of events is compared with a number", "write one, such as \"== 0\"")
        }
        (Subject::Outcome { .. } | Subject::Class { .. }, _) => (
            "a number of attempts is not compared with a time or a rate",
            "write a number or a share of the attempts, such as \"== 0\" or \"<= 0.1%\"",
        ),
        (Subject::Loss(_), _) => (
            "a number of datagrams is not compared with a time or a rate",
            "write a number or a share of the datagrams, such as \"== 0\" or \"<= 0.1%\"",
        ),
        (Subject::Metric { .. } | Subject::CpuPerAttempt, Bound::Time(_))
        | (Subject::Throughput { .. }, Bound::Rate(_)) => return,
        (Subject::Throughput { .. }, _) => (
            "a throughput is compared with a rate",
            "write attempts a second, such as \">= 2000/s\"",
        ),
        (Subject::CpuPerAttempt, _) => {
            ("a CPU time is compared with a time", "write it with its unit, such as \"<= 20us\"")
        }
        (Subject::Metric { .. }, _) => {
            ("a latency is compared with a time", "write it with its unit, such as \"<= 5ms\"")
        }
    };
    problems.error(value.span(), title, help);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_read_as_reports_spell_them() {
        for (text, expected) in [
            ("50", Some(50.0)),
            ("99.9", Some(99.9)),
            ("999", Some(99.9)),
            ("9999", Some(99.99)),
            ("100", Some(100.0)),
            ("5", Some(5.0)),
            ("0", None),
            ("", None),
            ("-1", None),
            ("1e9", None),
            ("101.5", None),
            ("101", None),
            (".", None),
        ] {
            assert_eq!(percentile(text), expected, "{text}");
        }
    }

    #[test]
    fn each_subject_has_bounds_of_its_own_kind() {
        let at = |text: &str| At::new(0..text.len(), text.to_owned());
        for (subject, condition, sound) in [
            ("throughput", ">= 2000/s", true),
            ("throughput", ">= 2000", false),
            ("throughput", ">= 2ms", false),
            ("cpu_per_attempt", "<= 20us", true),
            ("cpu_per_attempt", "<= 20/s", false),
            ("outcomes.failed", "<= 1%", true),
            ("outcomes.failed", "<= 1/s", false),
            ("connect.p99", "<= 1/s", false),
            ("loss", "<= 1/s", false),
        ] {
            let mut problems = Problems::default();
            let read = super::subject(&at(subject), &[], &mut problems).expect(subject);
            let (_, bound) = super::condition(&at(condition), &mut problems).expect(condition);
            check_pair(&read, bound, &at(condition), &mut problems);
            assert_eq!(!problems.any_error(), sound, "{subject} {condition}");
            assert_eq!(read.to_string(), subject);
        }
    }

    #[test]
    fn bounds_keep_their_unit() {
        assert_eq!(bound("5ms"), Some(Bound::Time(crate::units::Span::from_millis(5))));
        assert_eq!(bound("0"), Some(Bound::Count(0.0)));
        assert_eq!(bound("0.1%"), Some(Bound::Share(0.001)));
        assert_eq!(bound("120/min"), Some(Bound::Rate(2.0)));
        for wrong in ["", "%", "101%", "-1", "inf", "nan", "5 parsecs", "5/", "0/0"] {
            assert_eq!(bound(wrong), None, "{wrong}");
        }
    }
}
