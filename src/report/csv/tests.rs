use super::*;
use crate::measure::result::{Cause, Class, ClassResult, ClassesResult, Side};
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
        assert_eq!(header(classes(&result)), "cell,load,class,count,latency_s");
        assert_eq!(header(counters(&result)), "cell,namespace,counter,before,after,delta");
        assert!(header(timeline(&result)).starts_with(
            "cell,load,t_s,attempts,ok,ok_retried,errors,in_flight,connect_p50,connect_p99,\
             connect_max,accept_queue,accept_limit,syn_recv,listen_overflows,listen_drops,\
             syncookies_sent,accept_queue_mean,accepted,req_q_full_drop,lag_p99,replies,\
             target_fin_wait2,target_close_wait,target_last_ack,target_time_wait,\
             client_syn_sent,client_fin_wait2,client_close_wait,client_last_ack,\
             client_time_wait,req_q_full_do_cookies,syncookies_recv,syncookies_failed,\
             sent,sent_bytes,unsent,received,duplicates,reordered,echoes,"
        ));
    }
}

#[test]
fn classes_have_a_row_each() {
    let mut result = sample::sweep(&[5]);
    result.cells[0].classes = Some(ClassesResult {
        classes: vec![ClassResult {
            load: "clients".to_owned(),
            class: Class::AcceptQueueFull,
            count: 812,
            latency_s: 840.25,
        }],
        ..ClassesResult::default()
    });
    let (_, rows) = rows(&classes(&result));
    let row: Vec<_> = rows[0].iter().collect();
    assert_eq!(row, ["backlog=5", "clients", "accept_queue_full", "812", "840.250000000"]);
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
    assert_eq!(header, "cell,listener,t_s,accept_queue,accept_queue_mean,accept_limit,accepted");
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

#[test]
fn counts_of_datagrams_are_no_times() {
    let result = sample::datagrams();
    let (_, rows) = rows(&summary(&result));
    let find = |metric: &str| rows.iter().find(|r| &r[2] == metric).expect("a row");
    let cell = &result.cells[0];
    let burst = cell.metric("target", Metric::LossBurst).expect("measured").summary;
    let row = find("loss_burst");
    assert_eq!((&row[3], &row[4]), ("datagrams", burst.count.to_string().as_str()));
    assert_eq!((&row[10], &row[13]), (&*burst.p99.to_string(), &*burst.max.to_string()));
    assert_eq!(&find("owd")[3], "us");
}

#[test]
fn outcomes_of_datagrams_add_up_side_by_side() {
    let result = sample::datagrams();
    let (_, rows) = rows(&outcomes(&result));
    for cell in &result.cells {
        let of = |side: &str, class: &str| -> u64 {
            let mut found = rows.iter().filter(|r| r[0] == cell.name && &r[2] == side);
            found.find(|r| &r[3] == class).expect("a row")[4].parse().expect("a count")
        };
        let lost: u64 = Cause::ALL
            .iter()
            .filter(|cause| cause.side() != Side::Sender)
            .map(|cause| of("loss", cause.name()))
            .sum();
        assert!(lost > 0);
        assert_eq!(lost, of("target", "lost"));
        let came = of("target", "received") + of("target", "late");
        assert_eq!(of("target", "expected"), came + lost);
        assert_eq!(of("client", "ok"), of("target", "expected"));
        assert_eq!(of("client", "no_buffer"), of("loss", "send_queue"));
    }
    assert!(!rows.iter().any(|r| &r[2] == "session" || &r[3] == "accepted"), "no connections");
}

#[test]
fn what_a_silent_server_got_is_not_known() {
    let mut result = sample::datagrams();
    let ledger = result.cells[0].datagrams.as_mut().expect("datagrams");
    (ledger.counted, ledger.received, ledger.lost) = (false, 0, 0);
    ledger.causes.retain(|one| one.cause == Cause::SendQueue);
    ledger.receivers.clear();
    let (_, rows) = rows(&outcomes(&result));
    let of = |side: &str, class: &str| {
        rows.iter().find(|r| &r[2] == side && &r[3] == class).expect("a row")[4].to_owned()
    };
    assert_eq!((of("target", "received"), of("loss", "receive_buffer")), ("".into(), "".into()));
    assert_eq!(of("loss", "send_queue"), "80", "the sender knows");
}

#[test]
fn the_timeline_of_datagrams_has_no_zeros_of_connections() {
    let result = sample::datagrams();
    let (header, rows) = rows(&timeline(&result));
    let at = |name| header.split(',').position(|column| column == name).expect(name);
    let cell = &result.cells[0];
    let of_cell: Vec<_> = rows.iter().filter(|r| r[0] == cell.name).collect();
    assert_eq!(of_cell.len(), cell.timeline.datagrams.len());
    for column in ["ok_retried", "connect_p50", "accept_queue", "listen_overflows", "syn_recv"] {
        assert!(of_cell.iter().all(|r| r[at(column)].is_empty()), "{column}");
    }
    let sum =
        |column| -> u64 { of_cell.iter().map(|r| r[at(column)].parse::<u64>().unwrap()).sum() };
    let ledger = cell.datagrams.as_ref().expect("datagrams");
    assert_eq!(sum("sent"), ledger.sent);
    assert_eq!(sum("unsent"), ledger.unsent);
    assert_eq!(sum("lost_receive_buffer"), ledger.of(Cause::ReceiveBuffer));
    assert_eq!(sum("lost_lab_loss"), ledger.of(Cause::LabLoss));
    let (_, tcp) = self::rows(&timeline(&sample::backlog()));
    assert!(tcp.iter().all(|r| (at("sent")..at("delay_max") + 1).all(|c| r[c].is_empty())));
}

#[test]
fn each_stream_has_its_row() {
    let result = sample::datagrams();
    let (header, rows) = rows(&streams(&result));
    assert_eq!(
        header,
        "cell,load,stream,receiver,sent,received,late,lost,duplicates,reordered,outside,\
         longest_burst,closed"
    );
    assert_eq!(rows.len(), 4 * result.cells.len());
    let one = result.cells[0].datagrams.as_ref().expect("datagrams").streams[2];
    assert_eq!((&rows[2][1], &rows[2][2], &rows[2][3]), ("senders", "2", "0"));
    assert_eq!(&rows[2][7], one.lost.to_string());
    assert_eq!((&rows[2][11], &rows[2][12]), (&*one.longest_burst.to_string(), "true"));
    assert!(self::rows(&streams(&sample::backlog())).1.is_empty());
}
