//! Notices as the text of a message.

use std::fmt::Write;
use std::sync::Arc;

use super::Notice;

/// The most alerts in one message.
pub(super) const MAX_ROWS: usize = 20;
/// The longest text of a message. Slack splits longer ones, in the middle of the code block, or answers `msg_too_long` from some 4,000
/// characters on. It counts escapes (`&amp;`) as they are written, and does not say how it counts characters beyond ASCII: bytes are the most
/// that can be meant.
const MAX_MESSAGE_BYTES: usize = 4_000;
/// Letters of a cell; a longer text is cut. One row of the widest cells is far shorter than [`MAX_MESSAGE_BYTES`].
const MAX_CELL_CHARS: usize = 40;
const HEADER: [&str; 4] = ["objectId", "candidate_ra", "candidate_dec", "type"];

/// How many of the first notices one message can hold: at least one, where there is one.
pub(super) fn fitting(notices: &[Arc<Notice>]) -> usize {
    let most = notices.len().min(MAX_ROWS);
    (2..=most).rev().find(|count| text(&notices[..*count]).len() <= MAX_MESSAGE_BYTES).unwrap_or(most.min(1))
}

/// A table of the first [`MAX_ROWS`] notices, in a code block, escaped as Slack wants it.
pub(super) fn text(notices: &[Arc<Notice>]) -> String {
    let rows: Vec<[String; 4]> = std::iter::once(HEADER.map(str::to_owned))
        .chain(
            notices
                .iter()
                .take(MAX_ROWS)
                .map(|notice| [plain(&notice.object), degrees(notice.ra), degrees(notice.dec), plain(&notice.class)]),
        )
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2), width(3)];
    let rule: String =
        widths.iter().map(|width| format!("+{}", "-".repeat(width + 2))).chain(["+\n".to_owned()]).collect();
    let mut table = rule.clone();
    for (index, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(widths) {
            // Writing to memory cannot fail.
            write!(table, "| {cell:<width$} ").unwrap_or_default();
        }
        table.push_str("|\n");
        if index == 0 {
            table.push_str(&rule);
        }
    }
    table.push_str(&rule);
    format!("```\n{}```", table.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

/// A number in its usual form, or with an exponent where that is too wide.
fn degrees(value: Option<f64>) -> String {
    let Some(value) = value else { return "null".to_owned() };
    match value.to_string() {
        plain if plain.len() <= MAX_CELL_CHARS => plain,
        _ => format!("{value:e}"),
    }
}

/// A text that fits a cell and cannot end the code block.
fn plain(text: &str) -> String {
    let letters = text.chars().map(|c| match c {
        '`' => '\'',
        c if c.is_control() => ' ',
        c => c,
    });
    let mut cell: String = letters.take(MAX_CELL_CHARS).collect();
    if text.chars().nth(MAX_CELL_CHARS).is_some() {
        cell.push('…');
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(object: &str, class: &str) -> Arc<Notice> {
        let (ra, dec) = (Some(20.393772), Some(-25.4669463));
        Arc::new(Notice { channel: "c".into(), object: object.into(), ra, dec, class: class.into() })
    }

    #[test]
    fn a_message_is_a_table_in_a_code_block() {
        let none = Arc::new(Notice { ra: None, ..Notice::clone(&notice("ZTF18acsbten", "RRLyr")) });
        assert_eq!(
            text(&[notice("ZTF18aceatkx", "RRLyr"), none]),
            "```\n\
             +--------------+--------------+---------------+-------+\n\
             | objectId     | candidate_ra | candidate_dec | type  |\n\
             +--------------+--------------+---------------+-------+\n\
             | ZTF18aceatkx | 20.393772    | -25.4669463   | RRLyr |\n\
             | ZTF18acsbten | null         | -25.4669463   | RRLyr |\n\
             +--------------+--------------+---------------+-------+\n\
             ```"
        );
    }

    #[test]
    fn twenty_rows_are_the_most() {
        let notices = vec![notice("ZTF", "QSO"); 33];
        assert_eq!(text(&notices).matches("QSO").count(), MAX_ROWS);
    }

    #[test]
    fn a_message_is_as_long_as_slack_takes_at_most_however_long_its_cells_are() {
        let longest = |letter: &str| {
            let text = letter.repeat(500);
            let (ra, dec) = (Some(-f64::MIN_POSITIVE), Some(-f64::MAX));
            Arc::new(Notice { ra, dec, ..Notice::clone(&notice(&text, &text)) })
        };
        for letter in ["&", "\u{1f52d}", "x", "`"] {
            let notices = vec![longest(letter); MAX_ROWS];
            let count = fitting(&notices);
            assert!(text(&notices[..count]).len() <= MAX_MESSAGE_BYTES, "{letter}");
            assert!(count == MAX_ROWS || text(&notices[..=count]).len() > MAX_MESSAGE_BYTES, "{letter}");
            assert_eq!(fitting(&notices[..1]), 1);
        }
        assert_eq!(fitting(&vec![notice("ZTF18aceatkx", "RRLyr"); 33]), MAX_ROWS);
        assert_eq!(fitting(&[]), 0);
    }

    #[test]
    fn a_strange_text_neither_ends_the_block_nor_calls_anybody() {
        let text = text(&[notice("a```b\nc", "<!channel> & co")]);
        assert_eq!(text.matches("```").count(), 2);
        assert!(text.contains("a'''b c") && text.contains("&lt;!channel&gt; &amp; co"), "{text}");
        assert!(super::text(&[notice(&"x".repeat(500), "")]).contains(&format!(" {}… ", "x".repeat(MAX_CELL_CHARS))));
    }
}
