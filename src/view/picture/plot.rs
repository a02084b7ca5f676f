//! The light curve of a picture.

use tiny_skia::{Color, PathBuilder, Rect};

use super::super::axis::{self, Range};
use super::super::document::Document;
use super::super::light_curve::bands::{BandStyle, Marker};
use super::super::light_curve::{Kind, LightCurve, View};
use super::super::time;
use super::canvas::{Anchor, Canvas, TextStyle, color, faded};
use super::markers;
use super::style::{INK, MUTED, style};

const RADIUS: f32 = 5.5;
/// The view that is drawn.
const VIEW: usize = 0;

struct Plot {
    area: Rect,
    time: Range,
    brightness: Range,
    is_inverted: bool,
}

impl Plot {
    fn x(&self, mjd: f64) -> f32 {
        self.area.left() + self.time.share(mjd) as f32 * self.area.width()
    }

    fn y(&self, value: f64) -> f32 {
        let share = self.brightness.share(value) as f32;
        let share = if self.is_inverted { share } else { 1.0 - share };
        self.area.top() + share.clamp(-1.0, 2.0) * self.area.height()
    }
}

/// Draws the light curve within a frame.
pub fn draw(canvas: &mut Canvas, document: &Document, frame: Rect) {
    let curve = &document.curve;
    let ranges = axis::ranges(curve, VIEW);
    let (Some((time, brightness)), Some(view)) = (ranges, curve.views.first()) else {
        let middle = (frame.left() + frame.width() / 2.0, frame.top() + frame.height() / 2.0);
        canvas.text(
            middle.0,
            middle.1,
            "This alert has no light curve.",
            TextStyle { anchor: Anchor::Middle, ..style(15.0, MUTED) },
        );
        return;
    };
    let labels = axis::ticks(brightness, 8.0);
    let widest = labels.iter().map(|(_, text)| canvas.width(text, style(13.0, INK))).fold(0.0, f32::max);
    let left = frame.left() + widest + 40.0;
    let Some(area) = Rect::from_ltrb(left, frame.top() + 44.0, frame.right(), frame.bottom() - 46.0) else { return };
    let plot = Plot { area, time, brightness, is_inverted: view.is_inverted };
    let bands = curve.bands(document.survey);
    axes(canvas, &plot, view, &labels, curve.is_tai);
    legend(canvas, curve, &bands, (area.left() + 4.0, frame.top() + 8.0));
    points(canvas, &plot, curve, &bands);
}

fn axes(canvas: &mut Canvas, plot: &Plot, view: &View, labels: &[(f64, String)], is_tai: bool) {
    let area = plot.area;
    let (grid, ink, muted) = (color("#ECEEF2"), color(INK), color(MUTED));
    let middle = |size, tone| TextStyle { anchor: Anchor::Middle, ..style(size, tone) };
    let times = axis::ticks(plot.time, 10.0);
    // The first date is about 70 pixels wide, and may begin before the axis.
    let first = times.first().map_or(area.left(), |(at, _)| plot.x(*at) - 31.0);
    let before_dates = area.left().min(first) - 10.0;
    for (at, text) in times {
        let x = plot.x(at);
        canvas.line((x, area.top()), (x, area.bottom()), grid, 1.0);
        canvas.line((x, area.bottom()), (x, area.bottom() + 5.0), muted, 1.0);
        canvas.text(x, area.bottom() + 20.0, &text, middle(13.0, INK));
        // The date of each tick below stands above it.
        let utc = time::utc(time::to_ms(at));
        let is_short = plot.time.high - plot.time.low < 4.0;
        let date: String = utc.chars().take(if is_short { 16 } else { 10 }).collect();
        if !is_short || (x > area.left() + 40.0 && x < area.right() - 40.0) {
            canvas.line((x, area.top() - 5.0), (x, area.top()), muted, 1.0);
            canvas.text(x, area.top() - 9.0, &date, middle(if is_short { 10.0 } else { 12.0 }, MUTED));
        }
    }
    canvas.text(before_dates, area.top() - 9.0, "UTC", TextStyle { anchor: Anchor::End, ..style(12.0, MUTED) });
    for (at, text) in labels {
        let y = plot.y(*at);
        canvas.line((area.left(), y), (area.right(), y), grid, 1.0);
        canvas.line((area.left() - 5.0, y), (area.left(), y), muted, 1.0);
        canvas.text(area.left() - 9.0, y + 4.5, text, TextStyle { anchor: Anchor::End, ..style(13.0, INK) });
    }
    if view.has_zero && plot.brightness.low < 0.0 && plot.brightness.high > 0.0 {
        canvas.dashed((area.left(), plot.y(0.0)), (area.right(), plot.y(0.0)), muted);
    }
    canvas.frame(area, muted, 1.0);
    let scale = if is_tai { "MJD, UTC (= TAI − 37 s)" } else { "MJD, UTC" };
    canvas.text(
        (area.left() + area.right()) / 2.0,
        area.bottom() + 41.0,
        scale,
        TextStyle { color: ink, ..middle(14.0, INK) },
    );
    let label = match view.unit.is_empty() || view.is_inverted {
        true => view.label.to_owned(),
        false => format!("{} ({})", view.label, view.unit),
    };
    let y = (area.top() + area.bottom()) / 2.0;
    canvas.turned_text(54.0, y, &label, middle(14.0, INK), -90.0);
}

