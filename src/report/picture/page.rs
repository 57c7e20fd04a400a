//! A sheet to draw on: shapes and text in pixels, and the surface that takes them.

use std::sync::OnceLock;

use plotters::style::{FontDesc, FontFamily, FontStyle, RGBColor, WHITE, register_font};

/// Why a picture could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PictureError(String);

impl PictureError {
    /// From whatever a library says.
    pub fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Success, or why not.
pub type Drawn = Result<(), PictureError>;

/// The name under which the bundled fonts are registered.
const FONT: &str = "loadgen";
/// DejaVu Sans; the licence lies beside it.
const REGULAR: &[u8] = include_bytes!("../assets/DejaVuSans.ttf");
const BOLD: &[u8] = include_bytes!("../assets/DejaVuSans-Bold.ttf");

/// Text size of a picture's title, in pixels.
pub const TITLE: u32 = 58;
/// Text size of what stands beside and below titles.
pub const NOTE: u32 = 40;
/// Text size of axes and labels; legible when the picture is halved.
pub const LABEL: u32 = 36;

/// Colour of titles and labels.
pub const INK: RGBColor = RGBColor(34, 34, 34);
/// Colour of what explains.
pub const FAINT: RGBColor = RGBColor(96, 96, 96);
/// Colour of grid lines.
pub const GRID: RGBColor = RGBColor(224, 224, 224);
/// Colour of hatches.
pub const HATCH: RGBColor = RGBColor(205, 205, 205);

/// Where a text stands to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// It begins there.
    Left,
    /// Its middle is there.
    Centre,
    /// It ends there.
    Right,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stroke {
    /// Its colour.
    pub colour: RGBColor,
    /// Its width, in pixels.
    pub width: u32,
    /// Whether it is broken, to tell apart what has the same colour.
    pub dashed: bool,
}

impl Stroke {
    /// An unbroken line.
    pub fn solid(colour: RGBColor, width: u32) -> Self {
        Self { colour, width, dashed: false }
    }

    /// A broken line.
    pub fn dashed(colour: RGBColor, width: u32) -> Self {
        Self { colour, width, dashed: true }
    }
}

/// A place in pixels: to the right, and downwards.
pub type Point = (i32, i32);

/// What shapes and texts become: pixels, or elements of SVG.
pub trait Surface {
    /// As [`Page::fill`].
    fn fill(&self, from: Point, to: Point, colour: RGBColor, opacity: f64) -> Drawn;
    /// As [`Page::path`].
    fn path(&self, points: &[Point], stroke: Stroke) -> Drawn;
    /// As [`Page::disc`].
    fn disc(&self, centre: Point, radius: u32, colour: RGBColor) -> Drawn;
    /// As [`Page::text`].
    fn text(&self, at: Point, align: Align, text: &str, font: Font, colour: RGBColor) -> Drawn;
    /// As [`Page::note`].
    fn note(&self, from: Point, to: Point, text: &str) -> Drawn;
}

/// Size in pixels, and whether bold.
pub type Font = (u32, bool);

/// The sheet.
pub struct Page<'a> {
    surface: &'a dyn Surface,
    /// Width, in pixels.
    pub width: i32,
    /// Height, in pixels.
    pub height: i32,
    /// Width of the narrowest mark that is worth its bytes, in pixels.
    pub grain: i32,
}

/// Registers the bundled fonts, once.
pub fn fonts() -> Drawn {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered = *REGISTERED.get_or_init(|| {
        register_font(FONT, FontStyle::Normal, REGULAR).is_ok()
            && register_font(FONT, FontStyle::Bold, BOLD).is_ok()
    });
    registered.then_some(()).ok_or_else(|| PictureError::new("the bundled font cannot be read"))
}

/// The bundled font.
pub fn font(size: u32, bold: bool) -> FontDesc<'static> {
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    FontDesc::new(FontFamily::Name(FONT), f64::from(size), style)
}

/// Width of a text, in pixels.
pub fn text_width(text: &str, size: u32, bold: bool) -> i32 {
    font(size, bold).box_size(text).map_or(0, |(width, _)| width as i32)
}

/// `text` in at most `room` pixels; a longer one loses its end.
pub fn fitted(text: &str, size: u32, bold: bool, room: i32) -> String {
    // Nothing longer could fit on any page, and measuring costs time for each character.
    let text: String = text.chars().filter(|c| !c.is_control()).take(400).collect();
    if text_width(&text, size, bold) <= room {
        return text;
    }
    let mut short = text;
    while short.pop().is_some() {
        let candidate = format!("{}…", short.trim_end());
        if text_width(&candidate, size, bold) <= room {
            return candidate;
        }
    }
    String::new()
}

impl<'a> Page<'a> {
    /// A sheet over a surface of this size.
    pub fn new(surface: &'a dyn Surface, width: i32, height: i32, grain: i32) -> Self {
        Self { surface, width, height, grain: grain.max(1) }
    }

    /// Marks of the narrowest kind that fit into a width; at least 1.
    pub fn steps(&self, width: i32) -> usize {
        (width / self.grain).max(1) as usize
    }

    /// A filled rectangle up to, and without, the pixel `to`; `opacity` from 0 to 1.
    pub fn fill(&self, from: Point, to: Point, colour: RGBColor, opacity: f64) -> Drawn {
        self.surface.fill(self.on(from), self.on(to), colour, opacity)
    }

    /// A straight line.
    pub fn line(&self, from: Point, to: Point, stroke: Stroke) -> Drawn {
        self.path(&[from, to], stroke)
    }

    /// A line through points.
    pub fn path(&self, points: &[Point], stroke: Stroke) -> Drawn {
        let points: Vec<_> = points.iter().map(|point| self.on(*point)).collect();
        self.surface.path(&points, stroke)
    }

    /// A filled circle.
    pub fn disc(&self, centre: Point, radius: u32, colour: RGBColor) -> Drawn {
        self.surface.disc(self.on(centre), radius, colour)
    }

    /// One line of text whose capitals are centred on the height of `at`.
    pub fn text(&self, at: Point, align: Align, text: &str, font: Font, colour: RGBColor) -> Drawn {
        self.surface.text(at, align, text, font, colour)
    }

    /// Exact values of what a rectangle shows: seen when pointed at, where that is possible.
    pub fn note(&self, from: Point, to: Point, text: &str) -> Drawn {
        self.surface.note(self.on(from), self.on(to), text)
    }

    /// As [`Page::text`] in label size, on a white ground, so that it is legible over lines.
    pub fn label(
        &self,
        at: Point,
        align: Align,
        text: &str,
        bold: bool,
        colour: RGBColor,
    ) -> Drawn {
        let width = text_width(text, LABEL, bold);
        let left = if align == Align::Right { at.0 - width } else { at.0 };
        self.fill((left - 4, at.1 - 18), (left + width + 4, at.1 + 20), WHITE, 0.8)?;
        self.text((left, at.1), Align::Left, text, (LABEL, bold), colour)
    }

    /// Sentences in the middle of a rectangle: why there is nothing to be seen.
    pub fn words(&self, from: Point, to: Point, text: &str) -> Drawn {
        let centre = ((from.0 + to.0) / 2, (from.1 + to.1) / 2);
        let text = fitted(text, LABEL, false, to.0 - from.0 - 20);
        self.text(centre, Align::Centre, &text, (LABEL, false), FAINT)
    }

    /// Keeps coordinates on the page, so that no value can send the rasterizer far away.
    fn on(&self, (x, y): Point) -> Point {
        (x.clamp(0, self.width - 1), y.clamp(0, self.height - 1))
    }
}
