//! Whether the tool's own error was small enough for a cell to be believed.

/// Least share of the offered attempts that must be issued in time.
const ACHIEVED: f64 = 0.98;
/// Most of the queue's samples that may be lost.
const LOST: f64 = 0.05;
/// So few lost samples are a single hiccup, however short the run.
const HICCUP: u64 = 10;
/// A value this close to its bound, as a share of it, must not be mostly lag.
const NEAR: f64 = 0.5;

/// What an open load offered, and what its generator got to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offer<'a> {
    /// The load.
    pub load: &'a str,
    /// Attempts a second that the schedule wanted.
    pub offered_rate: f64,
    /// Attempts a second that were issued in time.
    pub achieved_rate: f64,
    /// The one divided by the other.
    pub ratio: f64,
    /// Attempts for which there was no descriptor or memory. None of datagrams: what the sender's
    /// kernel does not take is a loss, and told as such.
    pub lacking: u64,
}

/// Why a cell is invalid if its schedule was not kept.
///
/// A slow target cannot slow an open loop: what was not issued in time is the generator's fault.
pub fn generator_limited(offer: &Offer) -> Option<String> {
    (offer.ratio < ACHIEVED).then(|| {
        format!(
            "the generator was the limit: it issued {:.0}/s of the {:.0}/s offered by load {} \
             ({:.1} %, {:.0} % are needed); {}",
            offer.achieved_rate,
            offer.offered_rate,
            offer.load,
            offer.ratio * 100.0,
            ACHIEVED * 100.0,
            match offer.lacking {
                0 => "lower the rate, or give it more workers and cores".to_owned(),
                count => format!(
                    "{count} attempts found no descriptor or memory (no_fd, no_buffer): raise the \
                     limit of open descriptors (ulimit -n), or lower the rate",
                ),
            },
        )
    })
}

/// Why a cell is invalid if its sampler missed too much.
pub fn sampler_lossy(lost: u64, ticks: u64) -> Option<String> {
    let share = lost as f64 / ticks.max(1) as f64;
    (lost > HICCUP && share > LOST).then(|| {
        format!(
            "the queue's sampler lost {:.1} % of its ticks (at most {:.0} % may be lost); \
             use a quieter machine or a longer target.sample",
            share * 100.0,
            LOST * 100.0,
        )
    })
}

/// A judged latency beside what the tool itself added to it; all in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// The value, from the intended instant.
    pub value: f64,
    /// The same statistic of the lag.
    pub lag: f64,
    /// Whether the value holds its limit.
    pub holds: bool,
    /// Whether the same statistic from the issued instant, without the lag, would hold it.
    pub holds_without_lag: bool,
    /// The limit's bound.
    pub bound: f64,
}

/// Whether lag explains more than half of a judged value, and matters for the judgement: a
/// failure that would be none without it, or a pass near its bound. What fails without any lag
/// fails; a value far below its bound was quiet, whatever it consists of.
pub fn lag_decides(judgement: &Judgement) -> bool {
    let Judgement { value, lag, holds, holds_without_lag, bound } = *judgement;
    let decisive = if holds { value > bound * NEAR } else { holds_without_lag };
    lag > value / 2.0 && decisive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_that_was_not_kept_is_the_generators_fault() {
        let offer = |ratio| {
            let achieved_rate = 100.0 * ratio;
            Offer { load: "a", offered_rate: 100.0, achieved_rate, ratio, lacking: 0 }
        };
        assert_eq!(generator_limited(&offer(0.99)), None);
        let reason = generator_limited(&offer(0.1)).expect("a reason");
        assert!(reason.contains("generator was the limit"), "{reason}");
        assert!(reason.contains("10/s of the 100/s"), "{reason}");
        let lacking = generator_limited(&Offer { lacking: 90, ..offer(0.1) });
        let reason = lacking.expect("a reason");
        assert!(reason.contains("90 attempts found no descriptor"), "{reason}");
    }

    #[test]
    fn lost_ticks_are_tolerated_up_to_a_twentieth() {
        assert_eq!(sampler_lossy(50, 1000), None);
        assert!(sampler_lossy(51, 1000).is_some());
        assert_eq!(sampler_lossy(10, 20), None, "a single hiccup");
    }

    #[test]
    fn lag_matters_only_where_it_decides() {
        let judge = |value, lag, bound| {
            let holds = |value| value <= bound;
            let holds_without_lag = holds(value - lag);
            lag_decides(&Judgement { value, lag, holds: holds(value), holds_without_lag, bound })
        };
        // 150 us, two thirds of it lag, against 5 ms: quiet.
        assert!(!judge(150.0, 100.0, 5000.0));
        // 4 ms, three of them lag, against 5 ms or against 2 ms: cannot be judged.
        assert!(judge(4000.0, 3000.0, 5000.0));
        assert!(judge(4000.0, 3000.0, 2000.0));
        // The same against 0.5 ms: too slow without any lag.
        assert!(!judge(4000.0, 3000.0, 500.0));
        // 1 s with 1 ms of lag: the target's doing.
        assert!(!judge(1_000_000.0, 1000.0, 5000.0));
    }
}
