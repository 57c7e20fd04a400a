//! Colours that people with any colour vision tell apart.

use plotters::style::{RGBColor, WHITE};

use super::page::{FAINT, GRID, HATCH, INK, Stroke};

/// Blue of Okabe and Ito's palette.
pub const BLUE: RGBColor = RGBColor(0, 114, 178);
/// Vermillion.
pub const VERMILLION: RGBColor = RGBColor(213, 94, 0);
/// Bluish green.
pub const GREEN: RGBColor = RGBColor(0, 158, 115);
/// Reddish purple.
pub const PURPLE: RGBColor = RGBColor(204, 121, 167);
/// Orange.
pub const ORANGE: RGBColor = RGBColor(230, 159, 0);
/// Sky blue.
pub const SKY: RGBColor = RGBColor(86, 180, 233);
/// Black.
pub const BLACK: RGBColor = RGBColor(0, 0, 0);

const SERIES: [RGBColor; 7] = [BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK];

/// The line of the `index`th series: beyond seven, the colours come again with a broken line.
pub fn series(index: usize) -> Stroke {
    let colour = SERIES[index % SERIES.len()];
    let dashed = (index / SERIES.len()) % 2 == 1;
    Stroke { colour, width: 6, dashed }
}

/// Viridis at nine even places, from few to many.
const VIRIDIS: [(u8, u8, u8); 9] = [
    (68, 1, 84),
    (71, 44, 122),
    (59, 81, 139),
    (44, 113, 142),
    (33, 144, 141),
    (39, 173, 129),
    (92, 200, 99),
    (170, 220, 50),
    (253, 231, 37),
];

/// Shades that a picture tells apart.
pub const SHADES: u32 = 24;

/// The shade of this number below [`SHADES`], from few to many.
pub fn shade(number: u32) -> RGBColor {
    sequential(f64::from(number) / f64::from(SHADES - 1))
}

/// A perceptually uniform colour for a share from 0 to 1.
pub fn sequential(share: f64) -> RGBColor {
    let place = share.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let below = (place as usize).min(VIRIDIS.len() - 2);
    let rest = place - below as f64;
    let (a, b) = (VIRIDIS[below], VIRIDIS[below + 1]);
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * rest).round() as u8;
    RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

/// A colour of the pictures as a page of HTML shows it.
struct Themed {
    colour: RGBColor,
    class: &'static str,
    /// Of shapes on white, and on black.
    shapes: [&'static str; 2],
    /// Of texts, whose contrast is 4.5 or more (WCAG 2.2, 1.4.3).
    texts: [&'static str; 2],
}

const fn themed(
    colour: RGBColor,
    class: &'static str,
    shapes: [&'static str; 2],
    texts: [&'static str; 2],
) -> Themed {
    Themed { colour, class, shapes, texts }
}

const THEME: [Themed; 12] = [
    themed(INK, "ink", ["#222", "#dde1e6"], ["#222", "#e8ebee"]),
    themed(FAINT, "faint", ["#606060", "#8b939c"], ["#565b61", "#a9b1ba"]),
    themed(GRID, "grid", ["#e0e0e0", "#30363d"], ["#606060", "#a9b1ba"]),
    themed(HATCH, "hatch", ["#cdcdcd", "#3d444d"], ["#606060", "#a9b1ba"]),
    themed(WHITE, "paper", ["#fff", "#14181d"], ["#fff", "#14181d"]),
    themed(BLUE, "blue", ["#0072b2", "#3fa2e0"], ["#0069a3", "#5cb2ea"]),
    themed(VERMILLION, "vermillion", ["#d55e00", "#ee7a2b"], ["#b04e00", "#f58a42"]),
    themed(GREEN, "green", ["#009e73", "#1fb98c"], ["#00724f", "#35c79b"]),
    themed(PURPLE, "purple", ["#cc79a7", "#d78fb8"], ["#a03f77", "#e0a0c4"]),
    themed(ORANGE, "orange", ["#e69f00", "#e8ab26"], ["#865c00", "#edb540"]),
    themed(SKY, "sky", ["#56b4e9", "#6fc3f2"], ["#1f6f9e", "#7ecbf5"]),
    themed(BLACK, "black", ["#000", "#f4f6f8"], ["#000", "#f4f6f8"]),
];

/// The class of a colour in SVG; `None` for one that pictures do not use.
pub fn class(colour: RGBColor) -> Option<String> {
    let themed = THEME.iter().find(|one| one.colour == colour);
    themed.map(|one| one.class.to_owned()).or_else(|| {
        (0..SHADES).find(|number| shade(*number) == colour).map(|number| format!("v{number}"))
    })
}

/// Style rules of the classes: `f` fills, `s` draws lines, `t` writes; on white or, if `dark`, on
/// black.
pub fn style(dark: bool) -> String {
    let mut rules = String::new();
    for Themed { class, shapes, texts, .. } in &THEME {
        let (shape, text) = (shapes[usize::from(dark)], texts[usize::from(dark)]);
        rules.push_str(&format!(".f.{class}{{fill:{shape}}}.s.{class}{{stroke:{shape}}}"));
        rules.push_str(&format!(".t.{class}{{fill:{text}}}"));
    }
    for number in 0..SHADES {
        // The darkest of the shades would not be seen on black.
        let share = f64::from(number) / f64::from(SHADES - 1);
        let RGBColor(r, g, b) = sequential(if dark { 0.25 + 0.75 * share } else { share });
        rules.push_str(&format!(".v{number}{{fill:#{r:02x}{g:02x}{b:02x}}}"));
    }
    rules
}
