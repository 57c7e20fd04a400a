//! Comparisons.

use crate::measure::comparison::*;

/// Runs around a value, each off by its own share of it.
fn around(value: f64, shares: [f64; 6]) -> Vec<f64> {
    shares.map(|share| value * (1.0 + share)).to_vec()
}

const STEADY: [f64; 6] = [0.004, -0.006, 0.001, -0.002, 0.007, -0.003];
const NOISY: [f64; 6] = [0.31, -0.22, 0.05, -0.14, 0.42, -0.09];

fn effect(estimate: f64, low: f64, high: f64, p: f64) -> Effect {
    let p_corrected = (p * 3.0).min(1.0);
    Effect {
        scale: Scale::Relative,
        estimate,
        low,
        high: Some(high),
        confidence: 0.95,
        p,
        p_corrected,
    }
}

/// A latency whose candidate's runs are off by `by`.
pub fn latency(subject: &str, nanos: f64, by: f64, change: Change) -> ComparedMetric {
    let shares = if matches!(change, Change::Inconclusive { .. }) { NOISY } else { STEADY };
    let p = if by.abs() > 0.05 && shares == STEADY { 2.0 / 924.0 } else { 0.39 };
    let spread = shares.iter().fold(0.0, |most: f64, share| most.max(share.abs()));
    ComparedMetric {
        cell: String::new(),
        load: Some("clients".to_owned()),
        subject: subject.to_owned(),
        unit: Measure::Nanoseconds,
        better: Better::Lower,
        counts: true,
        base: around(nanos, shares),
        candidate: around(nanos * (1.0 + by), [3, 1, 4, 0, 5, 2].map(|index: usize| shares[index])),
        minimum_effect: 0.1,
        effect: Some(effect(by, by - spread, by + spread, p)),
        change,
    }
}

fn throughput() -> ComparedMetric {
    ComparedMetric {
        unit: Measure::PerSecond,
        better: Better::Higher,
        ..latency("throughput", 1998.0, -0.002, Change::Same)
    }
}

/// A share that none of the base's attempts had.
fn timeouts(change: Change) -> ComparedMetric {
    let found = Effect { scale: Scale::Points, ..effect(0.021, 0.018, 0.025, 2.0 / 924.0) };
    ComparedMetric {
        subject: "outcomes.timeout".to_owned(),
        unit: Measure::Share,
        better: Better::Lower,
        base: vec![0.0; 6],
        candidate: vec![0.021, 0.019, 0.022, 0.018, 0.025, 0.021],
        minimum_effect: 0.01,
        effect: Some(found),
        change,
        ..throughput()
    }
}

/// A counter whose base is 0, so that nothing bounds the effect.
fn overflows() -> ComparedMetric {
    ComparedMetric {
        load: None,
        subject: "counters.ListenOverflows".to_owned(),
        unit: Measure::Count,
        better: Better::Lower,
        counts: false,
        base: vec![0.0; 6],
        candidate: vec![1204.0, 1190.0, 1233.0, 1201.0, 1187.0, 1219.0],
        effect: Some(Effect {
            scale: Scale::Difference,
            ..effect(1201.0, 1188.0, 1210.0, 2.0 / 924.0)
        }),
        change: Change::Worse,
        ..latency("", 1.0, 0.0, Change::Same)
    }
}

fn party(name: &str, started_at: &str) -> Party {
    Party {
        kernel: "Linux 6.18.5".to_owned(),
        name: name.to_owned(),
        loadgen_version: "0.1.0".to_owned(),
        started_at: started_at.to_owned(),
        runs: 6,
        left_out: vec![],
    }
}

fn comparison(metrics: Vec<ComparedMetric>, verdict: Change) -> ComparisonResult {
    ComparisonResult {
        schema_version: SCHEMA_VERSION,
        loadgen_version: "0.1.0".to_owned(),
        scenario: "serial-chat".to_owned(),
        base: party("main", "2026-11-22T16:46:05Z"),
        candidate: party("a-branch", "2026-11-22T16:46:07Z"),
        relation: Relation::Arms,
        fail_on: None,
        minimum_effect: 0.1,
        alpha: 0.05,
        looks: None,
        unlike: vec![],
        accepted: false,
        metrics,
        verdict,
    }
}

