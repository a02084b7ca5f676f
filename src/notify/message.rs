//! The text of a message: a table of notices.

use std::fmt::Write;
use std::sync::Arc;

use super::notice::Notice;

/// The limit of notices in one message.
pub(super) const MAX_ROWS: usize = 20;
/// The limit of a message's text. Slack splits longer ones in the middle of the code block, or responds `msg_too_long` above some 4,000
/// characters. It counts escapes (`&amp;`) as written, and does not document how it counts characters beyond ASCII; bytes are the upper bound.
const MAX_MESSAGE_BYTES: usize = 4_000;
/// Longer cells are cut. One row of the widest cells is far shorter than [`MAX_MESSAGE_BYTES`].
const MAX_CELL_CHARS: usize = 40;
const HEADER: [&str; 4] = ["objectId", "candidate_ra", "candidate_dec", "type"];

/// How many of the first notices fit into one message: at least one, where there is one.
pub(super) fn count_that_fits(notices: &[Arc<Notice>]) -> usize {
    let most = notices.len().min(MAX_ROWS);
    (2..=most).rev().find(|count| text(&notices[..*count]).len() <= MAX_MESSAGE_BYTES).unwrap_or(most.min(1))
}

/// A table of the first [`MAX_ROWS`] notices, in a code block, escaped for Slack.
pub(super) fn text(notices: &[Arc<Notice>]) -> String {
    let rows: Vec<[String; 4]> = std::iter::once(HEADER.map(str::to_owned))
        .chain(notices.iter().take(MAX_ROWS).map(|notice| {
            [cell_text(&notice.object), degrees(notice.ra), degrees(notice.dec), cell_text(&notice.class)]
        }))
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

/// A number, with an exponent where it is too wide without.
fn degrees(value: Option<f64>) -> String {
    let Some(value) = value else { return "null".to_owned() };
    match value.to_string() {
        plain if plain.len() <= MAX_CELL_CHARS => plain,
        _ => format!("{value:e}"),
    }
}

/// A text for a cell: without control characters, not too long, and without backquotes, which could end the code block.
fn cell_text(text: &str) -> String {
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
    fn a_message_has_at_most_twenty_rows() {
        let notices = vec![notice("ZTF", "QSO"); 33];
        assert_eq!(text(&notices).matches("QSO").count(), MAX_ROWS);
    }

    #[test]
    fn a_message_stays_below_slacks_limit_whatever_its_cells() {
        let longest = |letter: &str| {
            let text = letter.repeat(500);
            let (ra, dec) = (Some(-f64::MIN_POSITIVE), Some(-f64::MAX));
            Arc::new(Notice { ra, dec, ..Notice::clone(&notice(&text, &text)) })
        };
        for letter in ["&", "\u{1f52d}", "x", "`"] {
            let notices = vec![longest(letter); MAX_ROWS];
            let count = count_that_fits(&notices);
            assert!(text(&notices[..count]).len() <= MAX_MESSAGE_BYTES, "{letter}");
            assert!(count == MAX_ROWS || text(&notices[..=count]).len() > MAX_MESSAGE_BYTES, "{letter}");
            assert_eq!(count_that_fits(&notices[..1]), 1);
        }
        assert_eq!(count_that_fits(&vec![notice("ZTF18aceatkx", "RRLyr"); 33]), MAX_ROWS);
        assert_eq!(count_that_fits(&[]), 0);
    }

    #[test]
    fn special_characters_neither_end_the_code_block_nor_mention_a_channel() {
        let text = text(&[notice("a```b\nc", "<!channel> & co")]);
        assert_eq!(text.matches("```").count(), 2);
        assert!(text.contains("a'''b c") && text.contains("&lt;!channel&gt; &amp; co"), "{text}");
        assert!(super::text(&[notice(&"x".repeat(500), "")]).contains(&format!(" {}… ", "x".repeat(MAX_CELL_CHARS))));
    }
}