/// The mark of a band: with limits on, a filled triangle pointing down would look like one.
fn marker_of(band: &BandStyle, has_limits: bool) -> Marker {
    if has_limits && band.marker == Marker::TriangleDown { Marker::Diamond } else { band.marker }
}

fn has_limits(curve: &LightCurve) -> bool {
    axis::points(curve, VIEW).any(|(point, _)| point.kind == Kind::Limit)
}

fn legend(canvas: &mut Canvas, curve: &LightCurve, bands: &[BandStyle], place: (f32, f32)) {
    let (mut x, y) = place;
    let text = style(13.0, INK);
    let is_drawn = |band: &&BandStyle| axis::points(curve, VIEW).any(|(point, _)| point.band == band.name);
    for band in bands.iter().filter(is_drawn) {
        markers::draw(canvas, marker_of(band, has_limits(curve)), (x, y), RADIUS, color(band.color), false);
        canvas.text(x + 12.0, y + 4.5, &band.name, text);
        x += 34.0 + canvas.width(&band.name, text);
    }
    let mut entry = |canvas: &mut Canvas, name: &str, draw: &dyn Fn(&mut Canvas, (f32, f32))| {
        draw(canvas, (x, y));
        canvas.text(x + 18.0, y + 4.5, name, text);
        x += 40.0 + canvas.width(name, text);
    };
    if axis::points(curve, VIEW).any(|(point, _)| point.is_negative && point.kind == Kind::Detection) {
        entry(canvas, "negative", &|canvas, place| {
            markers::draw(canvas, Marker::Circle, place, RADIUS, color(MUTED), true)
        });
    }
    if has_limits(curve) {
        entry(canvas, "upper limits", &|canvas, place| markers::draw_limit(canvas, place, RADIUS, color(INK)));
    }
    entry(canvas, " this alert", &|canvas, place| ring(canvas, (place.0 + 4.0, place.1)));
}

fn points(canvas: &mut Canvas, plot: &Plot, curve: &LightCurve, bands: &[BandStyle]) {
    let has_limits = has_limits(curve);
    let mut points: Vec<_> = axis::points(curve, VIEW).collect();
    // What is drawn later is on top.
    points.sort_by_key(|(point, _)| (point.is_present, point.kind == Kind::Detection));
    for (point, measured) in points {
        let Some(band) = bands.iter().find(|band| band.name == point.band) else { continue };
        let tone: Color = color(if point.is_negative { band.negative } else { band.color });
        let place = (plot.x(point.mjd), plot.y(measured.value));
        if let Some(error) = measured.error {
            let clip = |y: f32| y.clamp(plot.area.top(), plot.area.bottom());
            let ends = [measured.value - error, measured.value + error].map(|value| clip(plot.y(value)));
            canvas.line((place.0, ends[0]), (place.0, ends[1]), faded(tone, 0.5), 1.5);
        }
        match point.kind {
            Kind::Limit => markers::draw_limit(canvas, place, RADIUS, tone),
            _ => markers::draw(canvas, marker_of(band, has_limits), place, RADIUS, tone, point.is_negative),
        }
        if point.is_present {
            ring(canvas, place);
        }
    }
}

/// What marks the alert that is looked at.
fn ring(canvas: &mut Canvas, place: (f32, f32)) {
    if let Some(circle) = PathBuilder::from_circle(place.0, place.1, 2.1 * RADIUS) {
        canvas.stroke(&circle, color(INK), 1.8);
    }
}
