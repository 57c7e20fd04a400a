//! Attempts without a local port.

use crate::measure::Outcome;
use crate::measure::result::{CellResult, Finding, LoadResult};
use crate::scenario::plan::{Cell, Client, Load};
use crate::units::Ports;

/// How long the side that closes first keeps a port (`TCP_TIMEWAIT_LEN`, `include/net/tcp.h`).
const TIME_WAIT_S: f64 = 60.0;

/// Says why attempts ended as `no_port`, with the arithmetic.
pub fn exhausted(
    plan: &Cell,
    load: &Load,
    cell: &CellResult,
    result: &LoadResult,
) -> Option<Finding> {
    let lacking = result.outcomes.get(&Outcome::NoPort).copied().filter(|count| *count > 0)?;
    let each = ports(load, cell)?;
    let sources = match load.client {
        Client::HalfOpen { .. } => plan.lab.strangers,
        _ => plan.lab.sources,
    };
    let all = each * u64::from(sources);
    let mut text = format!(
        "{lacking} of {} attempts of {} had no local port: {sources} source address(es) x {each} \
         ports are {all} connections at once towards one server.",
        result.attempts, load.name
    );
    if load.closes_first(&plan.target) {
        text.push_str(&format!(
            " Clients close first, so that each port rests for {TIME_WAIT_S:.0} s in TIME_WAIT: \
             {:.1} connections a second can be kept up, and {:.1} were wanted. Let the server \
             close first, close by RST, or use more source addresses (lab.sources).",
            all as f64 / TIME_WAIT_S,
            result.offered_rate
        ));
    } else {
        text.push_str(
            " All were in use. Hold connections for a shorter time, or use more source addresses \
             (lab.sources).",
        );
    }
    let evidence = format!(
        "outcomes: no_port {lacking}; errors: EADDRNOTAVAIL {}",
        result.errors.get("EADDRNOTAVAIL").copied().unwrap_or(0)
    );
    let impact = lacking as f64 / result.attempts.max(1) as f64;
    Some(Finding { text, evidence, remedy: String::new(), impact })
}

/// Ports of one source address: those of the load, else the kernel's range.
fn ports(load: &Load, cell: &CellResult) -> Option<u64> {
    if let Some(ports) = load.ports {
        return Some(Ports::count(ports));
    }
    let range = cell.settings.get("net.ipv4.ip_local_port_range")?;
    let mut ends = range.split_whitespace().map(str::parse::<u64>);
    let (first, last) = (ends.next()?.ok()?, ends.next()?.ok()?);
    Some(last.checked_sub(first)? + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::scenario::plan::Closing;

    fn cell(closing: Closing) -> (Cell, CellResult) {
        let run = sample::backlog();
        let (mut plan, mut cell) = (run.scenario.cells[0].clone(), run.cells[0].clone());
        plan.loads[0].client = Client::Churn { exchange: None, closing, greet: false };
        plan.loads[0].ports = Some("40000-40099".parse().expect("ports"));
        cell.loads[0].outcomes.insert(Outcome::NoPort, 300);
        cell.loads[0].errors.insert("EADDRNOTAVAIL".to_owned(), 300);
        (plan, cell)
    }

    #[test]
    fn the_arithmetic_is_told() {
        let (plan, cell) = cell(Closing::FinClient);
        let found = super::super::findings(&plan, &cell);
        assert_eq!(found.len(), 1);
        let text = &found[0].text;
        assert!(text.starts_with("300 of ") && text.contains("x 100 ports are 100"), "{text}");
        assert!(text.contains("1.7 connections a second"), "{text}");
        assert!(found[0].evidence.contains("EADDRNOTAVAIL 300"), "{}", found[0].evidence);
    }

    #[test]
    fn nothing_is_guessed() {
        let (mut plan, mut cell) = cell(Closing::FinServer);
        let text = &super::super::findings(&plan, &cell)[0].text;
        assert!(!text.contains("TIME_WAIT"), "{text}");
        plan.loads[0].ports = None;
        cell.settings.clear();
        assert_eq!(super::super::findings(&plan, &cell), []);
        cell.loads[0].outcomes.insert(Outcome::NoPort, 0);
        assert_eq!(super::super::findings(&plan, &cell), []);
    }
}
