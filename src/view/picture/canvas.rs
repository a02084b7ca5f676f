//! Lines, areas and text on pixels.

use tiny_skia::{Color, FillRule, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, StrokeDash, Transform};
use ttf_parser::{Face, OutlineBuilder};

use super::super::error::ViewError;

/// DejaVu Sans, of which the letters, digits and signs of a picture are kept; its licence is beside it.
const REGULAR: &[u8] = include_bytes!("DejaVuSans.subset.ttf");
const BOLD: &[u8] = include_bytes!("DejaVuSans-Bold.subset.ttf");

/// Where a text stands to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// it begins there
    Start,
    /// its middle is there
    Middle,
    /// it ends there
    End,
}

/// How a text is written.
#[derive(Clone, Copy, Debug)]
pub struct TextStyle {
    /// pixels
    pub size: f32,
    /// whether it is bold
    pub is_bold: bool,
    /// where it stands to its place
    pub anchor: Anchor,
    /// its colour
    pub color: Color,
}

/// A picture in the making.
pub struct Canvas {
    pixels: Pixmap,
    regular: Face<'static>,
    bold: Face<'static>,
}

/// A colour such as `#15284F`.
pub fn color(text: &str) -> Color {
    let part = |at: usize| text.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or(0);
    Color::from_rgba8(part(1), part(3), part(5), 255)
}

/// The colour, as much of it as `opacity` says.
pub fn faded(color: Color, opacity: f32) -> Color {
    let mut faded = color;
    faded.apply_opacity(opacity);
    faded
}

fn paint(color: Color) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color(color);
    paint
}

impl Canvas {
    /// A white picture.
    ///
    /// # Errors
    /// A size that has no pixels, or fonts that are damaged.
    pub fn new(width: u32, height: u32) -> Result<Self, ViewError> {
        let failed = |reason: &str| ViewError::Picture(reason.to_owned());
        let mut pixels = Pixmap::new(width, height).ok_or_else(|| failed("it has no size"))?;
        pixels.fill(Color::WHITE);
        let face = |bytes| Face::parse(bytes, 0).map_err(|error| failed(&error.to_string()));
        Ok(Self { pixels, regular: face(REGULAR)?, bold: face(BOLD)? })
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn png(&self) -> Result<Vec<u8>, ViewError> {
        self.pixels.encode_png().map_err(|error| ViewError::Picture(error.to_string()))
    }

    /// Fills an outline.
    pub fn fill(&mut self, path: &Path, color: Color) {
        self.pixels.fill_path(path, &paint(color), FillRule::Winding, Transform::identity(), None);
    }

    /// Draws an outline.
    pub fn stroke(&mut self, path: &Path, color: Color, width: f32) {
        let stroke = Stroke { width, ..Stroke::default() };
        self.pixels.stroke_path(path, &paint(color), &stroke, Transform::identity(), None);
    }

    /// Draws a line.
    pub fn line(&mut self, from: (f32, f32), to: (f32, f32), color: Color, width: f32) {
        self.stroke_line(from, to, color, Stroke { width, ..Stroke::default() });
    }

    /// Draws a line of dashes.
    pub fn dashed(&mut self, from: (f32, f32), to: (f32, f32), color: Color) {
        self.stroke_line(from, to, color, Stroke { dash: StrokeDash::new(vec![6.0, 5.0], 0.0), ..Stroke::default() });
    }

    fn stroke_line(&mut self, from: (f32, f32), to: (f32, f32), color: Color, stroke: Stroke) {
        let mut path = PathBuilder::new();
        path.move_to(from.0, from.1);
        path.line_to(to.0, to.1);
        if let Some(path) = path.finish() {
            self.pixels.stroke_path(&path, &paint(color), &stroke, Transform::identity(), None);
        }
    }

    /// Draws a frame.
    pub fn frame(&mut self, rect: Rect, color: Color, width: f32) {
        self.stroke(&PathBuilder::from_rect(rect), color, width);
    }

    /// Sets one pixel to a grey from 0 to 255.
    pub fn set_grey(&mut self, x: u32, y: u32, grey: u8) {
        let place = (y as usize * self.pixels.width() as usize + x as usize) * 4;
        if x < self.pixels.width()
            && let Some(pixel) = self.pixels.data_mut().get_mut(place..place + 4)
        {
            pixel.copy_from_slice(&[grey, grey, grey, 255]);
        }
    }

    /// Writes a text; its base line is at `y`.
    pub fn text(&mut self, x: f32, y: f32, text: &str, style: TextStyle) {
        self.turned_text(x, y, text, style, 0.0);
    }

    /// Writes a text that is turned by so many degrees around its place.
    pub fn turned_text(&mut self, x: f32, y: f32, text: &str, style: TextStyle, degrees: f32) {
        let shift = match style.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -self.width(text, style) / 2.0,
            Anchor::End => -self.width(text, style),
        };
        let face = if style.is_bold { &self.bold } else { &self.regular };
        let scale = style.size / f32::from(face.units_per_em());
        let mut outline = Outline { path: PathBuilder::new(), at: shift, scale };
        for letter in text.chars() {
            let glyph = face.glyph_index(letter).or_else(|| face.glyph_index('?')).unwrap_or_default();
            face.outline_glyph(glyph, &mut outline);
            outline.at += scale * f32::from(face.glyph_hor_advance(glyph).unwrap_or(0));
        }
        if let Some(path) = outline.path.finish() {
            let place = Transform::from_rotate(degrees).post_translate(x, y);
            self.pixels.fill_path(&path, &paint(style.color), FillRule::Winding, place, None);
        }
    }

    /// The width of a text, pixels.
    pub fn width(&self, text: &str, style: TextStyle) -> f32 {
        let face = if style.is_bold { &self.bold } else { &self.regular };
        let advance = |letter| {
            let glyph = face.glyph_index(letter).or_else(|| face.glyph_index('?')).unwrap_or_default();
            f32::from(face.glyph_hor_advance(glyph).unwrap_or(0))
        };
        text.chars().map(advance).sum::<f32>() * style.size / f32::from(face.units_per_em())
    }
}

/// The outlines of letters beside each other.
struct Outline {
    path: PathBuilder,
    at: f32,
    scale: f32,
}

impl Outline {
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        (self.at + self.scale * x, -self.scale * y)
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.place(x1, y1), self.place(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.place(x1, y1), self.place(x2, y2), self.place(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}
