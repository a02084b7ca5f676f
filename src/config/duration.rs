//! Durations as users write them: `90s`, `5m`, `500ms`, `1h30m`; a bare number is seconds.

use std::time::Duration;

/// The units, from the longest, each with its nanoseconds.
const UNITS: [(&str, u128); 5] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
];

/// A century: longer is a slip of the pen, and what is shorter fits in milliseconds of any integer.
const MAX_DURATION_NANOS: u128 = 36_500 * 86_400_000_000_000;

/// Reads a duration: numbers with units `d`, `h`, `m`, `s`, `ms`, the longest unit first (`1h30m`), or a bare number of seconds.
/// Numbers may have decimals (`1.5s`).
///
/// # Errors
/// What is wrong with `text`, in words.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let reason = || format!("`{text}` is not a duration: write `90s`, `5m`, `500ms`, `1h30m` or a number of seconds");
    let mut rest = text;
    let mut units = UNITS.as_slice();
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        let nanos = if name.is_empty() && rest == text && after.is_empty() {
            1_000_000_000
        } else {
            let at = units.iter().position(|(unit, _)| *unit == name).ok_or_else(reason)?;
            let nanos = units[at].1;
            units = &units[at + 1..];
            nanos
        };
        let part = decimal(number, nanos).ok_or_else(reason)?;
        total = total
            .checked_add(part)
            .filter(|total| *total <= MAX_DURATION_NANOS)
            .ok_or_else(|| format!("`{text}` is longer than 36500 days"))?;
        rest = after;
    }
    if text.is_empty() {
        return Err(reason());
    }
    Ok(Duration::new((total / 1_000_000_000) as u64, (total % 1_000_000_000) as u32))
}

/// `number`, digits with at most one point between them, times `unit`.
fn decimal(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let scale = 10_u128.pow(fraction.len() as u32);
    let whole = whole.parse::<u128>().ok()?.checked_mul(unit)?;
    let fraction = fraction.parse::<u128>().ok()?.checked_mul(unit)? / scale;
    whole.checked_add(fraction)
}

/// Writes a duration so that [`parse_duration`] reads it back, down to the millisecond: `1h30m`, `500ms`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    let mut text = String::new();
    for (unit, nanos) in UNITS {
        if rest >= nanos {
            text.push_str(&format!("{}{unit}", rest / nanos));
            rest %= nanos;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn usual_spellings_are_read() {
        let read = |text: &str| parse_duration(text).map(|d| d.as_millis());
        assert_eq!(read("90s"), Ok(90_000));
        assert_eq!(read("5m"), Ok(300_000));
        assert_eq!(read("500ms"), Ok(500));
        assert_eq!(read("1h30m"), Ok(5_400_000));
        assert_eq!(read("2"), Ok(2_000));
        assert_eq!(read("0.5"), Ok(500));
        assert_eq!(read("1.5s"), Ok(1_500));
        assert_eq!(read("1d"), Ok(86_400_000));
        assert_eq!(read(" 0 "), Ok(0));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "s",
            "-1s",
            "5 m",
            "5mm",
            "30m1h",
            "1m1m",
            "1h30",
            "1.",
            ".5s",
            "1.2.3s",
            "99999999999999999999",
            "1e3",
            "40000d",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(millis in 0_u64..3_000_000_000_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = parse_duration(&text);
        }
    }
}
