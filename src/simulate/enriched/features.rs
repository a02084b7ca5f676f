//! Features of a light curve in one band, as the package light-curve defines them (Malanchev et al. 2021, appendix A), which Fink extracts.

use super::column::columns;

columns! {
    Features "fink.lc_features" {
        mean: f64,
        weighted_mean: f64,
        standard_deviation: f64,
        median: f64,
        amplitude: f64,
        beyond_1_std: f64,
        cusum: f64,
        inter_percentile_range_10: f64,
        kurtosis: f64,
        linear_trend: f64,
        linear_trend_sigma: f64,
        linear_trend_noise: f64,
        linear_fit_slope: f64,
        linear_fit_slope_sigma: f64,
        linear_fit_reduced_chi2: f64,
        magnitude_percentage_ratio_40_5: f64,
        magnitude_percentage_ratio_20_10: f64,
        maximum_slope: f64,
        median_absolute_deviation: f64,
        median_buffer_range_percentage_10: f64,
        percent_amplitude: f64,
        mean_variance: f64,
        anderson_darling_normal: f64,
        chi2: f64,
        skew: f64,
        stetson_K: f64,
    }
}

/// One measurement.
#[derive(Clone, Copy)]
pub(super) struct Point {
    /// days
    pub(super) time: f64,
    /// magnitude or flux
    pub(super) value: f64,
    /// its standard deviation
    pub(super) error: f64,
}

/// A straight line through points.
struct Line {
    slope: f64,
    /// its standard deviation, in units of the points' errors
    sigma: f64,
    /// sum of the squared residuals, in the same units
    chi2: f64,
}

impl Features {
    /// Of points in the order of time; `None` if there is none. What needs more points is NaN.
    pub(super) fn of(points: &[Point]) -> Option<Self> {
        let count = points.len() as f64;
        if points.is_empty() {
            return None;
        }
        let values: Vec<f64> = points.iter().map(|point| point.value).collect();
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let mean = values.iter().sum::<f64>() / count;
        let weights: f64 = points.iter().map(|point| point.error.powi(-2)).sum();
        let weighted_mean = points.iter().map(|point| point.value * point.error.powi(-2)).sum::<f64>() / weights;
        let (low, high) = (quantile(&sorted, 0.0), quantile(&sorted, 1.0));
        let median = quantile(&sorted, 0.5);
        let moment = |power: i32| values.iter().map(|value| (value - mean).powi(power)).sum::<f64>();
        let deviation = (moment(2) / (count - 1.0)).sqrt();
        let share = |keeps: &dyn Fn(f64) -> bool| values.iter().filter(|value| keeps(**value)).count() as f64 / count;
        let mut deviations: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
        deviations.sort_by(f64::total_cmp);
        let range = |part: f64| quantile(&sorted, 1.0 - part) - quantile(&sorted, part);
        let pulls: Vec<f64> = points.iter().map(|point| (point.value - weighted_mean) / point.error).collect();
        let squares: f64 = pulls.iter().map(|pull| pull * pull).sum();
        let slopes = points.windows(2).map(|pair| (pair[1].value - pair[0].value) / (pair[1].time - pair[0].time));
        let needs = |least: usize, value: f64| Some(if points.len() >= least { value } else { f64::NAN });
        let (plain, fitted) = (Line::through(points, false), Line::through(points, true));
        let noise = (plain.chi2 / (count - 2.0)).sqrt();
        Some(Self {
            mean: Some(mean),
            weighted_mean: Some(weighted_mean),
            standard_deviation: needs(2, deviation),
            median: Some(median),
            amplitude: Some(0.5 * (high - low)),
            beyond_1_std: needs(2, share(&|value| (value - mean).abs() > deviation)),
            cusum: needs(2, cumulative_range(&values, mean) / (count * deviation)),
            inter_percentile_range_10: Some(range(0.1)),
            kurtosis: needs(4, {
                let (n, ratio) = (count, moment(4) / moment(2).powi(2));
                let head = n * (n + 1.0) * (n - 1.0) / ((n - 2.0) * (n - 3.0));
                head * ratio - 3.0 * (n - 1.0).powi(2) / ((n - 2.0) * (n - 3.0))
            }),
            linear_trend: needs(3, plain.slope),
            linear_trend_sigma: needs(3, plain.sigma * noise),
            linear_trend_noise: needs(3, noise),
            linear_fit_slope: needs(3, fitted.slope),
            linear_fit_slope_sigma: needs(3, fitted.sigma),
            linear_fit_reduced_chi2: needs(3, fitted.chi2 / (count - 2.0)),
            magnitude_percentage_ratio_40_5: needs(2, range(0.4) / range(0.05)),
            magnitude_percentage_ratio_20_10: needs(2, range(0.2) / range(0.1)),
            maximum_slope: needs(2, slopes.map(f64::abs).fold(0.0, f64::max)),
            median_absolute_deviation: Some(quantile(&deviations, 0.5)),
            median_buffer_range_percentage_10: Some(share(&|value| (value - median).abs() < 0.05 * (high - low))),
            percent_amplitude: Some((high - median).max(median - low)),
            mean_variance: needs(2, deviation / mean),
            anderson_darling_normal: needs(4, anderson_darling(&sorted, mean, deviation)),
            chi2: needs(2, squares / (count - 1.0)),
            skew: needs(3, {
                let sigma = (moment(2) / count).sqrt();
                (count * (count - 1.0)).sqrt() / (count - 2.0) * moment(3) / count / sigma.powi(3)
            }),
            stetson_K: needs(2, pulls.iter().map(|pull| pull.abs()).sum::<f64>() / (count * squares).sqrt()),
        })
    }
}

