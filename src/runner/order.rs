//! What one worker is to do, as plain data: a thread of the runner takes it as it is, and a worker
//! process as a line of JSON.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clients::Script;
use crate::engine::{Descriptors, Part, Share, Way};
use crate::lab::{HalfOpen, Lab};
use crate::scenario::plan::{Client, Close, Load};
use crate::sys::endpoint::Endpoint;
use crate::sys::namespace;
use crate::sys::permit::{PermittedAddr, Policy};
use crate::sys::socket::Dialer;

/// Most attempts in progress that a worker has room for.
pub const MOST_SLOTS: usize = 1 << 20;

/// What one worker is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Start of the schedule, CLOCK_MONOTONIC in nanoseconds.
    pub epoch: u64,
    /// Identity of the run.
    pub run: u64,
    /// Whether the target tells of the connections that it held, so that clients' ends are asked for.
    pub names: bool,
    /// Length of an interval, in nanoseconds.
    pub interval: u64,
    /// Where the clients connect to.
    pub endpoint: Endpoint,
    /// What they may reach: whoever carries the order out checks `endpoint` against it.
    pub policy: Policy,
    /// Source addresses of the clients; empty leaves the choice to the kernel.
    pub sources: Vec<IpAddr>,
    /// Most attempts in progress at once.
    pub slots: usize,
    /// The parts of the loads.
    pub parts: Vec<PartOrder>,
}

/// One worker's part of one load.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartOrder {
    /// Index of the load in its cell.
    pub index: u16,
    /// The load.
    pub load: Load,
    /// Whether the target closes first.
    pub target_closes: bool,
    /// Seed of its arrivals.
    pub seed: u64,
    /// This worker among those of the load, from 0.
    pub worker: u16,
    /// The load's workers.
    pub workers: u16,
}

impl Order {
    /// The share of an engine. Half-open clients need a `lab`.
    ///
    /// # Errors
    /// Where the endpoint is not permitted, or the order contradicts itself.
    pub fn share(&self, lab: Option<&Lab>, descriptors: &Arc<Descriptors>) -> io::Result<Share> {
        let policy = match namespace::leads_nowhere() {
            true => self.policy.clone(),
            // There is no lab here, whoever says so.
            false => self.policy.clone().without_lab(),
        };
        let address = policy.permit(self.endpoint).map_err(io::Error::other)?;
        let parts = self.parts.iter().map(|part| {
            let way = part.way(address, &self.sources, lab)?;
            part.part(way)
        });
        Ok(Share {
            epoch: self.epoch,
            run: self.run,
            names: self.names,
            parts: parts.collect::<io::Result<_>>()?,
            slots: self.slots.clamp(1, MOST_SLOTS),
            descriptors: Arc::clone(descriptors),
            interval: self.interval.max(1),
        })
    }
}

impl PartOrder {
    fn way(
        &self,
        address: PermittedAddr,
        sources: &[IpAddr],
        lab: Option<&Lab>,
    ) -> io::Result<Way> {
        let load = &self.load;
        let reset = load.close == Close::Rst;
        Ok(match (&load.client, lab.zip(address.get().port())) {
            (Client::HalfOpen { hold }, Some((lab, port))) => {
                Way::Half(HalfOpen::new(lab, port), hold.nanos())
            }
            (Client::HalfOpen { .. }, None) => {
                return Err(io::Error::other("half-open clients exist only inside a lab"));
            }
            _ => Way::Whole(Dialer::new(address, sources, load.ports, reset)),
        })
    }

    fn part(&self, way: Way) -> io::Result<Part> {
        if self.worker >= self.workers {
            return Err(io::Error::other("there are fewer workers than this one's number"));
        }
        let load = &self.load;
        Ok(Part {
            load: self.index,
            script: Script::new(load, self.target_closes, self.seed),
            way,
            schedule: load.schedule.clone(),
            seed: self.seed,
            start: load.start.nanos(),
            timeout: load.timeout.nanos(),
            when_full: load.when_full,
            fast_open: load.fast_open,
            lifecycle: load.lifecycle,
            index: u64::from(self.worker),
            workers: u64::from(self.workers),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Schedule;
    use crate::units::Span;

    /// One client that takes turns.
    fn order(endpoint: &str, policy: Policy) -> Order {
        let schedule = Schedule::Closed {
            clients: 1,
            think: Span::default(),
            window: Span::from_millis(1000),
            attempts: None,
        };
        let client = Client::Connect { hold: Span::default(), greet: false };
        let part = PartOrder {
            index: 0,
            load: Load::new("load", client, schedule),
            target_closes: false,
            seed: 1,
            worker: 0,
            workers: 1,
        };
        Order {
            epoch: 0,
            run: 1,
            names: false,
            interval: 1_000_000,
            endpoint: endpoint.parse().expect("an endpoint"),
            policy,
            sources: Vec::new(),
            slots: 1,
            parts: vec![part],
        }
    }

    fn refusal(order: &str) -> String {
        let order: Order = match serde_json::from_str(order) {
            Ok(order) => order,
            Err(error) => return error.to_string(),
        };
        let descriptors = Arc::new(Descriptors::new(1));
        order.share(None, &descriptors).err().map_or(String::new(), |error| error.to_string())
    }

    #[test]
    fn an_order_survives_its_line() {
        let allowed = Policy::new(vec!["10.0.0.0/8".parse().expect("a private range")]);
        let line = serde_json::to_string(&order("10.1.2.3:80", allowed)).expect("JSON");
        assert_eq!(refusal(&line), "");
        let again: Order = serde_json::from_str(&line).expect("an order");
        assert_eq!(serde_json::to_string(&again).expect("JSON"), line);
    }

    #[test]
    fn what_an_order_permits_is_checked_again() {
        let line = |to: &str| serde_json::to_string(&order(to, Policy::default())).expect("JSON");
        assert_eq!(refusal(&line("127.0.0.1:80")), "");
        for stranger in ["8.8.8.8:80", "10.0.0.1:80", "198.18.0.1:80"] {
            assert!(refusal(&line(stranger)).contains("load may not go to"), "{stranger}");
        }
        // Neither a range nor a lab's address of one's own making helps.
        let all = line("8.8.8.8:80").replace("\"allow\":[]", "\"allow\":[\"0.0.0.0/0\"]");
        assert!(refusal(&all).contains("cannot be allowed"), "{}", refusal(&all));
        let lab_of = |ip: &str| {
            let lab =
                line(&format!("{ip}:80")).replace("\"lab\":[]", &format!("\"lab\":[\"{ip}\"]"));
            assert!(lab.contains(&format!("\"lab\":[\"{ip}\"]")), "{lab}");
            refusal(&lab)
        };
        assert!(lab_of("8.8.8.8").contains("load may not go to"), "{}", lab_of("8.8.8.8"));
        if !namespace::leads_nowhere() {
            assert!(lab_of("198.18.0.1").contains("load may not go to"));
        }
    }

    #[test]
    fn a_worker_without_a_lab_leaves_nothing_half_open() {
        let mut order = order("127.0.0.1:80", Policy::default());
        order.parts[0].load.client = Client::HalfOpen { hold: Span::default() };
        let line = serde_json::to_string(&order).expect("JSON");
        assert!(refusal(&line).contains("only inside a lab"));
        order.parts[0] = PartOrder { worker: 1, ..order.parts[0].clone() };
        assert!(!refusal(&serde_json::to_string(&order).expect("JSON")).is_empty());
    }
}
