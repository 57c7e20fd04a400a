//! Which connections are drawn packet by packet: a typical one, the slowest, and one that was never
//! answered.

use hdrhistogram::Histogram;

use super::connection::Connection;
use crate::measure::result::Ladder;
use crate::measure::{empty, percentile, record};
use crate::report::text::thousands;
use crate::units::human_nanos;

/// Connections among which the typical one is looked for: the nearest to the median is then within
/// a percent of ranks.
const SAMPLE: usize = 256;

/// Candidates, in bounded memory.
#[derive(Debug)]
pub struct Ladders {
    times: Histogram<u64>,
    /// Drawn from all handshakes, each as likely as any other (reservoir sampling).
    sample: Vec<(u64, Connection)>,
    slowest: Option<(u64, Connection)>,
    unanswered: u64,
    /// Of those the one that tried most often.
    patient: Option<Connection>,
}

impl Default for Ladders {
    fn default() -> Self {
        Self { times: empty(), sample: Vec::new(), slowest: None, unanswered: 0, patient: None }
    }
}

impl Ladders {
    /// Offers a connection of which nothing more is to come.
    pub fn offer(&mut self, connection: Connection) {
        match connection.took() {
            Some(took) => self.offer_handshake(took, connection),
            None if !connection.answered() && !connection.has_ended() => {
                self.unanswered += 1;
                let tried = self.patient.as_ref().map_or(0, Connection::syns);
                if connection.syns() > tried {
                    self.patient = Some(connection);
                }
            }
            None => {}
        }
    }

    fn offer_handshake(&mut self, took: u64, connection: Connection) {
        record(&mut self.times, took);
        let place = match self.sample.len() {
            SAMPLE => (scattered(self.times.len()) % self.times.len()) as usize,
            room => room,
        };
        let slower = self.slowest.as_ref().is_none_or(|(slowest, _)| took > *slowest);
        let before = match slower {
            true => self.slowest.replace((took, connection)),
            false => Some((took, connection)),
        };
        // The slowest is drawn anyway.
        let Some(candidate) = before else { return };
        match self.sample.get_mut(place) {
            Some(taken) => *taken = candidate,
            None if place < SAMPLE => self.sample.push(candidate),
            None => {}
        }
    }

    /// Draws them.
    pub fn draw(&self) -> Vec<Ladder> {
        let median = percentile(&self.times, 50.0);
        let all = thousands(self.times.len());
        let typical = self.sample.iter().min_by_key(|(took, _)| took.abs_diff(median));
        let typical = typical.map(|(took, connection)| {
            connection.ladder(format!("typical of {all} handshakes: {}", human_nanos(*took)))
        });
        let slowest = self.slowest.as_ref().map(|(took, connection)| {
            connection.ladder(format!("slowest of {all} handshakes: {}", human_nanos(*took)))
        });
        let unanswered = self.patient.as_ref().map(|connection| {
            let all = thousands(self.unanswered);
            connection.ladder(format!("never answered, as {all} in all"))
        });
        [typical, slowest, unanswered].into_iter().flatten().collect()
    }
}

/// A number that looks like drawn at random, the same in each run (SplitMix64).
fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
