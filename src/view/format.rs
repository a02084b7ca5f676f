//! Numbers as text.

use super::light_curve::Measured;

/// A value with as many digits as its error needs for two: `18.234 ± 0.051`, `1570 ± 290`.
pub fn measured(measured: Measured) -> String {
    let Some(error) = measured.error else { return significant(measured.value) };
    // 0.0995 has two digits as 0.10, not 0.100.
    let place =
        format!("{error:.1e}").split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok()).unwrap_or(0);
    let decimals = usize::try_from(1 - place).unwrap_or(0).min(9);
    let round = |value: f64| match place > 1 {
        true => (value / 10_f64.powi(place - 1)).round() * 10_f64.powi(place - 1),
        false => value,
    };
    format!("{:.decimals$} ± {:.decimals$}", round(measured.value), round(error))
}

/// A value with about five digits.
fn significant(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 1000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_has_two_digits() {
        let text = |value, error| measured(Measured { value, error });
        assert_eq!(text(18.234_4, Some(0.0512)), "18.234 ± 0.051");
        assert_eq!(text(20.279_18, Some(0.0996)), "20.28 ± 0.10");
        assert_eq!(text(1570.64, Some(285.49)), "1570 ± 290");
        assert_eq!(text(-123_456.7, Some(12_345.0)), "-123000 ± 12000");
        assert_eq!(text(3.0, Some(1e-12)), "3.000000000 ± 0.000000000");
        assert_eq!((text(17.25, None), text(123.456, None)), ("17.25".to_owned(), "123.5".to_owned()));
    }
}
