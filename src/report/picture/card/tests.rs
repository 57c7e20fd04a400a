use plotters::style::RGBColor;

use super::*;
use crate::measure::card::{Confidence, Value};
use crate::report::picture::palette::{BLUE, VERMILLION};
use crate::report::picture::{HEIGHT, WIDTH};
use crate::report::sample;

fn drawn(cards: &[Named]) -> image::RgbImage {
    let bytes = sketch(cards).png().expect("drawn");
    image::load_from_memory(&bytes).expect("a PNG").to_rgb8()
}

/// Pixels of a colour in a quarter of the page: column and row from 0.
fn quarter(image: &image::RgbImage, (column, row): (u32, u32), colour: RGBColor) -> usize {
    let (width, height) = (WIDTH / 2, HEIGHT / 2);
    let wanted = [colour.0, colour.1, colour.2];
    let inside = |x: u32, y: u32| x / width == column && y / height == row;
    image.enumerate_pixels().filter(|(x, y, p)| inside(*x, *y) && p.0 == wanted).count()
}

const QUARTERS: [(u32, u32); 4] = [(0, 0), (1, 0), (0, 1), (1, 1)];

#[test]
fn a_card_fills_all_four_plots() {
    let card = sample::linux_card();
    let named = vec![(String::new(), &card)];
    let image = drawn(&named);
    assert_eq!(image.dimensions(), (WIDTH, HEIGHT));
    for place in QUARTERS {
        assert!(quarter(&image, place, BLUE) > 1500, "{place:?}");
    }
    let margin = (0..HEIGHT).all(|y| image.get_pixel(WIDTH - 5, y).0 == [255; 3]);
    assert!(margin, "nothing sticks out");
}

#[test]
fn cards_beside_each_other_have_colours_of_their_own() {
    let (linux, gvisor) = (sample::linux_card(), sample::gvisor_card());
    let named = vec![("A".to_owned(), &linux), ("B".to_owned(), &gvisor)];
    let image = drawn(&named);
    for place in [(0, 0), (1, 1)] {
        assert!(quarter(&image, place, BLUE) > 1000, "{place:?}");
        assert!(quarter(&image, place, VERMILLION) > 1000, "{place:?}");
    }
    let many: Vec<Named> = (0..12).map(|n| (n.to_string(), &linux)).collect();
    drawn(&many);
    drawn(&[]);
}

#[test]
fn no_value_breaks_the_picture() {
    let mut card = sample::linux_card();
    card.system = "x".repeat(10_000);
    let sure = (Confidence::Low, "made up");
    let odd = Value::Counts {
        of: "\u{1b}".repeat(500),
        unit: String::new(),
        points: vec![(i64::MIN, i64::MAX), (0, i64::MIN), (0, 7), (i64::MAX, 0)],
    };
    for experiment in &mut card.experiments {
        for name in ["capacity", "charge", "onset"] {
            experiment.infer(name, odd.clone(), &[], sure);
        }
        let seconds = vec![-1e300, 0.0, 1e-9, 1e300];
        let schedule = Value::Schedule { seconds, give: -1.0, complete: false };
        experiment.infer("schedule", schedule, &[], sure);
        experiment.infer("gives_up", Value::Seconds { seconds: 1e300, give: 0.0 }, &[], sure);
    }
    let named = vec![("A".to_owned(), &card)];
    drawn(&named);
    sketch(&named).svg(HEIGHT, 6, "id", "alt").expect("drawn");
    card.experiments.clear();
    let named = vec![("A".to_owned(), &card)];
    let image = drawn(&named);
    assert_eq!(quarter(&image, (0, 0), BLUE), 0);
}

#[test]
fn equal_cards_are_both_seen() {
    let card = sample::linux_card();
    let named = vec![("A".to_owned(), &card), ("B".to_owned(), &card)];
    let image = drawn(&named);
    // Letters of the legend alone are fewer.
    for place in [(0, 0), (0, 1), (1, 1)] {
        let legend = drawn(&[("A".to_owned(), &card)]);
        let alone = quarter(&legend, place, BLUE);
        assert!(quarter(&image, place, BLUE) * 2 > alone, "{place:?}: hidden");
    }
}

#[test]
fn the_end_of_a_schedule_stays_on_the_page() {
    let mut card = sample::linux_card();
    let sure = (Confidence::High, "made up");
    for experiment in card.experiments.iter_mut().filter(|one| one.id == "tcp.syn_retries") {
        experiment.infer("gives_up", Value::Seconds { seconds: 134.0, give: 0.0 }, &[], sure);
    }
    let named = vec![(String::new(), &card)];
    let image = drawn(&named);
    let margin = (0..HEIGHT).all(|y| (WIDTH - 20..WIDTH).all(|x| image.get_pixel(x, y).0[0] > 200));
    assert!(margin, "the words are cut at the edge");
    let svg = sketch(&named).svg(HEIGHT, 6, "id", "alt").expect("drawn");
    assert!(svg.contains("gives up at 134 s"));
}

#[test]
fn a_legend_claims_of_no_line_what_another_has() {
    let mut card = sample::linux_card();
    let (mut cookies, sure) = (None, (Confidence::High, "made up"));
    for experiment in &mut card.experiments {
        if experiment.id.starts_with("tcp.syn_queue") {
            experiment.inferred.retain(|one| one.name != "beyond");
            cookies = Some(experiment.clone());
        }
    }
    let mut one = cookies.expect("an experiment of SYN queues");
    let points = vec![(5, 6), (16, 17)];
    let held = Value::Counts { of: "backlog".to_owned(), unit: "handshakes".to_owned(), points };
    one.inferred.clear();
    one.settings.clear();
    card.experiments.retain(|one| !one.id.starts_with("tcp.syn_queue"));
    for (id, then) in [("tcp.syn_queue.cookies", "cookie"), ("tcp.syn_queue.none", "dropped")] {
        let mut one = crate::measure::card::Experiment { id: id.to_owned(), ..one.clone() };
        one.infer("capacity", held.clone(), &[], sure);
        one.infer("beyond", Value::word(then), &[], sure);
        card.experiments.push(one);
    }
    let named = vec![(String::new(), &card)];
    let svg = sketch(&named).svg(HEIGHT, 6, "id", "alt").expect("drawn");
    assert!(svg.contains("cookies, then cookie") && svg.contains("none, then dropped"), "{svg}");
}

#[test]
fn a_line_is_wider_than_what_covers_it_and_no_other() {
    let (a, b): (&[_], &[_]) = (&[(1, 2), (5, 6)], &[(5, 6)]);
    let apart: &[_] = &[(5, 9)];
    assert_eq!(rims(&[a, b]), [6, 0]);
    assert_eq!(rims(&[a, apart, b]), [6, 0, 0]);
    assert_eq!(rims(&[a; 4]), [18, 12, 6, 0]);
    let many = rims(&[a; 8]);
    assert!(many.windows(2).all(|pair| pair[0] > pair[1]), "{many:?}");
    assert!(rims(&[]).is_empty());
}
