//! Local ports: attempts without one, and ports that rest in TIME_WAIT.

use super::case::rate;
use crate::measure::Outcome;
use crate::measure::result::{CellResult, Finding, LoadResult};
use crate::scenario::plan::{Cell, Client, Family, Link, Load};
use crate::units::{Ports, thousands};

/// How long the side that closes first keeps a port (`TCP_TIMEWAIT_LEN`, `include/net/tcp.h`).
const TIME_WAIT_S: f64 = 60.0;
/// How soon it may be used again where TIME_WAIT may be cut short (`tcp_twsk_unique`,
/// `net/ipv4/tcp_ipv4.c`).
const REUSED_S: f64 = 1.0;
/// With so much of the range in use the next run, or a longer one, runs out of ports.
const CROWDED: f64 = 0.9;

/// What helps against ports that rest.
const REST: &str = "Let the server close first, close by RST, or use more source addresses \
                    (lab.sources).";

/// Says why attempts ended as `no_port`, with the arithmetic.
pub fn exhausted(
    plan: &Cell,
    load: &Load,
    cell: &CellResult,
    result: &LoadResult,
) -> Option<Finding> {
    let lacking = result.outcomes.get(&Outcome::NoPort).copied().filter(|count| *count > 0)?;
    let (sources, each) = (sources(plan, load), ports(load, cell)?);
    let all = each.saturating_mul(sources);
    let mut text = format!(
        "{} of {} attempts of {} had no local port: {sources} source address(es) x {} ports are {} \
         connections at once towards one server.",
        thousands(lacking),
        thousands(result.attempts),
        load.name,
        thousands(each),
        thousands(all)
    );
    let rest_s = rest_s(plan, cell);
    let remedy = if load.closes_first(&plan.target) {
        text.push_str(&format!(
            " Clients close first, so that each port rests for {rest_s:.0} s in TIME_WAIT: \
             {:.1} connections a second can be kept up, and {:.1} were wanted.",
            all as f64 / rest_s,
            result.offered_rate
        ));
        REST
    } else {
        text.push_str(" All were in use.");
        "Hold connections for a shorter time, or use more source addresses (lab.sources)."
    };
    let evidence = format!(
        "outcomes: no_port {}; errors: EADDRNOTAVAIL {}",
        thousands(lacking),
        thousands(result.errors.get("EADDRNOTAVAIL").copied().unwrap_or(0))
    );
    let impact = lacking as f64 / result.attempts.max(1) as f64;
    Some(Finding { text, evidence, remedy: remedy.to_owned(), impact })
}

/// Says how near to exhaustion the clients' TIME_WAIT came, where it held nearly all ports.
pub fn resting(plan: &Cell, cell: &CellResult) -> Option<Finding> {
    let out = |load: &LoadResult| load.outcomes.get(&Outcome::NoPort).is_some_and(|n| *n > 0);
    if cell.loads.iter().any(out) {
        return None;
    }
    let rest = cell.sockets.client.as_ref()?.peak.time_wait;
    let mut closing = plan.loads.iter().filter(|load| load.closes_first(&plan.target));
    // Two loads share their ports in ways that are not known here.
    let (load, None) = (closing.next()?, closing.next()) else { return None };
    let all = ports(load, cell)?.saturating_mul(sources(plan, load));
    let rest_s = rest_s(plan, cell);
    let wanted: f64 = cell.loads.iter().map(|load| load.offered_rate).sum();
    // Ports that may be used again soon are there in time, however many are listed.
    if (rest as f64) < all as f64 * CROWDED || wanted * rest_s < all as f64 && rest_s < TIME_WAIT_S
    {
        return None;
    }
    let text = format!(
        "Clients close first: at most {} of {} local ports of {} rested in TIME_WAIT, each for \
         {rest_s:.0} s. They can keep up {} and no more; the fewer are free, the longer \
         connect() looks for one.",
        thousands(rest),
        thousands(all),
        load.name,
        rate(all as f64 / rest_s)
    );
    let evidence = format!("clients' sockets in TIME_WAIT: {}", thousands(rest));
    Some(Finding { text, evidence, remedy: REST.to_owned(), impact: 0.0 })
}

/// For how long a port rests: over IPv4 loopback connections with timestamps give it back after a
/// second, as `tcp_tw_reuse` has it.
fn rest_s(plan: &Cell, cell: &CellResult) -> f64 {
    let setting = |name: &str| cell.settings.get(name).map(|value| value.trim());
    let local = plan.lab.link == Link::Loopback && plan.lab.family == Family::Ipv4;
    let reuse = match setting("net.ipv4.tcp_tw_reuse") {
        Some("1") => true,
        Some("2") => local,
        _ => false,
    };
    let stamped = setting("net.ipv4.tcp_timestamps").is_none_or(|value| value != "0");
    if reuse && stamped { REUSED_S } else { TIME_WAIT_S }
}

/// Source addresses of a load.
fn sources(plan: &Cell, load: &Load) -> u64 {
    u64::from(match load.client {
        Client::HalfOpen { .. } => plan.lab.strangers,
        _ => plan.lab.sources,
    })
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
    use crate::measure::result::{SocketStates, StatesResult};
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
        assert!(found[0].remedy.contains("Let the server close first"), "{}", found[0].remedy);
        assert!(found[0].evidence.contains("EADDRNOTAVAIL 300"), "{}", found[0].evidence);
    }

    #[test]
    fn nothing_is_guessed() {
        let (mut plan, mut cell) = cell(Closing::FinServer);
        let found = &super::super::findings(&plan, &cell)[0];
        assert!(!found.text.contains("TIME_WAIT"), "{}", found.text);
        assert!(found.remedy.starts_with("Hold connections for a shorter"), "{}", found.remedy);
        plan.loads[0].ports = None;
        cell.settings.clear();
        assert_eq!(super::super::findings(&plan, &cell), []);
        cell.loads[0].outcomes.insert(Outcome::NoPort, 0);
        assert_eq!(super::super::findings(&plan, &cell), []);
    }

    #[test]
    fn ports_that_rest_are_told_before_they_run_out() {
        let (plan, mut cell) = cell(Closing::FinClient);
        cell.loads[0].outcomes.insert(Outcome::NoPort, 0);
        let rest = |cell: &mut CellResult, time_wait| {
            let peak = SocketStates { time_wait, ..SocketStates::default() };
            cell.sockets.client = Some(StatesResult { peak, ..StatesResult::default() });
        };
        rest(&mut cell, 89);
        assert_eq!(super::super::findings(&plan, &cell), []);
        rest(&mut cell, 95);
        let found = super::super::findings(&plan, &cell).remove(0);
        assert!(found.text.contains("at most 95 of 100 local ports"), "{}", found.text);
        assert!(found.text.contains("They can keep up 1.7/s"), "{}", found.text);
    }
}
