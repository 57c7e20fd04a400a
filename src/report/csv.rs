//! The tables of a run's folder; `reports/README.md` explains their columns to users.
//!
//! Latencies are microseconds with three decimals, which is exact for whole nanoseconds. A field
//! is empty where nothing was measured, never 0.

use crate::measure::result::{CellResult, LoadInterval, RunResult, SocketStates, TargetInterval};
use crate::measure::{Ending, Outcome, TargetEnding, TargetOutcome};

/// Renders one table.
pub type Table = fn(&RunResult) -> Vec<u8>;

/// Every table with the name of its file.
pub const TABLES: [(&str, Table); 5] = [
    ("summary.csv", summary),
    ("outcomes.csv", outcomes),
    ("counters.csv", counters),
    ("timeline.csv", timeline),
    ("queues.csv", queues),
];

/// The load's name in rows that concern the target, which serves all loads.
const ALL_LOADS: &str = "all";

const TIMELINE: [&str; 34] = [
    "cell",
    "load",
    "t_s",
    "attempts",
    "ok",
    "ok_retried",
    "errors",
    "in_flight",
    "connect_p50",
    "connect_p99",
    "connect_max",
    "accept_queue",
    "accept_limit",
    "syn_recv",
    "listen_overflows",
    "listen_drops",
    "syncookies_sent",
    "accept_queue_mean",
    "accepted",
    "req_q_full_drop",
    "lag_p99",
    "replies",
    "target_fin_wait2",
    "target_close_wait",
    "target_last_ack",
    "target_time_wait",
    "client_syn_sent",
    "client_fin_wait2",
    "client_close_wait",
    "client_last_ack",
    "client_time_wait",
    "req_q_full_do_cookies",
    "syncookies_recv",
    "syncookies_failed",
];

/// Rows of text fields into bytes.
fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header).expect("memory takes every row");
    for row in rows {
        writer.write_record(&row).expect("rows have the header's length");
    }
    writer.into_inner().expect("memory takes every row")
}

/// Whole nanoseconds as exact microseconds.
fn micros(nanos: u64) -> String {
    format!("{}.{:03}", nanos / 1000, nanos % 1000)
}

