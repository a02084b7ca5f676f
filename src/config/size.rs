//! Amounts of memory as users write them: `256MB`, `64KiB`; a bare number is bytes.

/// The units, each with its bytes; the first that divides an amount is the one it is shown in.
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

/// Reads an amount of bytes: a whole number with `B`, `kB`, `MB`, `GB`, `TB` (powers of 1000) or `KiB`, `MiB`, `GiB`, `TiB` (powers of
/// 1024) in any case, or without a unit.
///
/// # Errors
/// What is wrong with `text`, in words.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let reason = || format!("`{text}` is not an amount of memory: write `256MB`, `64KiB` or a number of bytes");
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start();
    let bytes = match unit {
        "" => 1,
        _ => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(reason)?.1,
    };
    let number: u64 = number.parse().map_err(|_| reason())?;
    number.checked_mul(bytes).ok_or_else(|| format!("`{text}` is more memory than can be counted"))
}

/// Writes an amount of bytes so that [`parse_size`] reads it back, in the largest unit that divides it.
pub fn format_size(bytes: u64) -> String {
    let fitting = UNITS.iter().filter(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size));
    match fitting.max_by_key(|(_, size)| *size) {
        Some((unit, size)) => format!("{}{unit}", bytes / size),
        None => "0B".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn usual_spellings_are_read() {
        assert_eq!(parse_size("256MB"), Ok(256_000_000));
        assert_eq!(parse_size("64KiB"), Ok(65_536));
        assert_eq!(parse_size("64 kib"), Ok(65_536));
        assert_eq!(parse_size("1000"), Ok(1000));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "MB", "-1MB", "1.5MB", "256M", "1XB", "99999999999TB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_are_shown_in_their_own_unit() {
        assert_eq!(format_size(256_000_000), "256MB");
        assert_eq!(format_size(65_536), "64KiB");
        assert_eq!(format_size(0), "0B");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(bytes: u64) {
            prop_assert_eq!(parse_size(&format_size(bytes)), Ok(bytes));
        }
    }
}