/// The candidate's requests take longer, and some time out; overflows are shown only.
pub fn worse() -> ComparisonResult {
    let metrics = vec![
        latency("request.p99", 1_021_000.0, 0.148, Change::Worse),
        latency("request.p50", 402_000.0, 0.131, Change::Worse),
        timeouts(Change::Worse),
        throughput(),
        overflows(),
    ];
    let mut found = comparison(metrics, Change::Worse);
    found.candidate.left_out.push("run 4: the schedule was not kept (96.1 %)".to_owned());
    found.candidate.runs = 5;
    for metric in &mut found.metrics {
        metric.candidate.truncate(5);
    }
    found
}

/// The candidate's requests take less time.
pub fn better() -> ComparisonResult {
    let faster = latency("request.p99", 1_021_000.0, -0.182, Change::Better);
    comparison(vec![faster, throughput()], Change::Better)
}

/// Nothing that matters.
pub fn same() -> ComparisonResult {
    let alike = latency("request.p99", 1_021_000.0, 0.004, Change::Same);
    comparison(vec![alike, throughput()], Change::Same)
}

/// Too noisy; looked at for the second time.
pub fn inconclusive() -> ComparisonResult {
    let change = Change::Inconclusive {
        reason: "the interval from -31.2 % to +43.0 % is wider than the least effect, 10.0 %"
            .into(),
        more_runs: Some(14),
    };
    let noisy = latency("request.p99", 1_021_000.0, 0.07, change.clone());
    let looks = Looks { after: vec![6, 12, 24], at: 2, alpha_each: 0.05 / 3.0 };
    ComparisonResult { looks: Some(looks), ..comparison(vec![noisy, throughput()], change) }
}

/// Another kernel and another setting.
pub fn incomparable() -> ComparisonResult {
    let reasons = vec![
        "kernel: Linux 6.1.0 at main, Linux 6.18.5 at a-branch".to_owned(),
        "net.core.somaxconn: 4096 at main, 128 at a-branch".to_owned(),
    ];
    let change = Change::Incomparable { reasons: reasons.clone() };
    let mut metric = latency("request.p99", 1_021_000.0, 0.148, change.clone());
    metric.effect = None;
    ComparisonResult { unlike: reasons, ..comparison(vec![metric], change) }
}

/// What is written by somebody who wants more than to be shown.
pub const HOSTILE: &str =
    "=cmd|' /C calc'!A1 <script>alert(1)</script> `x` | @octocat\n::error::\u{1b}[31m ]]> www.a.b";

/// Names of the worst kind, and figures beyond reason.
pub fn hostile() -> ComparisonResult {
    let mut found = worse();
    let odd = Change::Inconclusive { reason: HOSTILE.to_owned(), more_runs: Some(u32::MAX) };
    found.scenario = HOSTILE.to_owned();
    (found.base.name, found.candidate.name) = (HOSTILE.to_owned(), HOSTILE.repeat(40));
    found.candidate.started_at = HOSTILE.to_owned();
    found.candidate.left_out = vec![HOSTILE.to_owned(); 300];
    found.unlike = vec![HOSTILE.to_owned()];
    found.accepted = true;
    found.looks = Some(Looks { after: vec![], at: u32::MAX, alpha_each: -1e308 });
    for (metric, number) in found.metrics.iter_mut().zip(0..) {
        metric.subject = format!("{number} {HOSTILE}");
        metric.cell = HOSTILE.to_owned();
        metric.load = Some(HOSTILE.to_owned());
        metric.base = vec![1e308, -1e308, 0.0];
        metric.candidate = if number % 2 == 0 { vec![] } else { vec![1e308; 3000] };
        metric.minimum_effect = -1e308;
        metric.change = odd.clone();
        let effect = metric.effect.as_mut().expect("an effect");
        (effect.estimate, effect.low, effect.high) = (1e308, -1e308, Some(-1e308));
        (effect.p, effect.p_corrected, effect.confidence) = (-1.0, 1e308, 1e308);
    }
    found.verdict = odd;
    found
}

/// One of each kind.
pub fn all() -> Vec<ComparisonResult> {
    vec![worse(), better(), same(), inconclusive(), incomparable(), hostile()]
}
