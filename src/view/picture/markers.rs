//! The marks of points; the page has the same in assets/markers.js.

use std::f32::consts::PI;

use tiny_skia::{Color, Path, PathBuilder, Rect};

use super::super::light_curve::bands::Marker;
use super::canvas::{Canvas, faded};

/// A corner at each of `corners` directions, the first one turned by so many degrees from the top; with `inner`, a star.
fn polygon(x: f32, y: f32, radius: f32, corners: usize, turn: f32, inner: Option<f32>) -> Option<Path> {
    let count = if inner.is_some() { 2 * corners } else { corners };
    let mut path = PathBuilder::new();
    for at in 0..count {
        let angle = (turn + 360.0 * at as f32 / count as f32) * PI / 180.0;
        let size = if at % 2 == 1 { radius * inner.unwrap_or(1.0) } else { radius };
        let (px, py) = (x + size * angle.sin(), y - size * angle.cos());
        if at == 0 { path.move_to(px, py) } else { path.line_to(px, py) }
    }
    path.close();
    path.finish()
}

fn outline(marker: Marker, x: f32, y: f32, radius: f32) -> Option<Path> {
    match marker {
        Marker::Circle | Marker::DottedCircle | Marker::BarredCircle => PathBuilder::from_circle(x, y, radius),
        Marker::TriangleUp => polygon(x, y + 0.15 * radius, 1.3 * radius, 3, 0.0, None),
        Marker::TriangleDown => polygon(x, y - 0.15 * radius, 1.3 * radius, 3, 180.0, None),
        Marker::Square => polygon(x, y, 1.25 * radius, 4, 45.0, None),
        Marker::Diamond => polygon(x, y, 1.3 * radius, 4, 0.0, None),
        Marker::Star => polygon(x, y, 1.45 * radius, 5, 0.0, Some(0.45)),
        Marker::Pentagon => polygon(x, y, 1.2 * radius, 5, 0.0, None),
    }
}

/// Draws a mark; hollow ones show the white ground.
pub fn draw(canvas: &mut Canvas, marker: Marker, place: (f32, f32), radius: f32, color: Color, is_hollow: bool) {
    let (x, y) = place;
    let (fill, inside) = if is_hollow { (Color::WHITE, color) } else { (color, Color::WHITE) };
    let Some(path) = outline(marker, x, y, radius) else { return };
    canvas.fill(&path, fill);
    canvas.stroke(&path, color, 1.5);
    let mark = match marker {
        Marker::DottedCircle => PathBuilder::from_circle(x, y, 0.32 * radius),
        Marker::BarredCircle => Rect::from_xywh(x - 0.7 * radius, y - 0.22 * radius, 1.4 * radius, 0.44 * radius)
            .map(PathBuilder::from_rect),
        _ => None,
    };
    if let Some(mark) = mark {
        canvas.fill(&mark, inside);
    }
}

/// Draws an upper limit: an open triangle pointing down.
pub fn draw_limit(canvas: &mut Canvas, place: (f32, f32), radius: f32, color: Color) {
    if let Some(path) = outline(Marker::TriangleDown, place.0, place.1, radius) {
        canvas.stroke(&path, faded(color, 0.5), 1.5);
    }
}
