//! A result in which everything that explains is there: classes, predictions, packets, a search.

use super::backlog;
use crate::measure::Summary;
use crate::measure::result::*;

/// [`backlog`], explained.
pub fn told() -> RunResult {
    let mut result = backlog();
    for (index, cell) in result.cells.iter_mut().enumerate() {
        cell.settings.insert("net.ipv4.tcp_syn_linear_timeouts".to_owned(), "0".to_owned());
        cell.classes = Some(classes(cell));
        cell.prediction = Some(prediction());
        cell.wire = (index == 0).then(wire);
        cell.findings = vec![finding(cell)];
    }
    result.knee = super::knee().knee;
    result
}

fn classes(cell: &CellResult) -> ClassesResult {
    let attempts = cell.ledger.attempts;
    let one = |class, count: u64, latency_s| ClassResult {
        load: "clients".to_owned(),
        class,
        count,
        latency_s,
    };
    let (late, odd) = (attempts / 5, 3);
    ClassesResult {
        classes: vec![
            one(Class::Clean, attempts - late - odd, 0.4),
            one(Class::AcceptQueueFull, late, late as f64 * 1.4),
            one(Class::Unexplained, odd, 0.02),
        ],
        lost_syns: vec![LostSyns {
            doubtful: 0,
            class: Class::AcceptQueueFull,
            count: late,
            span_s: (0.4, 9.8),
        }],
        network: Default::default(),
        joined: attempts - late,
        named: true,
        by_cookie: 3,
    }
}

fn prediction() -> PredictionResult {
    PredictionResult {
        method: "closed_form".to_owned(),
        model: "M/D/1/6: one acceptor at a fixed pace".to_owned(),
        places: 6,
        acceptors: 1,
        arrival_rate: 400.0,
        accept_rate: 300.0,
        spread: FlowResult { blocking: 0.004, mean_wait_s: None },
        predicted: FlowResult { blocking: 0.25, mean_wait_s: Some(0.0181) },
        measured: FlowResult { blocking: 0.262, mean_wait_s: Some(0.0175) },
        assumptions: vec!["Arrivals are independent of each other.".to_owned()],
    }
}

fn finding(cell: &CellResult) -> Finding {
    Finding {
        text: format!(
            "412 attempts of {} waited about 1 s: their first SYN was dropped.",
            cell.name
        ),
        evidence: "ListenOverflows +1,204; queue above its limit of 5".to_owned(),
        remedy: "Accept at least 400 a second.".to_owned(),
        impact: 0.2,
    }
}

fn wire() -> WireResult {
    WireResult {
        file: "capture.pcapng".to_owned(),
        packets: 31_400,
        missed: 0,
        beyond: 12,
        syn: 3200,
        syn_again: 412,
        syn_ack: 3100,
        syn_ack_again: 2,
        rst: 1,
        handshakes: 3100,
        handshake_time: Some(Summary {
            count: 3100,
            p50: 5200,
            p99: 9100,
            max: 80_000,
            ..Summary::default()
        }),
        ladders: vec![ladder()],
        notices: vec!["3,200 first SYNs are on the wire".to_owned()],
    }
}

/// A handshake whose first SYN was lost, data, and the end.
pub fn ladder() -> Ladder {
    let (x, y) = (u32::MAX, 1_204_567);
    let step = |at_s, from_client, flags: &str, seq: u32, ack| Step {
        at_s,
        from_client,
        flags: flags.to_owned(),
        seq,
        ack,
        bytes: 0,
        again: false,
    };
    let next = x.wrapping_add(1);
    let mut again = step(1.0213, true, "SYN", x, None);
    again.again = true;
    let mut data = step(1.0216, true, "PSH+ACK", next, Some(y + 1));
    data.bytes = 16;
    Ladder {
        title: "slowest of 3,100 handshakes".to_owned(),
        client: "198.18.0.2:40412".to_owned(),
        target: "198.18.0.1:8080".to_owned(),
        steps: vec![
            step(0.0, true, "SYN", x, None),
            again,
            step(1.02131, false, "SYN+ACK", y, Some(next)),
            step(1.02133, true, "ACK", next, Some(y + 1)),
            data,
            step(1.0219, true, "FIN+ACK", next.wrapping_add(16), Some(y + 1)),
        ],
        left_out: 2,
    }
}
