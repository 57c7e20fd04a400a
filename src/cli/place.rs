//! Where the cells of a run are: in a lab, or in the host's network.

use std::process::Command;

use super::{Exit, Failure, LabChoice};
use crate::lab::{self, Lab};
use crate::probe::Ground;
use crate::runner::Where;
use crate::scenario::plan::{self, Cell, Family, Link, Plan, Target};

/// Decides where the cells run, and enters the lab if they run in one: it must be entered before
/// there is a second thread.
pub fn decide(plan: &Plan, choice: LabChoice) -> Result<Where, Failure> {
    let outside = plan.cells.iter().find_map(outside);
    let required = plan.cells.iter().find(|cell| cell.needs_lab());
    match (choice, outside, required) {
        (LabChoice::Require, Some(reason), _) => {
            Err(Failure::Input(format!("--lab require is not possible: {reason}")))
        }
        (_, Some(reason), Some(cell)) => Err(Failure::Input(format!(
            "{} needs a lab (a veth link, [lab.sysctl], [lab.impair], lab.capture, multicast or broadcast, half-open or silent clients), and {reason}: keep such \
             cells in scenarios of their own",
            cell.name
        ))),
        (_, Some(reason), None) => Ok(Where::Host(reason)),
        (LabChoice::Off, None, Some(cell)) => Err(Failure::Environment(format!(
            "{} needs a lab (a veth link, [lab.sysctl], [lab.impair], lab.capture, multicast or broadcast, half-open or silent clients), and --lab off rules it \
             out: leave --lab off away",
            cell.name
        ))),
        (LabChoice::Off, None, None) => Ok(Where::Host("--lab off".to_owned())),
        (LabChoice::Require, None, _) | (LabChoice::Prefer, None, Some(_)) => enter(),
        (LabChoice::Prefer, None, None) => match try_in_child() {
            Ok(()) => enter(),
            Err(reason) => Ok(Where::Host(reason)),
        },
    }
}

/// Decides where experiments are made, and enters the lab for them.
pub fn ground(choice: LabChoice) -> Result<Ground, Failure> {
    let lab = || lab::enter().map(Ground::Lab);
    match choice {
        LabChoice::Off => Ok(Ground::Host("--host".to_owned())),
        LabChoice::Require => lab().map_err(|error| Failure::Environment(error.to_string())),
        LabChoice::Prefer => match try_in_child() {
            Ok(()) => lab().map_err(|error| Failure::Environment(error.to_string())),
            Err(reason) => Ok(Ground::Host(reason)),
        },
    }
}

/// Why a cell cannot be in a lab.
fn outside(cell: &Cell) -> Option<String> {
    match &cell.target {
        Target::External { .. } => Some("an external target lives outside of any lab".to_owned()),
        Target::Own { command: Some(_), .. } | Target::Receiver { command: Some(_), .. } => {
            Some("a target started by target.command may live anywhere".to_owned())
        }
        Target::Own { .. } | Target::Receiver { .. } => None,
    }
}

fn enter() -> Result<Where, Failure> {
    lab::enter().map(Where::Lab).map_err(|error| Failure::Environment(error.to_string()))
}

/// Makes a lab in a child. Where it fails half-way, a process has lost the host's network without
/// having gained another: this one must not be that process.
fn try_in_child() -> Result<(), String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let tried = Command::new(own).arg("lab-probe").output().map_err(|error| error.to_string())?;
    if tried.status.success() {
        return Ok(());
    }
    let reason = String::from_utf8_lossy(&tried.stderr);
    let reason = reason.trim().trim_start_matches("error: ");
    Err(if reason.is_empty() { tried.status.to_string() } else { reason.to_owned() })
}

/// What the child does: a lab, made and left.
pub fn probe() -> Result<Exit, Failure> {
    let failed = |error: lab::LabError| Failure::Environment(error.to_string());
    let privacy = lab::enter().map_err(failed)?;
    let plan = plan::Lab {
        link: Link::Loopback,
        family: Family::Ipv4,
        sources: 1,
        strangers: 0,
        sysctl: Vec::new(),
        impair: None,
        capture: None,
    };
    Lab::create(&privacy, &plan).map_err(failed)?;
    Ok(Exit::Pass)
}
