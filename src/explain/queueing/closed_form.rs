//! Queues of finite length in closed form: stationary, without repeated SYNs.

/// Blocking ratio and mean wait of those that are not blocked, in service times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stationary {
    /// Share of the arrivals that find no place.
    pub blocking: f64,
    /// Mean wait before service, in units of the mean service time.
    pub wait: f64,
}

/// M/M/c with `waiting` places besides those in service, at a load of `offered` Erlang.
pub fn m_m_c(offered: f64, servers: u32, waiting: u64) -> Stationary {
    let all = u64::from(servers) + waiting;
    // Each weight relative to the one before; their sum is kept at 1, so that nothing overflows.
    let (mut sum, mut last, mut queued) = (1.0, 1.0, 0.0);
    for n in 1..=all {
        last *= offered / n.min(u64::from(servers)) as f64;
        sum += last;
        queued += last * n.saturating_sub(u64::from(servers)) as f64;
        let scale = 1.0 / sum;
        (sum, last, queued) = (1.0, last * scale, queued * scale);
    }
    // Little's law: those in the queue, over the rate at which they enter.
    Stationary { blocking: last, wait: queued / (offered * (1.0 - last)).max(f64::MIN_POSITIVE) }
}

/// M/D/1 with `waiting` places besides the one in service, at a load of `offered` Erlang: the
/// embedded chain of what departures leave behind (Gross and Harris, Fundamentals of Queueing
/// Theory, 5.1), with its balance written for cuts, in which nothing is subtracted.
pub fn m_d_1(offered: f64, waiting: u64) -> Stationary {
    let states = waiting as usize + 1;
    let none = (-offered).exp();
    let tails = tails(offered, states + 1);
    let mut left = vec![1.0];
    let mut sum = 1.0;
    for j in 0..states - 1 {
        let up: f64 = (1..=j).map(|i| left[i] * tails[j + 2 - i]).sum();
        let next = (left[0] * tails[j + 1] + up) / none;
        left.push(next);
        sum += next;
        if sum > 1e200 {
            left.iter_mut().for_each(|one| *one /= sum);
            sum = 1.0;
        }
    }
    let empty = left[0] / sum;
    let blocking = 1.0 - 1.0 / (empty + offered);
    let inside: f64 = left.iter().enumerate().map(|(n, weight)| n as f64 * weight).sum();
    let inside = inside / sum / (empty + offered) + states as f64 * blocking;
    let blocking = blocking.max(0.0);
    Stationary { blocking, wait: (inside / (offered * (1.0 - blocking)) - 1.0).max(0.0) }
}

/// The probabilities of at least 0, 1, 2, ... arrivals within one service time.
fn tails(offered: f64, most: usize) -> Vec<f64> {
    let mut weight = (-offered).exp();
    let mut weights = Vec::with_capacity(most + 64);
    // Far enough beyond the mean that the rest is nothing.
    let far = most + 64 + (offered * 2.0) as usize;
    for k in 0..far {
        weights.push(weight);
        weight *= offered / (k + 1) as f64;
    }
    // From the smallest on, so that nothing is lost.
    let mut tail = 0.0;
    for weight in weights.iter_mut().rev() {
        tail += *weight;
        *weight = tail;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, expected: f64) {
        assert!((value - expected).abs() <= 1e-9 * expected.abs().max(1e-3), "{value} {expected}");
    }

    #[test]
    fn erlangs_formulas_are_special_cases() {
        // Erlang B, 5 servers, 3 Erlang: 0.110054...
        near(m_m_c(3.0, 5, 0).blocking, 0.110_054_347_826_086_95);
        // M/M/1/N: (1 - r) r^N / (1 - r^(N + 1)).
        let (r, n) = (0.8f64, 6);
        near(m_m_c(r, 1, n - 1).blocking, (1.0 - r) * r.powi(6) / (1.0 - r.powi(7)));
        // Without an end: r / (1 - r) service times.
        near(m_m_c(0.5, 1, 400).wait, 1.0);
        assert!(m_m_c(3.0, 1, 5000).blocking > 0.666);
    }

    #[test]
    fn m_d_1_meets_what_is_known_of_it() {
        // No place to wait: Erlang's loss formula, whatever the service time's distribution.
        near(m_d_1(1.5, 0).blocking, 1.5 / 2.5);
        // Many places: Pollaczek and Khinchin, r / (2 (1 - r)).
        near(m_d_1(0.8, 400).wait, 2.0);
        assert!(m_d_1(0.8, 400).blocking < 1e-12);
        // Overloaded: what is served is 1 / offered, and the queue is nearly full.
        let full = m_d_1(1.5, 50);
        near(full.blocking, 1.0 / 3.0);
        assert!((48.0..51.0).contains(&full.wait), "{full:?}");
        assert!(m_d_1(3.0, 2000).wait.is_finite());
    }
}
