//! Pixels, and the PNG that they become.

use plotters::backend::BitMapBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, RGBColor, TextStyle, WHITE};

use super::page::{
    Align, Drawn, Font, Page, PictureError, Point, Stroke, Surface, font, fonts, text_width,
};

/// Width of the narrowest bar or place, in pixels.
const GRAIN: i32 = 6;

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
        area.fill(&WHITE).map_err(PictureError::new)?;
        let bitmap = Bitmap { area };
        paint(&Page::new(&bitmap, width as i32, height as i32, GRAIN))?;
        bitmap.area.present().map_err(PictureError::new)?;
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(PictureError::new)?;
    writer.write_image_data(&pixels).map_err(PictureError::new)?;
    writer.finish().map_err(PictureError::new)?;
    Ok(bytes)
}

struct Bitmap<'a> {
    area: DrawingArea<BitMapBackend<'a>, Shift>,
}

impl Surface for Bitmap<'_> {
    fn fill(&self, from: Point, to: Point, colour: RGBColor, opacity: f64) -> Drawn {
        let style = colour.mix(opacity).filled();
        self.area.draw(&Rectangle::new([from, to], style)).map_err(PictureError::new)
    }

    fn path(&self, points: &[Point], stroke: Stroke) -> Drawn {
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

    fn disc(&self, centre: Point, radius: u32, colour: RGBColor) -> Drawn {
        self.area.draw(&Circle::new(centre, radius, colour.filled())).map_err(PictureError::new)
    }

    fn text(
        &self,
        at: Point,
        align: Align,
        text: &str,
        (size, bold): Font,
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
        self.area.draw(&Text::new(text.to_owned(), (x, y), style)).map_err(PictureError::new)
    }

    fn note(&self, _: Point, _: Point, _: &str) -> Drawn {
        Ok(())
    }
}

impl Bitmap<'_> {
    fn segment(&self, from: Point, to: Point, stroke: Stroke) -> Drawn {
        let style = stroke.colour.stroke_width(stroke.width);
        self.area.draw(&PathElement::new([from, to], style)).map_err(PictureError::new)?;
        // Rounds the joint between two segments.
        if stroke.width > 2 { self.disc(to, stroke.width / 2, stroke.colour) } else { Ok(()) }
    }

    /// A broken segment that begins `phase` pixels into the pattern; the phase at its end.
    fn dashes(
        &self,
        from: Point,
        to: Point,
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
                self.area.draw(&dash).map_err(PictureError::new)?;
            }
            begin += PERIOD;
        }
        Ok((phase + length) % PERIOD)
    }
}