impl Line {
    /// By least squares; with or without the points' errors as weights.
    fn through(points: &[Point], is_weighted: bool) -> Self {
        let weight = |point: &Point| if is_weighted { point.error.powi(-2) } else { 1.0 };
        let sum = |of: &dyn Fn(&Point) -> f64| points.iter().map(|point| weight(point) * of(point)).sum::<f64>();
        let total = sum(&|_| 1.0);
        let (time, value) = (sum(&|point| point.time) / total, sum(&|point| point.value) / total);
        let spread = sum(&|point| (point.time - time).powi(2));
        let slope = sum(&|point| (point.time - time) * (point.value - value)) / spread;
        let chi2 = sum(&|point| (point.value - value - slope * (point.time - time)).powi(2));
        Self { slope, sigma: spread.recip().sqrt(), chi2 }
    }
}

/// By Hyndman and Fan's method 5.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = (part * sorted.len() as f64 - 0.5).clamp(0.0, (sorted.len() - 1) as f64);
    let (below, rest) = (place.floor() as usize, place.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + rest * (sorted[above] - sorted[below])
}

fn cumulative_range(values: &[f64], mean: f64) -> f64 {
    let (mut sum, mut low, mut high) = (0.0, f64::MAX, f64::MIN);
    for value in values {
        sum += value - mean;
        (low, high) = (low.min(sum), high.max(sum));
    }
    high - low
}

fn anderson_darling(sorted: &[f64], mean: f64, deviation: f64) -> f64 {
    let count = sorted.len() as f64;
    let terms = sorted.iter().enumerate().map(|(at, value)| {
        let below = normal_cdf((value - mean) / deviation).clamp(1e-12, 1.0 - 1e-12);
        let number = at as f64;
        (2.0 * number + 1.0) * below.ln() + (2.0 * (count - number) - 1.0) * (1.0 - below).ln()
    });
    (1.0 + 4.0 / count - 25.0 / count.powi(2)) * (-count - terms.sum::<f64>() / count)
}

/// Abramowitz and Stegun, formula 26.2.17; to 7 digits.
fn normal_cdf(x: f64) -> f64 {
    const B: [f64; 5] = [0.319_381_53, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let t = (1.0 + 0.231_641_9 * x.abs()).recip();
    let tail = B.iter().rev().fold(0.0, |sum, b| (sum + b) * t);
    let upper = tail * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    if x > 0.0 { 1.0 - upper } else { upper }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(value: Option<f64>, wanted: f64) {
        let value = value.expect("a value");
        assert!((value - wanted).abs() < 1e-6 * wanted.abs().max(1.0), "{value} instead of {wanted}");
    }

    #[test]
    fn features_are_those_of_the_package_light_curve() {
        let points = [(0.0, 18.2, 0.05), (1.1, 18.0, 0.04), (2.3, 17.7, 0.06), (4.0, 17.9, 0.05), (7.5, 18.6, 0.1)]
            .map(|(time, value, error)| Point { time, value, error });
        // As version 0.10 of the package returns them.
        let features = Features::of(&points).expect("points");
        close(features.mean, 18.08);
        close(features.weighted_mean, 18.009_244_992_296);
        close(features.standard_deviation, 0.342_052_627_530);
        close(features.median, 18.0);
        close(features.amplitude, 0.45);
        close(features.beyond_1_std, 0.4);
        close(features.cusum, 0.374_211_421_571);
        close(features.inter_percentile_range_10, 0.9);
        close(features.kurtosis, 0.699_101_468_336);
        close(features.linear_trend, 0.064_574_356_586);
        close(features.linear_trend_sigma, 0.056_140_894_004);
        close(features.linear_trend_noise, 0.329_025_873_903);
        close(features.linear_fit_slope, 0.009_527_720_739);
        close(features.linear_fit_slope_sigma, 0.012_168_487_857);
        close(features.linear_fit_reduced_chi2, 26.744_284_736_482);
        close(features.magnitude_percentage_ratio_40_5, 0.166_666_666_667);
        close(features.magnitude_percentage_ratio_20_10, 0.666_666_666_667);
        close(features.maximum_slope, 0.25);
        close(features.median_absolute_deviation, 0.2);
        close(features.median_buffer_range_percentage_10, 0.2);
        close(features.percent_amplitude, 0.6);
        close(features.mean_variance, 0.018_918_840_018);
        close(features.anderson_darling_normal, 0.168_985_780_353);
        close(features.chi2, 20.211_479_198_767);
        close(features.skew, 0.844_574_388_962);
        close(features.stetson_K, 0.860_102_517_411);
    }

    #[test]
    fn what_needs_more_points_is_nan() {
        assert!(Features::of(&[]).is_none());
        let single = Features::of(&[Point { time: 0.0, value: 18.2, error: 0.05 }]).expect("a point");
        close(single.mean, 18.2);
        close(single.amplitude, 0.0);
        assert!(single.linear_fit_slope.is_some_and(f64::is_nan) && single.chi2.is_some_and(f64::is_nan));
    }
}
