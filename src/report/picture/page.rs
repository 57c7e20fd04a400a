//! A sheet to draw on: shapes and text in pixels, and the PNG that they become.

use std::sync::OnceLock;

use plotters::backend::BitMapBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, RGBColor, TextStyle};
use plotters::style::{WHITE, register_font};

/// Why a picture could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PictureError(String);

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
#[derive(Debug, Clone, Copy)]
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

/// The sheet.
pub struct Page<'a> {
    area: DrawingArea<BitMapBackend<'a>, Shift>,
    /// Width, in pixels.
    pub width: i32,
    /// Height, in pixels.
    pub height: i32,
}

/// A PNG of `width` x `height` pixels (at most 16,384 each way) of what `paint` draws on white.
pub fn png(
    width: u32,
    height: u32,
    paint: impl FnOnce(&Page) -> Drawn,
) -> Result<Vec<u8>, PictureError> {
    fonts()?;
    let (width, height) = (width.clamp(16, 16_384), height.clamp(16, 16_384));
    let mut pixels = vec![0; width as usize * height as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        area.fill(&WHITE).map_err(wrong)?;
        let page = Page { area, width: width as i32, height: height as i32 };
        paint(&page)?;
        page.area.present().map_err(wrong)?;
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(wrong)?;
    writer.write_image_data(&pixels).map_err(wrong)?;
    writer.finish().map_err(wrong)?;
    Ok(bytes)
}

fn wrong(error: impl std::fmt::Display) -> PictureError {
    PictureError(error.to_string())
}

/// Registers the bundled fonts, once.
fn fonts() -> Drawn {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered = *REGISTERED.get_or_init(|| {
        register_font(FONT, FontStyle::Normal, REGULAR).is_ok()
            && register_font(FONT, FontStyle::Bold, BOLD).is_ok()
    });
    registered.then_some(()).ok_or_else(|| wrong("the bundled font cannot be read"))
}

fn font(size: u32, bold: bool) -> FontDesc<'static> {
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

impl Page<'_> {
    /// A filled rectangle up to, and without, the pixel `to`; `opacity` from 0 to 1.
    pub fn fill(&self, from: (i32, i32), to: (i32, i32), colour: RGBColor, opacity: f64) -> Drawn {
        let style = colour.mix(opacity).filled();
        self.area.draw(&Rectangle::new([self.on(from), self.on(to)], style)).map_err(wrong)
    }

    /// A straight line.
    pub fn line(&self, from: (i32, i32), to: (i32, i32), stroke: Stroke) -> Drawn {
        self.path(&[from, to], stroke)
    }

    /// A line through points.
    pub fn path(&self, points: &[(i32, i32)], stroke: Stroke) -> Drawn {
        let points: Vec<_> = points.iter().map(|point| self.on(*point)).collect();
        let mut phase = 0.0;
        for pair in points.windows(2) {
            if stroke.dashed {
                phase = self.dashes(pair[0], pair[1], stroke, phase)?;
            } else {
                self.segment(pair[0], pair[1], stroke)?;
            }
        }
        Ok(())
    }

    fn segment(&self, from: (i32, i32), to: (i32, i32), stroke: Stroke) -> Drawn {
        let style = stroke.colour.stroke_width(stroke.width);
        self.area.draw(&PathElement::new([from, to], style)).map_err(wrong)?;
        // Rounds the joint between two segments.
        if stroke.width > 2 { self.disc(to, stroke.width / 2, stroke.colour) } else { Ok(()) }
    }

    /// A broken segment that begins `phase` pixels into the pattern; the phase at its end.
    fn dashes(
        &self,
        from: (i32, i32),
        to: (i32, i32),
        stroke: Stroke,
        phase: f64,
    ) -> Result<f64, PictureError> {
        const ON: f64 = 16.0;
        const PERIOD: f64 = 28.0;
        let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
        let length = dx.hypot(dy);
        let at = |along: f64| {
            let share = (along / length).clamp(0.0, 1.0);
            (from.0 + (dx * share).round() as i32, from.1 + (dy * share).round() as i32)
        };
        let style = stroke.colour.stroke_width(stroke.width);
        let mut begin = -phase;
        while begin < length {
            if begin + ON > 0.0 {
                let dash = PathElement::new([at(begin), at(begin + ON)], style);
                self.area.draw(&dash).map_err(wrong)?;
            }
            begin += PERIOD;
        }
        Ok((phase + length) % PERIOD)
    }

    /// A filled circle.
    pub fn disc(&self, centre: (i32, i32), radius: u32, colour: RGBColor) -> Drawn {
        self.area.draw(&Circle::new(self.on(centre), radius, colour.filled())).map_err(wrong)
    }

    /// One line of text whose capitals are centred on the height of `at`.
    pub fn text(
        &self,
        at: (i32, i32),
        align: Align,
        text: &str,
        (size, bold): (u32, bool),
        colour: RGBColor,
    ) -> Drawn {
        let width = text_width(text, size, bold);
        let x = match align {
            Align::Left => at.0,
            Align::Centre => at.0 - width / 2,
            Align::Right => at.0 - width,
        };
        // plotters puts the baseline half a size below the point; capitals are 0.63 of it high.
        let y = at.1 - (f64::from(size) * 0.19).round() as i32;
        let style =
            TextStyle::from(font(size, bold)).color(&colour).pos(Pos::new(HPos::Left, VPos::Top));
        self.area.draw(&Text::new(text.to_owned(), (x, y), style)).map_err(wrong)
    }

    /// As [`Page::text`] in label size, on a white ground, so that it is legible over lines.
    pub fn label(
        &self,
        at: (i32, i32),
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
    pub fn words(&self, from: (i32, i32), to: (i32, i32), text: &str) -> Drawn {
        let centre = ((from.0 + to.0) / 2, (from.1 + to.1) / 2);
        let text = fitted(text, LABEL, false, to.0 - from.0 - 20);
        self.text(centre, Align::Centre, &text, (LABEL, false), FAINT)
    }

    /// Keeps coordinates on the page, so that no value can send the rasterizer far away.
    fn on(&self, (x, y): (i32, i32)) -> (i32, i32) {
        (x.clamp(0, self.width - 1), y.clamp(0, self.height - 1))
    }
}
