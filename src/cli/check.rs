//! `loadgen check`: what a scenario resolves to, and what it will cost.

use super::{Exit, Failure, ScenarioArgs, print_out, read};
use crate::scenario::plan::{Cell, Plan};
use crate::scenario::{self, Means, Scarce, Shortage};
use crate::sys::limits;

/// Prints the resolved plan, its cost, and what will fall short on this machine.
pub fn check(args: &ScenarioArgs) -> Result<Exit, Failure> {
    let resolved = read::scenario(args)?;
    if !resolved.notices.is_empty() {
        anstream::eprint!("{}", resolved.notices.render(true));
    }
    let mut text = scenario::describe(&resolved.plan);
    text.push_str(&cost(&resolved.plan));
    print_out(&text)?;
    preflight(&resolved.plan)?;
    Ok(Exit::Pass)
}

fn cost(plan: &Plan) -> String {
    let cost = scenario::cost_of_plan(plan);
    let attempts = match cost.attempts {
        Some(attempts) => attempts.to_string(),
        None => "as many as get through".to_owned(),
    };
    format!(
        "cost: attempts {attempts}; {:.0} s at most; ports {} at worst;\n      \
         sockets at once: {} if the target answers, {} at worst;\n      \
         kernel memory {} at worst\n",
        cost.seconds,
        cost.source_ports,
        cost.certain_sockets,
        cost.peak_sockets,
        crate::units::Bytes(cost.memory_bytes.next_multiple_of(1024)),
    )
}

/// Warns of what may fall short on this machine, and fails where something certainly will.
///
/// # Errors
/// A certain shortage, with the arithmetic.
pub fn preflight(plan: &Plan) -> Result<(), Failure> {
    let means = means();
    let mut told: Vec<Shortage> = Vec::new();
    for cell in &plan.cells {
        for shortage in shortages(cell, &means)? {
            if !told.contains(&shortage) {
                warn(cell, &shortage);
                told.push(shortage);
            }
        }
    }
    Ok(())
}

/// The same for the many plans of a search: each kind of shortage is told once.
#[derive(Debug, Default)]
pub struct Warned(Vec<Scarce>);

impl Warned {
    /// Notes what was told of a plan already.
    pub fn by(plan: &Plan) -> Self {
        let means = means();
        let shortages = plan.cells.iter().flat_map(|cell| scenario::preflight(cell, &means));
        Self(shortages.map(|shortage| shortage.of).collect())
    }

    /// Warns of what is new.
    ///
    /// # Errors
    /// A certain shortage, with the arithmetic.
    pub fn preflight(&mut self, cell: &Cell) -> Result<(), Failure> {
        for shortage in shortages(cell, &means())? {
            if !self.0.contains(&shortage.of) {
                warn(cell, &shortage);
                self.0.push(shortage.of);
            }
        }
        Ok(())
    }
}

/// What a cell may fall short of; an error where it certainly does.
fn shortages(cell: &Cell, means: &Means) -> Result<Vec<Shortage>, Failure> {
    let shortages = scenario::preflight(cell, means);
    if let Some(Shortage { title, help, .. }) = shortages.iter().find(|one| one.certain) {
        return Err(Failure::Environment(format!("{}: {title}\n  help: {help}", cell.name)));
    }
    Ok(shortages)
}

fn warn(cell: &Cell, shortage: &Shortage) {
    anstream::eprintln!("warning: {}: {}", cell.name, shortage.title);
    anstream::eprintln!("  help: {}", shortage.help);
}

fn means() -> Means {
    let setting = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_tw_reuse");
    Means {
        descriptors: limits::descriptors().map_or(1024, |(_, hard)| hard),
        ephemeral_ports: limits::ephemeral_ports().unwrap_or((49152, 65535)),
        memory_bytes: limits::available_memory().unwrap_or(u64::MAX),
        tw_reuse_loopback: setting.is_ok_and(|text| text.trim() == "2"),
    }
}
