//! Durations: `90s`, `5m`, `500ms`, `1h30m`; a bare number is seconds.

use std::time::Duration;

use jiff::fmt::friendly::{Spacing, SpanParser, SpanPrinter};
use jiff::{Span, SpanRelativeTo, SpanRound, Unit};

/// A century. It fits into the milliseconds of an `i64` and of librdkafka's options, and more is a typing error.
const MAX_DURATION: Duration = Duration::from_secs(36_500 * 86_400);

/// Parses a duration: numbers with the units `d`, `h`, `m`, `s` and `ms`, largest unit first, or a bare number of seconds. The last number
/// may have a fraction (`1.5s`).
///
/// # Errors
/// A message that quotes `text`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let invalid = || {
        format!(
            "`{text}` is not a duration: use a format such as `90s`, `5m`, `500ms`, `1h30m`, or a number of seconds"
        )
    };
    // jiff also accepts blanks, signs, ISO 8601 and long unit names, which are not part of the documented notation.
    let is_unit_or_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'd' | 'h' | 'm' | 's');
    if !text.starts_with(|c: char| c.is_ascii_digit()) || !text.chars().all(is_unit_or_number) {
        return Err(invalid());
    }
    let with_unit =
        match text.ends_with(|c: char| c.is_ascii_digit()) && !text.contains(|c: char| c.is_ascii_lowercase()) {
            true => format!("{text}s"),
            false => text.to_owned(),
        };
    let span = SpanParser::new().parse_span(&with_unit).map_err(|_| invalid())?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| invalid())?;
    match Duration::try_from(duration) {
        Ok(duration) if duration <= MAX_DURATION => Ok(duration),
        _ => Err(format!("`{text}` is longer than 36500 days")),
    }
}

/// Formats a duration in the notation that [`parse_duration`] accepts, truncated to milliseconds: `1h30m`, `500ms`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    const PRINTER: SpanPrinter = SpanPrinter::new().spacing(Spacing::None);
    let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let round = SpanRound::new().largest(Unit::Day).smallest(Unit::Millisecond).days_are_24_hours();
    match Span::new().try_milliseconds(milliseconds).and_then(|span| span.round(round)) {
        Ok(span) => PRINTER.span_to_string(&span),
        // Beyond jiff's range of 20,000 years.
        Err(_) => format!("{}s", duration.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn documented_notations_are_parsed() {
        let milliseconds = |text: &str| parse_duration(text).map(|duration| duration.as_millis());
        assert_eq!(milliseconds("90s"), Ok(90_000));
        assert_eq!(milliseconds("5m"), Ok(300_000));
        assert_eq!(milliseconds("500ms"), Ok(500));
        assert_eq!(milliseconds("1h30m"), Ok(5_400_000));
        assert_eq!(milliseconds("2"), Ok(2_000));
        assert_eq!(milliseconds("0.5"), Ok(500));
        assert_eq!(milliseconds("1.5s"), Ok(1_500));
        assert_eq!(milliseconds("1d"), Ok(86_400_000));
        assert_eq!(milliseconds(" 0 "), Ok(0));
    }

    #[test]
    fn other_texts_are_rejected() {
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
            "5 minutes",
            "PT1H",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_formatted_duration_parses_to_itself(milliseconds in 0_u64..3_000_000_000_000) {
            let duration = Duration::from_millis(milliseconds);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = parse_duration(&text);
        }
    }
}
