//! How long does a handshake take on loopback?

use std::time::{Duration, Instant};

use super::{FAMILIES, tried};
use crate::measure::card::{
    Depth, Experiment, Family, Instrument, Method, Methods, Missing, Observation,
};
use crate::probe::client::{Client, Fate, discard};
use crate::probe::infer::handshake;
use crate::probe::{Ground, METHODS, Order, Site};
use crate::sys::listener::accept;
use crate::sys::tcp_info::TcpInfo;

/// The first handshakes fill caches and are not counted.
const WARM: usize = 16;
/// A handshake that takes longer is not one of loopback.
const PATIENCE: Duration = Duration::from_secs(1);

/// Over both families.
pub fn experiments(ground: &Ground, order: &Order) -> Vec<Experiment> {
    FAMILIES.iter().map(|family| handshakes(ground, order, *family)).collect()
}

fn handshakes(ground: &Ground, order: &Order, family: Family) -> Experiment {
    let count = match order.depth {
        Depth::Quick => 300,
        Depth::Standard => 1000,
        Depth::Full => 5000,
    };
    let native = METHODS == Methods::Native;
    let method = Method {
        instrument: if native { Instrument::TcpInfo } else { Instrument::Errors },
        how: format!(
            "{count} clients connect one after the other, each is accepted at once. Time from \
             before connect() until the client is seen to be established; beside it, where TCP_INFO \
             has it, the kernel's own round trip of SYN and SYN-ACK (tcpi_rtt, in microseconds)."
        ),
    };
    let question = "How long does a handshake take on loopback?";
    let experiment = Experiment::new("tcp.handshake", question, method).over(family);
    tried(experiment, |experiment| {
        let (connect, rtt) = ground.at(family, &[], |site| measured(site, count))?;
        experiment
            .saw(Observation::new().given("handshakes", count as i64).seen("connect_s", connect));
        if !rtt.is_empty() {
            let given = Observation::new().given("handshakes", count as i64);
            experiment.saw(given.seen("kernel_rtt_s", rtt));
        }
        handshake::conclude(experiment);
        Ok(())
    })
}

/// Seconds of each connect(), and of the kernel's own round trips where it tells them.
fn measured(site: &Site, count: usize) -> Result<(Vec<f64>, Vec<f64>), Missing> {
    let listener = site.listen(128)?;
    let to = site.permit(&listener)?;
    let (mut connects, mut rtts) = (Vec::new(), Vec::new());
    for number in 0..WARM + count {
        let client = Client::connect(to)?;
        while client.stands(Fate::Waiting) {
            if client.begun.elapsed() > PATIENCE {
                return Err(Missing::all("a handshake took more than a second", "a quieter host"));
            }
            std::hint::spin_loop();
        }
        let took = Instant::now().duration_since(client.begun).as_secs_f64();
        let told = TcpInfo::of(&client.socket).ok().filter(|_| site.instruments.tcp_info);
        if number >= WARM {
            connects.push(took);
            rtts.extend(told.map(|info| f64::from(info.rtt_us()) * 1e-6));
        }
        // Where nothing is there yet, the queue keeps it for the next turn, also when it was reset.
        let _accepted = accept(&listener);
        discard([client]);
    }
    Ok((connects, rtts))
}
