use super::palette::{BLUE, GREEN, VERMILLION};
use super::*;
use crate::measure::Metric;
use crate::measure::result::{
    Cause, DatagramInterval, Heat, LoadInterval, QueueInterval, ReceiverRestart, RestartResult,
    TargetInterval,
};
use crate::report::sample;

fn decoded(picture: &Sketch<'_>) -> image::RgbImage {
    let bytes = picture.png().expect("drawn");
    image::load_from_memory(&bytes).expect("a PNG").to_rgb8()
}

fn pixels(image: &image::RgbImage, colour: plotters::style::RGBColor) -> usize {
    image.pixels().filter(|p| p.0 == [colour.0, colour.1, colour.2]).count()
}

/// Draws everything, and looks at what holds of every picture.
fn check(result: &RunResult) -> Vec<(&'static str, image::RgbImage)> {
    let drawn = pictures(result);
    let images: Vec<_> = drawn.iter().map(|(name, p)| (*name, decoded(p))).collect();
    for (name, image) in &images {
        assert_eq!(image.dimensions(), (WIDTH, HEIGHT), "{name}");
        assert!(pixels(image, INK) > 500, "{name} has a title");
        let margin = (0..HEIGHT).all(|y| image.get_pixel(WIDTH - 5, y).0 == [255; 3]);
        assert!(margin, "{name} has a right margin");
    }
    images
}

