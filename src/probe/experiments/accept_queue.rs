//! How many connections does the accept queue hold for `listen(n)`?

use super::{FAMILIES, tried};
use crate::measure::card::{
    Confidence, Experiment, Family, Instrument, Method, Missing, Observation, Value,
};
use crate::probe::client::{Client, drain};
use crate::probe::{Ground, Order, Site};

/// Clients beyond what `listen(n)` is known to hold anywhere.
const MORE: usize = 4;

/// One after the other, over both families.
pub fn experiments(ground: &Ground, order: &Order) -> Vec<Experiment> {
    FAMILIES.iter().map(|family| sequential(ground, order, *family)).collect()
}

fn sequential(ground: &Ground, order: &Order, family: Family) -> Experiment {
    let method = Method {
        instrument: Instrument::Accept,
        how: "Clients connect one after the other to a listener that does not accept; then it \
              accepts until nobody waits."
            .to_owned(),
    };
    let question = "How many connections does the accept queue hold for listen(n)?";
    let experiment = Experiment::new("tcp.accept_queue.sequential", question, method).over(family);
    tried(experiment, |experiment| {
        let mut points = Vec::new();
        for backlog in order.backlogs.iter().copied().filter(|n| (0..=256).contains(n)) {
            let held = ground.at(family, &[], |site| held(site, backlog))?;
            experiment.saw(
                Observation::new().given("backlog", i64::from(backlog)).seen("accepted", held),
            );
            points.push((i64::from(backlog), held));
        }
        let from: Vec<_> = (0..points.len()).collect();
        let (of, unit) = ("backlog".to_owned(), "connections".to_owned());
        let value = Value::Counts { of, unit, points };
        experiment.infer("capacity", value, &from, (Confidence::Medium, "accepted at once"));
        Ok(())
    })
}

fn held(site: &Site, backlog: i32) -> Result<i64, Missing> {
    let listener = site.listen(backlog)?;
    let address = site.permit(&listener)?;
    let clients =
        (0..backlog.unsigned_abs() as usize * 3 / 2 + MORE).map(|_| Client::connect(address));
    let _clients = clients.collect::<Result<Vec<_>, _>>()?;
    Ok(drain(&listener)?.len() as i64)
}
