//! How connections are closed: who keeps TIME_WAIT, who runs out of ports, how long it takes.

use super::common::{
    lab_or_skip, ledgers_add_up, measure, metric, nothing_unexplained, number, through,
};

/// On a starved machine a FIN is sent again although the first one arrived; the RST that answers it would
/// end TIME_WAIT early (RFC 1337), unless the kernel is told to ignore it.
fn churn(lab: &str, ports: &str) -> String {
    format!(
        r#"
name = "churn"
[lab]
link = "veth"
sysctl = {{ "net.ipv4.tcp_rfc1337" = 1 }}
{lab}
[[load]]
client = "churn"
ports = "{ports}"
rate = "200/s"
attempts = 200
[sweep]
load.close = ["fin-client", "fin-server", "half-close", "rst"]
"#
    )
}

fn who_closes_first_runs_out(name: &str, lab: &str, ports: &str, count: u64) {
    if !lab_or_skip(name) {
        return;
    }
    let (_bench, result) = measure(&churn(lab, ports), &["--lab", "require"]);
    let cells = result.cells();
    for (cell, client_first) in cells.iter().zip([true, false, true, false]) {
        assert_eq!(ledgers_add_up(cell), 200);
        nothing_unexplained(cell);
        let (ok, lacking) = if client_first { (count, 200 - count) } else { (200, 0) };
        let load = &cell["loads"][0];
        assert_eq!(through(load), ok, "{load}");
        assert_eq!(number(load, "outcomes.no_port"), lacking, "{load}");
        assert_eq!(number(load, "endings.done"), ok, "{load}");
        // A busy machine may have a finding of its own.
        let findings = cell["findings"].as_array().expect("findings").iter();
        let texts = findings.map(|finding| finding["text"].as_str().expect("a text"));
        let of_ports: Vec<_> = texts.filter(|text| text.contains(" ports are ")).collect();
        assert_eq!(of_ports.len(), usize::from(client_first), "{}", cell["findings"]);
        if client_first {
            let text = of_ports[0];
            assert!(text.contains(&format!("x {count} ports are {count}")), "{text}");
            let close = metric(cell, "load", "close").expect("FIN to FIN");
            assert_eq!(number(&close, "summary.count"), ok);
        }
    }
    assert_eq!(cells.len(), 4);
}

#[test]
fn who_closes_first_runs_out_of_ports_over_ipv4() {
    who_closes_first_runs_out("closing::ipv4", "", "41000-41099", 100);
}

#[test]
fn who_closes_first_runs_out_of_ports_over_ipv6() {
    who_closes_first_runs_out("closing::ipv6", "family = \"ipv6\"", "42000-42036", 37);
}

#[test]
fn a_half_closed_request_is_still_answered() {
    let (_bench, result) = measure(
        r#"
name = "half-close"
[target]
service = "20ms"
[[load]]
client = "churn"
message = "question"
close = "half-close"
rate = "100/s"
attempts = 50
"#,
        &[],
    );
    let cell = result.cell();
    assert_eq!(ledgers_add_up(&cell), 50);
    nothing_unexplained(&cell);
    let load = &cell["loads"][0];
    assert_eq!((number(load, "replies"), number(load, "endings.done")), (50, 50), "{load}");
    // The target's FIN comes when it has served, which begins with the message: a little before the
    // client's FIN.
    let close = metric(&cell, "load", "close").expect("FIN to FIN");
    assert!(number(&close, "summary.p50") >= 19_000_000, "{close}");
}