/// Text of a value, empty where there is none.
fn maybe(value: Option<impl ToString>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

/// `summary.csv`: one row a metric of a load of a cell.
pub fn summary(result: &RunResult) -> Vec<u8> {
    let header = [
        "cell", "load", "metric", "unit", "count", "min", "mean", "stdev", "p50", "p90", "p99",
        "p999", "p9999", "max",
    ];
    let rows = result.cells.iter().flat_map(|cell| {
        cell.metrics.iter().map(|m| {
            let s = &m.summary;
            [
                cell.name.clone(),
                m.load.clone(),
                m.metric.to_string(),
                "us".to_owned(),
                s.count.to_string(),
                micros(s.min),
                format!("{:.3}", s.mean / 1e3),
                format!("{:.3}", s.stdev / 1e3),
                micros(s.p50),
                micros(s.p90),
                micros(s.p99),
                micros(s.p999),
                micros(s.p9999),
                micros(s.max),
            ]
        })
    });
    table(header, rows)
}

/// `outcomes.csv`: both ledgers; every class is a row. A count is empty where the target's side
/// cannot be seen.
pub fn outcomes(result: &RunResult) -> Vec<u8> {
    table(["cell", "load", "side", "outcome", "count"], result.cells.iter().flat_map(cell_outcomes))
}

fn cell_outcomes(cell: &CellResult) -> Vec<[String; 5]> {
    let row = |load: &str, side: &str, class: &str, count: String| {
        [cell.name.clone(), load.to_owned(), side.to_owned(), class.to_owned(), count]
    };
    let mut rows = Vec::new();
    for load in &cell.loads {
        rows.extend(Outcome::ALL.iter().map(|class| {
            let count = load.outcomes.get(class).copied().unwrap_or(0);
            row(&load.name, "client", class.name(), count.to_string())
        }));
        rows.extend(Ending::ALL.iter().map(|class| {
            let count = load.endings.get(class).copied().unwrap_or(0);
            row(&load.name, "session", class.name(), count.to_string())
        }));
    }
    rows.extend(
        TargetOutcome::ALL.iter().map(|class| {
            row(ALL_LOADS, "target", class.name(), maybe(cell.ledger.target.get(class)))
        }),
    );
    rows.extend(TargetEnding::ALL.iter().map(|class| {
        let count = maybe(cell.ledger.target_endings.get(class));
        row(ALL_LOADS, "target_session", class.name(), count)
    }));
    rows
}

/// `counters.csv`: kernel counters that were read before and after each cell.
pub fn counters(result: &RunResult) -> Vec<u8> {
    let rows = result.cells.iter().flat_map(|cell| {
        cell.counters.iter().map(|c| {
            let delta = i128::from(c.after) - i128::from(c.before);
            [
                cell.name.clone(),
                c.namespace.clone(),
                c.counter.clone(),
                c.before.to_string(),
                c.after.to_string(),
                delta.to_string(),
            ]
        })
    });
    table(["cell", "namespace", "counter", "before", "after", "delta"], rows)
}

/// `timeline.csv`: one row an interval and load; the target's columns repeat for each load.
pub fn timeline(result: &RunResult) -> Vec<u8> {
    table(TIMELINE, result.cells.iter().flat_map(cell_timeline))
}

fn cell_timeline(cell: &CellResult) -> impl Iterator<Item = [String; TIMELINE.len()]> {
    let timeline = &cell.timeline;
    let longest = timeline.loads.iter().map(|l| l.intervals.len()).max().unwrap_or(0);
    (0..longest.max(timeline.target.len())).flat_map(move |index| {
        let target = timeline.target.get(index).copied().unwrap_or_default();
        let states = timeline.client_states.get(index).copied().flatten();
        // A load that has ended before the others attempts nothing more.
        timeline.loads.iter().map(move |series| {
            let interval = series.intervals.get(index).copied().unwrap_or_default();
            let start = index as f64 * timeline.interval_s;
            timeline_row((&cell.name, &series.load, start), &interval, &target, states.as_ref())
        })
    })
}

fn timeline_row(
    (cell, load, start): (&str, &str, f64),
    client: &LoadInterval,
    target: &TargetInterval,
    clients: Option<&SocketStates>,
) -> [String; TIMELINE.len()] {
    let latency = |nanos: u64| if nanos == 0 { String::new() } else { micros(nanos) };
    let targets = target.states.as_ref();
    [
        cell.to_owned(),
        load.to_owned(),
        format!("{start:.3}"),
        client.attempts.to_string(),
        client.ok.to_string(),
        client.ok_retried.to_string(),
        client.errors.to_string(),
        client.in_flight.to_string(),
        latency(client.connect_p50),
        latency(client.connect_p99),
        latency(client.connect_max),
        maybe(target.accept_queue),
        maybe(target.accept_limit),
        maybe(target.syn_recv),
        maybe(target.listen_overflows),
        maybe(target.listen_drops),
        maybe(target.syncookies_sent),
        maybe(target.accept_queue_mean.map(|mean| format!("{mean:.3}"))),
        maybe(target.accepted),
        maybe(target.req_q_full_drop),
        latency(client.lag_p99),
        client.replies.to_string(),
        maybe(targets.map(|states| states.fin_wait2)),
        maybe(targets.map(|states| states.close_wait)),
        maybe(targets.map(|states| states.last_ack)),
        maybe(targets.map(|states| states.time_wait)),
        maybe(clients.map(|states| states.syn_sent)),
        maybe(clients.map(|states| states.fin_wait2)),
        maybe(clients.map(|states| states.close_wait)),
        maybe(clients.map(|states| states.last_ack)),
        maybe(clients.map(|states| states.time_wait)),
        maybe(target.req_q_full_do_cookies),
        maybe(target.syncookies_recv),
        maybe(target.syncookies_failed),
    ]
}

/// `queues.csv`: one row an interval and listener.
pub fn queues(result: &RunResult) -> Vec<u8> {
    let header = [
        "cell",
        "listener",
        "t_s",
        "accept_queue",
        "accept_queue_mean",
        "accept_limit",
        "accepted",
    ];
    table(header, result.cells.iter().flat_map(cell_queues))
}

fn cell_queues(cell: &CellResult) -> impl Iterator<Item = [String; 7]> {
    let timeline = &cell.timeline;
    timeline.queues.iter().enumerate().flat_map(move |(listener, intervals)| {
        intervals.iter().enumerate().map(move |(index, seen)| {
            [
                cell.name.clone(),
                listener.to_string(),
                format!("{:.3}", index as f64 * timeline.interval_s),
                maybe(seen.accept_queue),
                maybe(seen.accept_queue_mean.map(|mean| format!("{mean:.3}"))),
                maybe(seen.accept_limit),
                maybe(seen.accepted),
            ]
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Metric, decode, percentile};
    use crate::report::sample;

    fn rows(bytes: &[u8]) -> (String, Vec<csv::StringRecord>) {
        let mut reader = csv::Reader::from_reader(bytes);
        let header = reader.headers().expect("a header").iter().collect::<Vec<_>>().join(",");
        (header, reader.records().map(|r| r.expect("a row of the header's length")).collect())
    }

    #[test]
    fn the_headers_are_the_contract() {
        for result in [sample::backlog(), sample::empty()] {
            let header = |bytes: Vec<u8>| rows(&bytes).0;
            assert_eq!(
                header(summary(&result)),
                "cell,load,metric,unit,count,min,mean,stdev,p50,p90,p99,p999,p9999,max"
            );
            assert_eq!(header(outcomes(&result)), "cell,load,side,outcome,count");
            assert_eq!(header(counters(&result)), "cell,namespace,counter,before,after,delta");
            assert!(header(timeline(&result)).starts_with(
                "cell,load,t_s,attempts,ok,ok_retried,errors,in_flight,connect_p50,connect_p99,\
                 connect_max,accept_queue,accept_limit,syn_recv,listen_overflows,listen_drops,\
                 syncookies_sent,accept_queue_mean,accepted,req_q_full_drop,lag_p99,replies,\
                 target_fin_wait2,target_close_wait,target_last_ack,target_time_wait,\
                 client_syn_sent,client_fin_wait2,client_close_wait,client_last_ack,\
                 client_time_wait,req_q_full_do_cookies,syncookies_recv,syncookies_failed"
            ));
        }
    }

    #[test]
    fn the_summary_holds_exact_microseconds() {
        let result = sample::backlog();
        let (_, rows) = rows(&summary(&result));
        let cell = &result.cells[0];
        let metric = cell.metric("clients", Metric::Connect).expect("measured");
        let row = &rows[0];
        assert_eq!((&row[0], &row[1], &row[2], &row[3]), ("backlog=5", "clients", "connect", "us"));
        let histogram = decode(&metric.histogram).expect("ours");
        let p99: f64 = row[10].parse().expect("a number");
        assert_eq!((p99 * 1e3).round() as u64, percentile(&histogram, 99.0));
        assert_eq!(micros(1), "0.001");
        assert_eq!(micros(1_234_567), "1234.567");
    }

    #[test]
    fn every_class_is_a_row_and_the_client_side_adds_up() {
        let result = sample::backlog();
        let (_, rows) = rows(&outcomes(&result));
        let of_target = TargetOutcome::ALL.len() + TargetEnding::ALL.len();
        let a_cell = Outcome::ALL.len() + Ending::ALL.len() + of_target;
        assert_eq!(rows.len(), a_cell * result.cells.len());
        for cell in &result.cells {
            let sum: u64 = rows
                .iter()
                .filter(|r| r[0] == cell.name && &r[2] == "client")
                .map(|r| r[4].parse::<u64>().expect("a count"))
                .sum();
            assert_eq!(sum, cell.ledger.attempts);
        }
    }

    #[test]
    fn what_is_not_known_is_empty() {
        let mut result = sample::backlog();
        result.cells.truncate(1);
        result.cells[0].ledger.target.clear();
        result.cells[0].timeline.target.clear();
        let (_, outcome_rows) = rows(&outcomes(&result));
        assert!(outcome_rows.iter().filter(|r| &r[2] == "target").all(|r| r[4].is_empty()));
        let (_, timeline_rows) = rows(&timeline(&result));
        let series = &result.cells[0].timeline.loads[0].intervals;
        assert_eq!(timeline_rows.len(), series.len());
        assert!(timeline_rows.iter().all(|r| r[11].is_empty() && r[14].is_empty()));
        let quiet = series.iter().position(|i| i.connect_p50 == 0).expect("a quiet interval");
        assert_eq!(&timeline_rows[quiet][8], "");
    }

    #[test]
    fn the_timeline_is_a_row_an_interval_and_load() {
        let mut result = sample::backlog();
        let cell = &mut result.cells[0];
        let mut second = cell.timeline.loads[0].clone();
        second.load = "late".to_owned();
        second.intervals.truncate(3);
        cell.timeline.loads.push(second);
        let intervals = cell.timeline.target.len();
        let (_, rows) = rows(&timeline(&result));
        let of_cell: Vec<_> = rows.iter().filter(|r| &r[0] == "backlog=5").collect();
        assert_eq!(of_cell.len(), intervals * 2);
        assert_eq!((&of_cell[2][1], &of_cell[2][2]), ("clients", "0.100"));
        assert_eq!((&of_cell[3][1], &of_cell[3][2]), ("late", "0.100"));
        assert_eq!(of_cell[2][11], of_cell[3][11], "the target's columns repeat");
    }

    #[test]
    fn both_ends_sockets_have_their_columns() {
        let (header, rows) = rows(&timeline(&sample::churn()));
        let at = |name| header.split(',').position(|column| column == name).expect(name);
        let last = rows.last().expect("rows");
        for (column, value) in [
            ("target_time_wait", "0"),
            ("client_time_wait", "1600"),
            ("target_close_wait", "12"),
            ("client_fin_wait2", "12"),
            ("client_syn_sent", "3"),
            ("syncookies_recv", "2"),
        ] {
            assert_eq!(&last[at(column)], value, "{column}");
        }
        assert_eq!(&rows[0][at("client_time_wait")], "", "before the first look");
    }

    #[test]
    fn each_listener_has_its_rows() {
        let mut result = sample::backlog();
        result.cells.truncate(1);
        let cell = &mut result.cells[0];
        let mut second = cell.timeline.queues[0].clone();
        second[1].accept_queue = None;
        second[1].accepted = Some(77);
        cell.timeline.queues.push(second);
        let intervals = cell.timeline.target.len();
        let (header, rows) = rows(&queues(&result));
        assert_eq!(
            header,
            "cell,listener,t_s,accept_queue,accept_queue_mean,accept_limit,accepted"
        );
        assert_eq!(rows.len(), 2 * intervals);
        let row: Vec<&str> = rows[intervals + 1].iter().collect();
        assert_eq!(row[..4], ["backlog=5", "1", "0.100", ""]);
        assert_eq!(row[6], "77");
    }

    #[test]
    fn counters_may_fall() {
        let mut result = sample::backlog();
        result.cells[0].counters[0].before = u64::MAX;
        result.cells[0].counters[0].after = 0;
        let (_, rows) = rows(&counters(&result));
        assert_eq!(&rows[0][5], "-18446744073709551615");
    }
}
