//! `loadgen probe`: the backlog card of this system.

use super::{Exit, Failure, LabChoice, ProbeArgs, place, print_out};
use crate::measure::card::Depth;
use crate::probe::{self, Ground, Order};

/// Makes a card.
pub fn probe(args: &ProbeArgs, command_line: Vec<String>) -> Result<Exit, Failure> {
    let order = Order { backlogs: args.backlog.clone(), depth: args.depth(), command_line };
    let card = probe::run(&ground(args)?, &order, &|_, _, _| ());
    let text = serde_json::to_string_pretty(&card)
        .map_err(|error| Failure::Environment(error.to_string()))?;
    print_out(&format!("{text}\n"))
}

fn ground(args: &ProbeArgs) -> Result<Ground, Failure> {
    let choice = match (args.lab, args.host) {
        (true, _) => LabChoice::Require,
        (_, true) => LabChoice::Off,
        _ => LabChoice::Prefer,
    };
    place::ground(choice)
}

impl ProbeArgs {
    fn depth(&self) -> Depth {
        match (self.quick, self.full) {
            (true, _) => Depth::Quick,
            (_, true) => Depth::Full,
            _ => Depth::Standard,
        }
    }
}
