//! The limits that show the faint parts of an image: IRAF's zscale, as astropy's `ZScaleInterval` with its defaults computes it.

const SAMPLES: usize = 1000;
const CONTRAST: f64 = 0.25;
const MAX_REJECTED: f64 = 0.5;
const MIN_PIXELS: usize = 5;
/// Pixels further from the fitted line than this many standard deviations are rejected.
const REJECTION: f64 = 2.5;
const MAX_ITERATIONS: usize = 5;

/// The limits of finite values, in the order of the image; (0, 0) where there is none.
pub fn zscale(values: &[f32]) -> (f32, f32) {
    let stride = (values.len() / SAMPLES).max(1);
    let mut samples: Vec<f64> = values.iter().step_by(stride).take(SAMPLES).map(|value| f64::from(*value)).collect();
    samples.sort_by(f64::total_cmp);
    let (Some(least), Some(greatest)) = (samples.first().copied(), samples.last().copied()) else { return (0.0, 0.0) };
    let count = samples.len();
    let enough = MIN_PIXELS.max((count as f64 * MAX_REJECTED) as usize);
    let grow = ((count as f64 * 0.01) as usize).max(1);
    let mut rejected = vec![false; count];
    let (mut good, mut last_good, mut slope) = (count, count + 1, 0.0);
    for _ in 0..MAX_ITERATIONS {
        if good >= last_good || good < enough {
            break;
        }
        let line = fit(&samples, &rejected);
        slope = line.slope;
        let flat: Vec<f64> = samples.iter().enumerate().map(|(at, value)| value - line.at(at)).collect();
        let threshold = REJECTION * deviation(&flat, &rejected);
        for (residual, rejected) in flat.iter().zip(&mut rejected) {
            *rejected |= residual.abs() > threshold;
        }
        rejected = widen(&rejected, grow);
        last_good = good;
        good = rejected.iter().filter(|rejected| !**rejected).count();
    }
    if good < enough {
        return (least as f32, greatest as f32);
    }
    let slope = slope / CONTRAST;
    let centre = (count - 1) / 2;
    let median = (samples[(count - 1) / 2] + samples[count / 2]) / 2.0;
    let low = least.max(median - (centre as f64 - 1.0) * slope);
    let high = greatest.min(median + (count - centre) as f64 * slope);
    (low as f32, high as f32)
}

struct Line {
    slope: f64,
    intercept: f64,
}

impl Line {
    fn at(&self, index: usize) -> f64 {
        self.intercept + self.slope * index as f64
    }
}

/// The line of least squares through the values that are not rejected.
fn fit(values: &[f64], rejected: &[bool]) -> Line {
    let kept = || {
        values.iter().enumerate().zip(rejected).filter(|(_, rejected)| !**rejected).map(|((at, y), _)| (at as f64, *y))
    };
    let count = kept().count().max(1) as f64;
    let (mean_x, mean_y) = (kept().map(|(x, _)| x).sum::<f64>() / count, kept().map(|(_, y)| y).sum::<f64>() / count);
    let spread: f64 = kept().map(|(x, _)| (x - mean_x) * (x - mean_x)).sum();
    let product: f64 = kept().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let slope = if spread > 0.0 { product / spread } else { 0.0 };
    Line { slope, intercept: mean_y - slope * mean_x }
}

/// The standard deviation of the values that are not rejected.
fn deviation(values: &[f64], rejected: &[bool]) -> f64 {
    let kept = || values.iter().zip(rejected).filter(|(_, rejected)| !**rejected).map(|(value, _)| *value);
    let count = kept().count().max(1) as f64;
    let mean = kept().sum::<f64>() / count;
    (kept().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count).sqrt()
}

/// Rejects also the neighbours: `numpy.convolve(rejected, ones(width), mode="same")`.
fn widen(rejected: &[bool], width: usize) -> Vec<bool> {
    let after = (width - 1) / 2;
    let is_near = |at: usize| {
        let end = (at + after + 1).min(rejected.len());
        let start = (at + after + 1).saturating_sub(width);
        rejected.get(start..end).is_some_and(|near| near.contains(&true))
    };
    (0..rejected.len()).map(is_near).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that look like a sky with a source, the same as in the comparison with astropy in tests/python/view_oracle.py.
    fn sky() -> Vec<f32> {
        let mut state = 1_u32;
        (0..63 * 63)
            .map(|at: i32| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (x, y) = (at % 63 - 31, at / 63 - 31);
                let source = 5000.0 * (-((x * x + y * y) as f64) / 8.0).exp();
                (f64::from(state >> 8) / 16_777_216.0 * 40.0 + 200.0 + source) as f32
            })
            .collect()
    }

    #[test]
    fn the_limits_are_those_of_astropy() {
        let (low, high) = zscale(&sky());
        assert!((low - ASTROPY.0).abs() < 1e-3 && (high - ASTROPY.1).abs() < 1e-3, "{low} {high}");
    }

    /// ZScaleInterval().get_limits(sky)
    const ASTROPY: (f32, f32) = (200.023_06, 305.925_5);

    #[test]
    fn few_and_equal_values_have_limits() {
        assert_eq!(zscale(&[]), (0.0, 0.0));
        assert_eq!(zscale(&[3.0]), (3.0, 3.0));
        assert_eq!(zscale(&[7.0; 500]), (7.0, 7.0));
    }
}
