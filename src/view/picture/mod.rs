//! An alert as a picture, drawn without a browser: head, light curve, stamps.
//!
//! `tiny-skia` fills outlines, `ttf-parser` reads those of letters; both have no C code and no fonts of the system are needed.

mod canvas;
mod markers;
mod plot;
mod stamps;
mod style;

use tiny_skia::Rect;

use self::canvas::{Canvas, TextStyle};
use self::stamps::{SIDE, wrap};
use self::style::{INK, MUTED, style};
use super::document::Document;
use super::error::ViewError;

/// Pixels.
const WIDTH: u32 = 1200;
const HEIGHT: u32 = 900;
const MARGIN: f32 = 40.0;
/// Columns of the head, and the distance of its lines.
const COLUMNS: usize = 4;
const LINE_HEIGHT: f32 = 21.0;
/// Where the stamps begin.
const STAMPS_TOP: u32 = 612;
const STAMP_GAP: u32 = 22;

/// The picture of an alert, 1200 × 900 pixels, as a PNG file.
///
/// # Errors
/// The picture cannot be encoded.
pub fn png(document: &Document) -> Result<Vec<u8>, ViewError> {
    let mut canvas = Canvas::new(WIDTH, HEIGHT)?;
    let bottom = head(&mut canvas, document);
    let frame = Rect::from_ltrb(MARGIN, bottom + 14.0, WIDTH as f32 - MARGIN, STAMPS_TOP as f32 - 34.0);
    if let Some(frame) = frame {
        plot::draw(&mut canvas, document, frame);
    }
    let mut x = MARGIN as u32;
    for (at, stamp) in document.stamps.iter().enumerate() {
        stamps::draw(&mut canvas, document, stamp, (x, STAMPS_TOP), at == 0);
        x += SIDE + STAMP_GAP;
    }
    notes(&mut canvas, document, x as f32 + 6.0);
    canvas.png()
}

/// Draws the head, and returns where it ends.
fn head(canvas: &mut Canvas, document: &Document) -> f32 {
    let title = TextStyle { is_bold: true, ..style(26.0, INK) };
    canvas.text(MARGIN, 54.0, &cut(canvas, &document.title, WIDTH as f32 - 2.0 * MARGIN, title), title);
    let width = (WIDTH as f32 - 2.0 * MARGIN) / COLUMNS as f32;
    let (label, value) = (style(13.0, MUTED), style(13.0, INK));
    let mut y = 84.0;
    for lines in document.lines.chunks(COLUMNS) {
        for (column, line) in lines.iter().enumerate() {
            let x = MARGIN + width * column as f32;
            canvas.text(x, y, line.label, label);
            let after = canvas.width(line.label, label) + 8.0;
            let text = cut(canvas, &line.text, width - after - 12.0, value);
            canvas.text(x + after, y, &text, value);
        }
        y += LINE_HEIGHT;
    }
    y
}

/// What is said of the light curve and of missing stamps, beside or in the place of the stamps.
fn notes(canvas: &mut Canvas, document: &Document, x: f32) {
    let text = style(13.0, MUTED);
    let mut notes = document.notes.clone();
    if document.stamps.is_empty() {
        notes.push("This alert has no stamps.".to_owned());
    }
    let mut y = STAMPS_TOP as f32 + 12.0;
    for note in &notes {
        for line in wrap(canvas, note, WIDTH as f32 - MARGIN - x, text) {
            canvas.text(x, y, &line, text);
            y += 19.0;
        }
        y += 8.0;
    }
}

/// The text, or as much of it as there is room for.
fn cut(canvas: &Canvas, text: &str, width: f32, style: TextStyle) -> String {
    if canvas.width(text, style) <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(400).collect();
    while !short.is_empty() && canvas.width(&format!("{short}…"), style) > width {
        short.pop();
    }
    format!("{short}…")
}
