use super::super::palette::{BLUE, VERMILLION};
use super::super::{WIDTH, page::INK};
use super::*;
use crate::report::sample::comparison as sample;

fn decoded(picture: &Sketch<'_>) -> image::RgbImage {
    let bytes = picture.png().expect("drawn");
    image::load_from_memory(&bytes).expect("a PNG").to_rgb8()
}

fn pixels(image: &image::RgbImage, colour: RGBColor) -> usize {
    image.pixels().filter(|p| p.0 == [colour.0, colour.1, colour.2]).count()
}

#[test]
fn effects_and_runs_are_to_be_seen() {
    for (index, found) in sample::all().iter().enumerate() {
        let image = decoded(&sketch(found));
        assert_eq!(image.dimensions(), (WIDTH, HEIGHT));
        assert!(pixels(&image, INK) > 500, "a title");
        assert!((0..HEIGHT).all(|y| image.get_pixel(WIDTH - 5, y).0 == [255; 3]), "a margin");
        if let Some(folder) = std::env::var_os("LOADGEN_PICTURES") {
            let path = std::path::Path::new(&folder).join(format!("comparison-{index}.png"));
            image.save(path).expect("writable");
        }
    }
    let worse = decoded(&sketch(&sample::worse()));
    assert!(pixels(&worse, VERMILLION) > 5000 && pixels(&worse, BLUE) > 2000);
    let better = decoded(&sketch(&sample::better()));
    assert!(pixels(&better, GREEN) > 1000 && pixels(&worse, GREEN) == 0);
}

#[test]
fn nothing_and_many_metrics_are_drawn() {
    let mut found = sample::worse();
    let one = found.metrics[3].clone();
    found.metrics.extend(vec![one; 200]);
    let image = decoded(&sketch(&found));
    if let Some(folder) = std::env::var_os("LOADGEN_PICTURES") {
        image.save(std::path::Path::new(&folder).join("comparison-many.png")).expect("writable");
    }
    let told = effects(&found).0.note().to_owned();
    assert!(effects(&found).1 < 2500 && told.ends_with("first 24 of 205 metrics"), "{told}");
    let kept = shown(&found, FEW).iter().filter(|metric| metric.change == Change::Worse).count();
    assert_eq!(kept, 3, "what got worse, of what counts");
    found.metrics.clear();
    decoded(&sketch(&found));
    for (sketch, height) in [effects(&found), each_run(&found)] {
        sketch.svg(height, 12, "id", "alt").expect("drawn");
    }
}
