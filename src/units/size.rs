//! Amounts of memory: `256MB`, `64KiB`; a bare number is bytes.

/// Units in bytes. [`format_size`] takes the largest one that divides the amount.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

/// Parses an amount of bytes: a whole number with `B`, `kB`, `MB`, `GB`, `TB` (powers of 1000) or `KiB`, `MiB`, `GiB`, `TiB` (powers of
/// 1024) in any case, or without a unit.
///
/// # Errors
/// A message that quotes `text`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let invalid = || format!("`{text}` is not a size: use a format such as `256MB`, `64KiB`, or a number of bytes");
    let unit_start = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_start);
    let unit = unit.trim_start();
    let bytes_per_unit = match unit {
        "" => 1,
        _ => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(invalid)?.1,
    };
    let number: u64 = number.parse().map_err(|_| invalid())?;
    number.checked_mul(bytes_per_unit).ok_or_else(|| format!("`{text}` exceeds 2^64 bytes"))
}

/// Formats an amount of bytes in the largest unit that divides it, so that [`parse_size`] returns the same amount.
pub fn format_size(bytes: u64) -> String {
    let divisors = UNITS.iter().filter(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size));
    match divisors.max_by_key(|(_, size)| *size) {
        Some((unit, size)) => format!("{}{unit}", bytes / size),
        None => "0B".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn documented_notations_are_parsed() {
        assert_eq!(parse_size("256MB"), Ok(256_000_000));
        assert_eq!(parse_size("64KiB"), Ok(65_536));
        assert_eq!(parse_size("64 kib"), Ok(65_536));
        assert_eq!(parse_size("1000"), Ok(1000));
    }

    #[test]
    fn other_texts_are_rejected() {
        for text in ["", "MB", "-1MB", "1.5MB", "256M", "1XB", "99999999999TB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_largest_unit_that_divides_the_amount_is_used() {
        assert_eq!(format_size(256_000_000), "256MB");
        assert_eq!(format_size(65_536), "64KiB");
        assert_eq!(format_size(0), "0B");
    }

    proptest! {
        #[test]
        fn a_formatted_size_parses_to_itself(bytes: u64) {
            prop_assert_eq!(parse_size(&format_size(bytes)), Ok(bytes));
        }
    }
}