fn names(images: &[(&'static str, image::RgbImage)]) -> Vec<&'static str> {
    images.iter().map(|(name, _)| *name).collect()
}

#[test]
fn a_sweep_has_all_pictures_with_their_series() {
    let images = check(&sample::backlog());
    assert_eq!(names(&images), ["latency.png", "timeline.png", "heatmap.png", "sweep.png"]);
    for colour in [BLUE, VERMILLION, GREEN] {
        assert!(pixels(&images[0].1, colour) > 2000, "a line a cell: {colour:?}");
    }
    assert!(pixels(&images[1].1, GREEN) > 2000, "ok");
    assert!(pixels(&images[1].1, VERMILLION) > 500, "limit");
    let (few, many) = (palette::sequential(0.0), palette::sequential(1.0));
    assert!(pixels(&images[2].1, few) > 1000 && pixels(&images[2].1, many) > 100);
    assert!(pixels(&images[3].1, BLUE) > 2000 && pixels(&images[3].1, VERMILLION) > 2000);
}

#[test]
fn a_search_shows_what_held_and_what_broke() {
    let mut result = sample::knee();
    let names_of = |result: &RunResult| names(&check(result));
    assert_eq!(names_of(&result), ["latency.png", "timeline.png", "heatmap.png", "knee.png"]);
    let drawn = |result: &RunResult| decoded(&pictures(result).remove(3).1);
    let image = drawn(&result);
    assert!(pixels(&image, GREEN) > 2000 && pixels(&image, VERMILLION) > 1000);
    let knee = result.knee.as_mut().expect("a knee");
    knee.steps.iter_mut().for_each(|step| step.holds = Some(true));
    (knee.holds, knee.breaks) = (None, None);
    assert!(pixels(&drawn(&result), GREEN) > 2000);
    let knee = result.knee.as_mut().expect("a knee");
    for (step, odd) in knee.steps.iter_mut().zip([f64::NAN, f64::INFINITY, -1.0, 0.0, 1e300]) {
        (step.value, step.figure) = (odd, Some(odd));
        step.text = "x".repeat(5000);
    }
    (knee.holds, knee.limit) = (Some("x".repeat(5000)), None);
    check(&result);
    result.knee.as_mut().expect("a knee").steps.clear();
    check(&result);
}

#[test]
fn one_cell_and_many_cells_are_drawn() {
    let mut one = sample::sweep(&[128]);
    one.scenario.sweep.clear();
    assert_eq!(names(&check(&one)), ["latency.png", "timeline.png", "heatmap.png"]);
    let backlogs: Vec<_> = (0..12).map(|n| 1 << n).collect();
    check(&sample::sweep(&backlogs));
}

#[test]
fn repeated_runs_are_drawn_by_side() {
    let images = check(&sample::repeats(12));
    assert_eq!(names(&images), ["latency.png", "timeline.png", "heatmap.png", "comparison.png"]);
    if let Some(folder) = std::env::var_os("LOADGEN_PICTURES") {
        for (name, image) in &images {
            let path = std::path::Path::new(&folder).join(format!("repeats-{name}"));
            image.save(path).expect("writable");
        }
    }
    let lines = &images[0].1;
    assert!(pixels(lines, VERMILLION) > 1000 && pixels(lines, GREEN) == 0, "a line a side");
}

#[test]
fn a_sweep_over_several_keys_is_small_multiples() {
    for (keys, panels) in [(1, 4), (2, 12), (3, 6), (4, 12)] {
        let result = sample::product(keys);
        let images = check(&result);
        let (name, image) = &images[3];
        assert_eq!(*name, "sweep.png");
        if let Some(folder) = std::env::var_os("LOADGEN_PICTURES") {
            let path = std::path::Path::new(&folder).join(format!("sweep-{keys}.png"));
            image.save(path).expect("writable");
        }
        // The floors of a line of panels are ink on most of the width.
        let is_floor = |y: &u32| {
            let ink = (0..WIDTH).filter(|x| image.get_pixel(*x, *y).0 == [INK.0, INK.1, INK.2]);
            ink.count() > 1000
        };
        let floors = (BODY as u32..HEIGHT).filter(|y| is_floor(y) && !is_floor(&(y - 1))).count();
        let lines = match keys {
            1 | 2 => 4,
            _ => panels / 3,
        };
        assert_eq!(floors, lines, "{keys} keys");
    }
}

#[test]
fn sockets_have_rows_only_where_there_were_any() {
    let drawn = |result: &RunResult| decoded(&timeline::sketch(result));
    let mut result = sample::churn();
    let image = drawn(&result);
    assert!(pixels(&image, palette::PURPLE) > 2000, "half-open connections and dropped requests");
    let with_all = pixels(&image, INK);
    let timeline = &mut result.cells[0].timeline;
    timeline.client_states.clear();
    timeline.target.iter_mut().for_each(|seen| seen.states = None);
    let open = drawn(&result);
    assert!(pixels(&open, INK) < with_all, "no row of closing");
    for seen in &mut result.cells[0].timeline.target {
        (seen.syn_recv, seen.req_q_full_drop) = (Some(0), None);
    }
    let quiet = drawn(&result);
    assert!(pixels(&quiet, INK) < pixels(&open, INK), "no row of half-open connections");
    assert_eq!(pixels(&quiet, palette::PURPLE), 0);
}

#[test]
fn a_group_and_a_restart_show_in_the_timeline() {
    let mut result = sample::sweep(&[64]);
    let purple = |result: &RunResult| pixels(&check(result)[1].1, palette::PURPLE);
    let alone = purple(&result);
    let cell = &mut result.cells[0];
    let half = |seen: &mut QueueInterval| {
        seen.accept_queue = seen.accept_queue.map(|depth| depth / 2);
    };
    cell.timeline.queues[0].iter_mut().for_each(half);
    let one = cell.timeline.queues[0].clone();
    cell.timeline.queues.push(one);
    let closed = |at| RestartResult { closed_at_s: Some(at), ..RestartResult::default() };
    cell.target.restarts = [2.0, -1.0, f64::MAX, f64::NAN].map(closed).into();
    assert!(purple(&result) > alone + 500, "a line for each listener");
}

#[test]
fn nothing_measured_is_said_in_words() {
    let mut nothing = sample::empty();
    nothing.scenario.sweep = sample::backlog().scenario.sweep;
    check(&nothing);
    let mut silent = sample::backlog();
    for cell in &mut silent.cells {
        cell.metrics.clear();
        cell.timeline = Default::default();
        cell.counters.clear();
        cell.loads[0].outcomes.clear();
    }
    let images = check(&silent);
    assert_eq!(pixels(&images[0].1, BLUE), 0, "no line");
    let blank = images[0].1.pixels().filter(|p| p.0 != [255; 3]).count();
    assert!(blank > 5000, "words instead");
}

#[test]
fn extreme_values_and_names_are_drawn() {
    let mut result = sample::backlog();
    result.scenario.name = "a very long name ".repeat(60);
    let cell = &mut result.cells[0];
    cell.name = "=".repeat(3000);
    cell.axes[0].value = "x".repeat(3000);
    cell.timeline.heat = Heat { rows_per_decade: 1, places: vec![(u32::MAX, u32::MAX, u64::MAX)] };
    let interval = LoadInterval { attempts: u64::MAX, ok: u64::MAX, ..Default::default() };
    cell.timeline.loads[0].intervals = vec![interval; 5000];
    let target = TargetInterval {
        accept_queue: Some(u32::MAX),
        accept_limit: Some(0),
        listen_overflows: Some(u64::MAX),
        ..Default::default()
    };
    cell.timeline.target = vec![target; 5000];
    cell.counters[0].after = u64::MAX;
    cell.validity.resolution = u64::MAX;
    result.cells[1].timeline.interval_s = f64::NAN;
    result.cells[1].timeline.heat.rows_per_decade = 0;
    result.cells[1].metrics[0].histogram = "rubbish".to_owned();
    result.cells[2].timeline.interval_s = f64::INFINITY;
    result.cells[2].axes.clear();
    check(&result);
}

#[test]
fn datagrams_have_pictures_of_their_own() {
    let result = sample::datagrams();
    let images = check(&result);
    let all = ["latency.png", "timeline.png", "heatmap.png", "sweep.png", "udp_loss.png"];
    assert_eq!(names(&images), all);
    for colour in [BLUE, VERMILLION, GREEN] {
        assert!(pixels(&images[0].1, colour) > 2000, "a line a cell: {colour:?}");
    }
    assert!(pixels(&images[1].1, GREEN) > 2000, "received");
    assert!(pixels(&images[2].1, palette::sequential(0.0)) > 500, "owd");
    assert!(pixels(&images[3].1, VERMILLION) > 2000, "lost, by the buffer");
    let loss = &images[4].1;
    for colour in [BLUE, VERMILLION, palette::ORANGE] {
        assert!(pixels(loss, colour) > 800, "losses by cause: {colour:?}");
    }
    assert!(!names(&check(&sample::backlog())).contains(&"udp_loss.png"));
}

#[test]
fn losses_that_are_none_or_all_or_timeless_are_drawn() {
    let mut none = sample::datagram_sweep(&[1 << 20]);
    none.scenario.sweep.clear();
    let cell = &mut none.cells[0];
    let lossy = pixels(&decoded(&loss::sketch(&sample::datagram_sweep(&[1 << 20]))), BLUE);
    cell.timeline
        .datagrams
        .iter_mut()
        .for_each(|seen| (seen.lost, seen.unsent) = Default::default());
    cell.metrics.retain(|m| m.metric != Metric::LossBurst);
    let ledger = cell.datagrams.as_mut().expect("datagrams");
    (ledger.lost, ledger.unsent) = (0, 0);
    let quiet = check(&none);
    assert!(!names(&quiet).contains(&"sweep.png"));
    assert!(pixels(&quiet.last().expect("udp_loss").1, BLUE) < lossy, "no blue bars");
    let all = |result: &mut RunResult| {
        for cell in &mut result.cells {
            cell.metrics.retain(|m| m.metric == Metric::Lag);
            cell.timeline.heat.places.clear();
            cell.timeline.datagrams.truncate(1);
            for seen in &mut cell.timeline.datagrams {
                seen.lost = [(Cause::NoSocket, seen.sent)].into();
                (seen.received, seen.queue_bytes) = (Some(0), None);
                (seen.delay_p50, seen.delay_p99, seen.delay_max) = (0, 0, 0);
            }
            let ledger = cell.datagrams.as_mut().expect("datagrams");
            (ledger.lost, ledger.received) = (ledger.expected, 0);
        }
    };
    let mut lost = sample::datagrams();
    all(&mut lost);
    check(&lost);
    let buffers: Vec<_> = (0..24).map(|n| 4096 + 1024 * n).collect();
    check(&sample::datagram_sweep(&buffers));
}

#[test]
fn no_count_of_datagrams_breaks_a_picture() {
    let mut result = sample::datagrams();
    let cell = &mut result.cells[0];
    cell.name = "=".repeat(3000);
    let most = DatagramInterval {
        sent: u64::MAX,
        received: Some(u64::MAX),
        lost: Cause::ALL.map(|cause| (cause, u64::MAX)).into(),
        queue_bytes: Some(u64::MAX),
        queue_limit: Some(0),
        delay_max: u64::MAX,
        ..DatagramInterval::default()
    };
    cell.timeline.datagrams = vec![most; 5000];
    let ledger = cell.datagrams.as_mut().expect("datagrams");
    (ledger.lost, ledger.expected) = (u64::MAX, 0);
    let restart = |closed_s| ReceiverRestart { closed_s, ..ReceiverRestart::default() };
    ledger.restarts = [1.0, -1.0, f64::MAX, f64::NAN].map(restart).into();
    result.cells[1].timeline.interval_s = f64::NAN;
    for metric in &mut result.cells[1].metrics {
        metric.histogram = "rubbish".to_owned();
    }
    result.cells[2].timeline = Default::default();
    result.cells[2].timeline.interval_s = f64::INFINITY;
    check(&result);
}
