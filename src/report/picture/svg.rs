//! SVG for a page of HTML: real text, one element for all that looks alike, and classes instead of
//! colours, so that the page's style decides what they are.

use std::cell::RefCell;
use std::fmt::Write as _;

use plotters::style::RGBColor;

use super::page::{Align, Drawn, Font, LABEL, Page, PictureError, Point, Stroke, Surface, fonts};
use super::palette;

/// The elements that `paint` draws on a sheet of this size, without the `<svg>` around them; `grain`
/// is the width of the narrowest bar or place, in pixels.
pub fn elements(
    (width, height): (i32, i32),
    grain: i32,
    paint: impl FnOnce(&Page) -> Drawn,
) -> Result<String, PictureError> {
    // Texts are measured with the bundled font. It is wide, so that others fit as well.
    fonts()?;
    let svg = Svg::default();
    paint(&Page::new(&svg, width, height, grain))?;
    let mut canvas = svg.0.into_inner();
    canvas.close();
    Ok(canvas.text)
}

#[derive(Default)]
struct Svg(RefCell<Canvas>);

#[derive(Default)]
struct Canvas {
    text: String,
    /// The look of the path that is being written, and its commands.
    open: Option<(Look, String)>,
}

/// How a path is drawn; what looks alike and follows each other becomes one element.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Look {
    Filled(RGBColor, f64),
    Drawn(Stroke),
}

impl Canvas {
    /// The commands of a path of this look.
    fn path(&mut self, look: Look) -> &mut String {
        if self.open.as_ref().is_none_or(|(open, _)| *open != look) {
            self.close();
        }
        &mut self.open.get_or_insert_with(|| (look, String::new())).1
    }

    fn close(&mut self) {
        let Some((look, commands)) = self.open.take() else { return };
        let mut attributes = match look {
            Look::Filled(colour, _) => attribute("f", "fill", colour, ""),
            Look::Drawn(stroke) => attribute("s", "stroke", stroke.colour, ""),
        };
        match look {
            Look::Filled(_, opacity) if opacity < 1.0 => {
                push(&mut attributes, format_args!(" opacity=\"{opacity}\""));
            }
            Look::Filled(..) => {}
            Look::Drawn(Stroke { width, dashed, .. }) => {
                push(&mut attributes, format_args!(" stroke-width=\"{width}\""));
                attributes.push_str(if dashed { " stroke-dasharray=\"16 12\"" } else { "" });
            }
        }
        push(&mut self.text, format_args!("<path{attributes} d=\"{commands}\"/>"));
    }
}

/// A class for a colour that the page's style knows, else the colour itself.
fn attribute(kind: &str, name: &str, colour: RGBColor, more: &str) -> String {
    match palette::class(colour) {
        Some(class) => format!(" class=\"{kind} {class}{more}\""),
        None => {
            let RGBColor(r, g, b) = colour;
            format!(" class=\"{kind}{more}\" {name}=\"#{r:02x}{g:02x}{b:02x}\"")
        }
    }
}

/// The font size of CSS for one of a bitmap, which is the height from the highest to the lowest
/// letter: 1.164 em in DejaVu Sans.
pub fn em(size: u32) -> u32 {
    (f64::from(size) / 1.164).round() as u32
}

/// Writing to memory cannot fail.
fn push(text: &mut String, arguments: std::fmt::Arguments) {
    let _ = text.write_fmt(arguments);
}

/// The characters that mean something to HTML, as references.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

impl Surface for Svg {
    fn fill(&self, (x, y): Point, to: Point, colour: RGBColor, opacity: f64) -> Drawn {
        let (width, height) = ((to.0 - x).max(0), (to.1 - y).max(0));
        let mut canvas = self.0.borrow_mut();
        let path = canvas.path(Look::Filled(colour, opacity));
        push(path, format_args!("M{x} {y}h{width}v{height}h-{width}z"));
        Ok(())
    }

    fn path(&self, points: &[Point], stroke: Stroke) -> Drawn {
        let mut canvas = self.0.borrow_mut();
        trail(canvas.path(Look::Drawn(stroke)), points);
        Ok(())
    }

    fn disc(&self, (x, y): Point, radius: u32, colour: RGBColor) -> Drawn {
        let (r, left) = (radius, i64::from(x) - i64::from(radius));
        let across = 2 * i64::from(r);
        let mut canvas = self.0.borrow_mut();
        let path = canvas.path(Look::Filled(colour, 1.0));
        push(path, format_args!("M{left} {y}a{r} {r} 0 1 0 {across} 0a{r} {r} 0 1 0-{across} 0z"));
        Ok(())
    }

