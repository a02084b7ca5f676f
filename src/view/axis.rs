//! Ranges of values and round numbers between them; the page does the same in assets/plot.js and assets/ticks.js.

use super::light_curve::{Kind, LightCurve, Measured, Point};

/// Errors beyond this part of the range of values do not widen the axis.
const WIDEST_ERROR: f64 = 0.5;

/// A range of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// the least value
    pub low: f64,
    /// the greatest
    pub high: f64,
}

impl Range {
    /// Where a value stands: 0 at the least, 1 at the greatest.
    pub fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        values.fold(None, |range: Option<Self>, value| {
            Some(range.map_or(Self { low: value, high: value }, |range| Self {
                low: range.low.min(value),
                high: range.high.max(value),
            }))
        })
    }

    fn pad(self, by: f64) -> Self {
        Self { low: self.low - by, high: self.high + by }
    }
}

/// The points that are drawn in a view without a choice of the user, with their values: forced photometry is not.
pub fn points(curve: &LightCurve, view: usize) -> impl Iterator<Item = (&Point, Measured)> {
    let shown = curve.points.iter().filter(|point| point.kind != Kind::Forced);
    shown.filter_map(move |point| Some((point, (*point.values.get(view)?)?)))
}

/// The ranges of time and of brightness; `None`: the view has no points.
pub fn ranges(curve: &LightCurve, view: usize) -> Option<(Range, Range)> {
    let style = curve.views.get(view)?;
    let time = Range::of(points(curve, view).map(|(point, _)| point.mjd))?;
    let values = Range::of(points(curve, view).map(|(_, measured)| measured.value))?;
    let size = if style.is_inverted { 1.0 } else { values.high.abs() };
    let most = WIDEST_ERROR * (values.high - values.low).max(size);
    let ends = points(curve, view).flat_map(|(_, Measured { value, error })| {
        let error = error.unwrap_or(0.0).min(most);
        [value - error, value + error]
    });
    let ends = Range::of(ends.chain(style.has_zero.then_some(0.0)))?;
    let span = time.high - time.low;
    let least = if style.is_inverted { 0.1 } else { 1e-9 + 0.02 * ends.high.abs() };
    let pad = (0.07 * (ends.high - ends.low)).max(least);
    Some((time.pad((0.04 * span).max(if span == 0.0 { 0.5 } else { 0.02 })), ends.pad(pad)))
}

/// Round numbers within a range, `most` of them or fewer, as text.
pub fn ticks(range: Range, most: f64) -> Vec<(f64, String)> {
    let rough = (range.high - range.low) / most.max(1.0);
    if !(rough > 0.0 && rough.is_finite()) {
        return Vec::new();
    }
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let decimals = (-(step.log10() + 1e-9).floor()).clamp(0.0, 12.0) as usize;
    let first = (range.low / step - 1e-9).ceil();
    let count = ((range.high / step + 1e-9).floor() - first).clamp(-1.0, 100.0) as i64;
    (0..=count)
        .map(|number| {
            let at = (first + number as f64) * step;
            let text = format!("{:.decimals$}", if at.abs() < step * 1e-9 { 0.0 } else { at });
            (at, text.replace('-', "−"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        let labels =
            |low, high, most| ticks(Range { low, high }, most).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(labels(17.93, 20.4, 6.0), ["18.0", "18.5", "19.0", "19.5", "20.0"]);
        assert_eq!(labels(-120.0, 1700.0, 5.0), ["0", "500", "1000", "1500"]);
        assert_eq!(labels(-1.1, 1.1, 3.0), ["−1", "0", "1"]);
        assert!(labels(1.0, 1.0, 5.0).is_empty() && labels(f64::NAN, 1.0, 5.0).is_empty());
    }
}
