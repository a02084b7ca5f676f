//! The row key of a table whose key has several columns: their values as text, joined by `_`.
//!
//! A part ends at the first `_`; the last part takes the rest. Numbers are written in decimal. An empty part is null. docs/formats.md is
//! the reference.

use std::io::Write;

use crate::catalog::ColumnType;

/// The part of `key` at index `part`, for a key of `parts` parts; `None` if the key has fewer.
pub(crate) fn part(key: &[u8], part: usize, parts: usize) -> Option<&[u8]> {
    key.splitn(parts, |byte| *byte == b'_').nth(part)
}

/// A part of a key as the cell of a column of type `kind`. A number is written to `scratch`. `None` if the text is not of this type.
pub(crate) fn cell_from_text<'a>(kind: &ColumnType, text: &'a [u8], scratch: &'a mut [u8; 8]) -> Option<&'a [u8]> {
    if *kind == ColumnType::String {
        return Some(text);
    }
    let text = std::str::from_utf8(text).ok()?;
    macro_rules! number {
        ($number:ty) => {{
            let bytes = text.parse::<$number>().ok()?.to_be_bytes();
            let cell = &mut scratch[..bytes.len()];
            cell.copy_from_slice(&bytes);
            Some(cell)
        }};
    }
    match kind {
        ColumnType::Byte => number!(i8),
        ColumnType::Short => number!(i16),
        ColumnType::Int => number!(i32),
        ColumnType::Long => number!(i64),
        ColumnType::Float => number!(f32),
        ColumnType::Double => number!(f64),
        ColumnType::String | ColumnType::Boolean | ColumnType::Binary | ColumnType::Avro(_) => None,
    }
    .map(|cell| &*cell)
}

/// Appends a cell of a column of type `kind` as the text that it is in a key. A number may have a narrower type.
pub(crate) fn write_text(kind: &ColumnType, cell: &[u8], out: &mut Vec<u8>) {
    let is_integer = matches!(kind, ColumnType::Byte | ColumnType::Short | ColumnType::Int | ColumnType::Long);
    let is_float = matches!(kind, ColumnType::Float | ColumnType::Double);
    let written = match *cell {
        [byte] if is_integer => write!(out, "{}", byte as i8),
        [a, b] if is_integer => write!(out, "{}", i16::from_be_bytes([a, b])),
        [a, b, c, d] if is_integer => write!(out, "{}", i32::from_be_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] if is_integer => write!(out, "{}", i64::from_be_bytes([a, b, c, d, e, f, g, h])),
        [a, b, c, d] if is_float => write!(out, "{}", f32::from_be_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] if is_float => write!(out, "{}", f64::from_be_bytes([a, b, c, d, e, f, g, h])),
        _ => out.write_all(cell),
    };
    debug_assert!(written.is_ok(), "a write to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_part_takes_the_rest_of_the_key() {
        let parts = |key: &'static [u8]| [0, 1, 2].map(|at| part(key, at, 3));
        assert_eq!(parts(b"Z_-1_a_b"), [Some(&b"Z"[..]), Some(b"-1"), Some(b"a_b")]);
        assert_eq!(parts(b"Z__"), [Some(&b"Z"[..]), Some(b""), Some(b"")]);
        assert_eq!(parts(b"Z_1"), [Some(&b"Z"[..]), Some(b"1"), None]);
    }

    #[test]
    fn cells_of_every_type_read_back_the_same() {
        let cells: [(ColumnType, &[u8]); 7] = [
            (ColumnType::Byte, &i8::MIN.to_be_bytes()),
            (ColumnType::Short, &i16::MIN.to_be_bytes()),
            (ColumnType::Int, &i32::MAX.to_be_bytes()),
            (ColumnType::Long, &((1_i64 << 53) + 1).to_be_bytes()),
            (ColumnType::Float, &16.1_f32.to_be_bytes()),
            (ColumnType::Double, &(-1e300_f64).to_be_bytes()),
            (ColumnType::String, "é".as_bytes()),
        ];
        for (kind, cell) in cells {
            let mut text = Vec::new();
            write_text(&kind, cell, &mut text);
            assert_eq!(cell_from_text(&kind, &text, &mut [0; 8]), Some(cell), "{kind:?}");
        }
    }

    #[test]
    fn text_of_another_type_is_no_cell() {
        for (kind, text) in [(ColumnType::Byte, "300"), (ColumnType::Int, "1.5"), (ColumnType::Float, "x")] {
            assert_eq!(cell_from_text(&kind, text.as_bytes(), &mut [0; 8]), None, "{kind:?}");
        }
        assert_eq!(cell_from_text(&ColumnType::Boolean, b"true", &mut [0; 8]), None);
        assert_eq!(cell_from_text(&ColumnType::Int, b"\xff", &mut [0; 8]), None);
    }
}