    fn text(
        &self,
        (x, y): Point,
        align: Align,
        text: &str,
        (size, bold): Font,
        colour: RGBColor,
    ) -> Drawn {
        let mut attributes = attribute("t", "fill", colour, if bold { " b" } else { "" });
        attributes.push_str(match align {
            Align::Left => "",
            Align::Centre => " text-anchor=\"middle\"",
            Align::Right => " text-anchor=\"end\"",
        });
        if size != LABEL {
            push(&mut attributes, format_args!(" font-size=\"{}\"", em(size)));
        }
        // Capitals are 0.63 of a size high, as in a bitmap.
        let y = y + (f64::from(size) * 0.315).round() as i32;
        let text = escaped(text);
        let mut canvas = self.0.borrow_mut();
        canvas.close();
        let element = format_args!("<text{attributes} x=\"{x}\" y=\"{y}\">{text}</text>");
        push(&mut canvas.text, element);
        Ok(())
    }

    fn note(&self, (x, y): Point, to: Point, text: &str) -> Drawn {
        let (width, height) = ((to.0 - x).max(1), (to.1 - y).max(1));
        let text = escaped(text);
        let mut canvas = self.0.borrow_mut();
        canvas.close();
        let area = format_args!(
            "<path class=\"n\" d=\"M{x} {y}h{width}v{height}h-{width}z\"><title>{text}</title></path>"
        );
        push(&mut canvas.text, area);
        Ok(())
    }
}

/// Appends a line through points: relative steps are shorter than places, and steps in one
/// direction are one step.
fn trail(path: &mut String, points: &[Point]) {
    let Some(&(x, y)) = points.first() else { return };
    push(path, format_args!("M{x} {y}"));
    let mut ahead: Point = (0, 0);
    for pair in points.windows(2) {
        let step = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
        let straight = step.0 == 0 && ahead.0 == 0 && step.1.signum() == ahead.1.signum()
            || step.1 == 0 && ahead.1 == 0 && step.0.signum() == ahead.0.signum();
        if straight {
            ahead = (ahead.0 + step.0, ahead.1 + step.1);
        } else {
            go(path, ahead);
            ahead = step;
        }
    }
    go(path, ahead);
}

fn go(path: &mut String, step: Point) {
    match step {
        (0, 0) => {}
        (dx, 0) => push(path, format_args!("h{dx}")),
        (0, dy) => push(path, format_args!("v{dy}")),
        (dx, dy) => push(path, format_args!("l{dx} {dy}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::palette::BLUE;
    use super::*;

    fn drawn(paint: impl FnOnce(&Page) -> Drawn) -> String {
        elements((1000, 1000), 12, paint).expect("drawn")
    }

    #[test]
    fn what_looks_alike_is_one_element() {
        let svg = drawn(|page| {
            page.fill((0, 0), (10, 20), BLUE, 1.0)?;
            page.fill((10, 5), (20, 20), BLUE, 1.0)?;
            page.fill((10, 5), (20, 20), BLUE, 0.5)
        });
        let two = "<path class=\"f blue\" d=\"M0 0h10v20h-10zM10 5h10v15h-10z\"/>";
        assert!(svg.starts_with(two), "{svg}");
        assert!(svg.ends_with("<path class=\"f blue\" opacity=\"0.5\" d=\"M10 5h10v15h-10z\"/>"));
    }

    #[test]
    fn lines_are_short() {
        let points = [(0, 9), (5, 9), (10, 9), (10, 3), (10, 3), (12, 1), (5000, 1)];
        let svg = drawn(|page| page.path(&points, Stroke::dashed(BLUE, 4)));
        assert!(svg.contains("d=\"M0 9h10v-6l2 -2h987\""), "on the page, and merged: {svg}");
        assert!(svg.contains("stroke-dasharray"), "{svg}");
    }

    #[test]
    fn texts_are_escaped() {
        let svg = drawn(|page| {
            page.text((0, 0), Align::Right, "<script>\"&\u{7}", (LABEL, true), BLUE)?;
            page.note((0, 0), (5, 5), "</title><script>")
        });
        assert!(svg.contains(">&lt;script&gt;&quot;&amp; </text>"), "{svg}");
        assert!(!svg.contains("<script"), "{svg}");
    }
}
