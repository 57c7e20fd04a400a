//! `timeline.csv`.

use super::{maybe, micros, table};
use crate::measure::result::{
    Cause, CellResult, DatagramInterval, LoadInterval, RunResult, SocketStates, TargetInterval,
};

const TIMELINE: [&str; 55] = [
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
    "sent",
    "sent_bytes",
    "unsent",
    "received",
    "duplicates",
    "reordered",
    "echoes",
    "lost_lab_loss",
    "lost_lab_rate",
    "lost_lab_delay",
    "lost_link",
    "lost_no_socket",
    "lost_receive_buffer",
    "lost_memory",
    "lost_checksum",
    "queue_bytes",
    "queue_bytes_mean",
    "queue_limit",
    "delay_p50",
    "delay_p99",
    "delay_max",
];

/// The causes of loss that somebody counts interval by interval, in the order of their columns.
const TIMED: [Cause; 8] = [
    Cause::LabLoss,
    Cause::LabRate,
    Cause::LabDelay,
    Cause::Link,
    Cause::NoSocket,
    Cause::ReceiveBuffer,
    Cause::Memory,
    Cause::Checksum,
];

/// What one row is made of.
struct Row<'a> {
    cell: &'a str,
    load: &'a str,
    /// Seconds since the start of the schedule.
    start: f64,
    client: LoadInterval,
    target: TargetInterval,
    clients: Option<SocketStates>,
    /// `None` where the cell has connections.
    datagrams: Option<&'a DatagramInterval>,
}

/// `timeline.csv`: one row an interval and load; the columns of the target and of datagrams repeat
/// for each load.
pub fn timeline(result: &RunResult) -> Vec<u8> {
    table(TIMELINE, result.cells.iter().flat_map(cell_timeline))
}

fn cell_timeline(cell: &CellResult) -> impl Iterator<Item = [String; TIMELINE.len()]> {
    let timeline = &cell.timeline;
    let loads = timeline.loads.iter().map(|l| l.intervals.len());
    let longest = loads.chain([timeline.target.len(), timeline.datagrams.len()]).max().unwrap_or(0);
    (0..longest).flat_map(move |index| {
        // A load that has ended before the others attempts nothing more.
        timeline.loads.iter().map(move |series| {
            fields(&Row {
                cell: &cell.name,
                load: &series.load,
                start: index as f64 * timeline.interval_s,
                client: series.intervals.get(index).copied().unwrap_or_default(),
                target: timeline.target.get(index).copied().unwrap_or_default(),
                clients: timeline.client_states.get(index).copied().flatten(),
                datagrams: timeline.datagrams.get(index),
            })
        })
    })
}

/// A latency; 0 stands for none.
fn latency(nanos: u64) -> String {
    if nanos == 0 { String::new() } else { micros(nanos) }
}

/// The fields of a row, in the order of [`TIMELINE`].
fn fields(row: &Row) -> [String; TIMELINE.len()] {
    let head = [row.cell.to_owned(), row.load.to_owned(), format!("{:.3}", row.start)];
    let fields = head.into_iter().chain(connections(row)).chain(datagrams(row.datagrams));
    let fields: Vec<String> = fields.collect();
    fields.try_into().expect("as many fields as columns")
}

/// What there is of loads, of connections and of the listener.
fn connections(row: &Row) -> [String; 31] {
    let Row { client, target, .. } = row;
    let targets = target.states.as_ref();
    let clients = row.clients.as_ref();
    [
        client.attempts.to_string(),
        client.ok.to_string(),
        maybe(row.datagrams.is_none().then_some(client.ok_retried)),
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

/// What there is of datagrams; all is empty in a cell of connections.
fn datagrams(seen: Option<&DatagramInterval>) -> [String; 21] {
    let Some(seen) = seen else { return Default::default() };
    let [rule, rate, delay, link, socket, buffer, memory, checksum] =
        TIMED.map(|cause| seen.lost.get(&cause).copied().unwrap_or(0).to_string());
    [
        seen.sent.to_string(),
        seen.bytes.to_string(),
        seen.unsent.values().sum::<u64>().to_string(),
        maybe(seen.received),
        maybe(seen.duplicates),
        maybe(seen.reordered),
        seen.replies.to_string(),
        rule,
        rate,
        delay,
        link,
        socket,
        buffer,
        memory,
        checksum,
        maybe(seen.queue_bytes),
        maybe(seen.queue_mean.map(|mean| format!("{mean:.0}"))),
        maybe(seen.queue_limit),
        latency(seen.delay_p50),
        latency(seen.delay_p99),
        latency(seen.delay_max),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_timed_cause_has_the_column_of_its_name() {
        let names = TIMELINE.iter().filter_map(|column| column.strip_prefix("lost_"));
        assert!(names.eq(TIMED.iter().map(|cause| cause.name())));
    }
}
