//! The stamps of a picture.

use tiny_skia::Rect;

use super::super::document::Document;
use super::super::stamps::image::Unit;
use super::super::stamps::render::source_pixel;
use super::super::stamps::stretch::Greys;
use super::super::stamps::{Kind, Stamp};
use super::super::survey::Survey;
use super::canvas::{Anchor, Canvas, TextStyle, color};
use super::style::{INK, LINE, MUTED, style};

/// Pixels along a side of a stamp on the picture.
/// A multiple of 63, the side of ZTF's.
pub const SIDE: u32 = 252;

/// Draws a stamp whose upper left corner is at a place; the first one has the arrows and the scale.
pub fn draw(canvas: &mut Canvas, document: &Document, stamp: &Stamp, place: (u32, u32), is_first: bool) {
    let (x, y) = (place.0 as f32, place.1 as f32);
    canvas.text(x, y - 8.0, stamp.kind.name(), TextStyle { is_bold: true, ..style(14.0, INK) });
    let side = SIDE as f32;
    if let Some(frame) = Rect::from_xywh(x - 0.5, y - 0.5, side + 1.0, side + 1.0) {
        canvas.frame(frame, color(LINE), 1.0);
    }
    let unit = match &stamp.units {
        Ok(units) => units.first(),
        Err(reason) => {
            let text = style(12.0, MUTED);
            for (at, line) in wrap(canvas, &format!("This stamp cannot be shown: {reason}"), side - 20.0, text)
                .iter()
                .take(12)
                .enumerate()
            {
                canvas.text(x + 10.0, y + 24.0 + 17.0 * at as f32, line, text);
            }
            None
        }
    };
    let Some(unit) = unit else { return };
    pixels(canvas, stamp.kind, unit, place);
    if document.survey == Survey::Ztf && document.is_negative && stamp.kind == Kind::Difference {
        let text = TextStyle { anchor: Anchor::End, ..style(12.0, MUTED) };
        canvas.text(x + side, y - 8.0, "negative, shown × −1", text);
    }
    if is_first && let Some(wcs) = &unit.wcs {
        orientation(canvas, (x, y));
        let scale = wcs.scale() * 3600.0;
        let seconds = if scale * unit.image.width.max(unit.image.height) as f64 > 25.0 { 10.0 } else { 1.0 };
        let length = (seconds / scale) as f32 * zoom(unit) as f32;
        double_line(canvas, (x + 12.0, y + side - 12.0), (x + 12.0 + length, y + side - 12.0));
        outlined(canvas, x + 12.0 + length / 2.0, y + side - 19.0, &format!("{seconds:.0}″"));
    }
}

/// Whole pixels of the picture for each pixel of the image.
fn zoom(unit: &Unit) -> u32 {
    let size = u32::try_from(unit.image.width.max(unit.image.height)).unwrap_or(u32::MAX);
    (SIDE / size).max(1)
}

fn pixels(canvas: &mut Canvas, kind: Kind, unit: &Unit, place: (u32, u32)) {
    let greys = match kind {
        Kind::Difference => Greys::of_difference(&unit.image),
        Kind::Science | Kind::Template => Greys::of_sky(&unit.image),
    };
    let (zoom, half) = (f64::from(zoom(unit)), f64::from(SIDE) / 2.0);
    for row in 0..SIDE {
        for column in 0..SIDE {
            let right = (f64::from(column) + 0.5 - half) / zoom;
            let up = (half - f64::from(row) - 0.5) / zoom;
            let (x, y) = source_pixel(unit, right, up);
            if let Some(value) = unit.image.value(x, y) {
                canvas.set_grey(place.0 + column, place.1 + row, (255.0 * greys.grey(value)) as u8);
            }
        }
    }
}

/// North is up and east is left on every stamp with coordinates.
fn orientation(canvas: &mut Canvas, place: (f32, f32)) {
    let corner = (place.0 + SIDE as f32 - 38.0, place.1 + SIDE as f32 - 38.0);
    for (name, right, up) in [("N", 0.0, 1.0), ("E", -1.0, 0.0)] {
        let tip = (corner.0 + 20.0 * right, corner.1 - 20.0 * up);
        double_line(canvas, corner, tip);
        for turn in [-1.0, 1.0] {
            double_line(
                canvas,
                tip,
                (tip.0 - 5.0 * (right - turn * up * 0.7), tip.1 + 5.0 * (up + turn * right * 0.7)),
            );
        }
        outlined(canvas, corner.0 + 29.0 * right, corner.1 - 29.0 * up + 4.5, name);
    }
}

fn double_line(canvas: &mut Canvas, from: (f32, f32), to: (f32, f32)) {
    canvas.line(from, to, color("#000000"), 3.6);
    canvas.line(from, to, color("#FFE066"), 1.6);
}

fn outlined(canvas: &mut Canvas, x: f32, y: f32, text: &str) {
    let style = TextStyle { size: 13.0, is_bold: true, anchor: Anchor::Middle, color: color("#000000") };
    for (dx, dy) in [(-1.2, 0.0), (1.2, 0.0), (0.0, -1.2), (0.0, 1.2)] {
        canvas.text(x + dx, y + dy, text, style);
    }
    canvas.text(x, y, text, TextStyle { color: color("#FFE066"), ..style });
}

/// The text in lines of at most so many pixels, broken at blanks.
pub fn wrap(canvas: &Canvas, text: &str, width: f32, style: TextStyle) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if canvas.width(&format!("{line} {word}"), style) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
