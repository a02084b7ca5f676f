//! Notices as the text of a message.

use std::fmt::Write;
use std::sync::Arc;

use super::Notice;

/// The most alerts in one message.
pub(super) const MOST_ROWS: usize = 20;
/// Letters of a cell; a longer text is cut.
const WIDEST: usize = 40;
const HEADER: [&str; 4] = ["objectId", "candidate_ra", "candidate_dec", "type"];

/// A table of the first [`MOST_ROWS`] notices, in a code block, escaped as Slack wants it.
pub(super) fn text(notices: &[Arc<Notice>]) -> String {
    let rows: Vec<[String; 4]> = std::iter::once(HEADER.map(str::to_owned))
        .chain(notices.iter().take(MOST_ROWS).map(|notice| {
            let degrees = |value: Option<f64>| value.map_or_else(|| "null".to_owned(), |value| value.to_string());
            [plain(&notice.object), degrees(notice.ra), degrees(notice.dec), plain(&notice.class)]
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

/// A text that fits a cell and cannot end the code block.
fn plain(text: &str) -> String {
    let letters = text.chars().map(|c| match c {
        '`' => '\'',
        c if c.is_control() => ' ',
        c => c,
    });
    let mut cell: String = letters.take(WIDEST).collect();
    if text.chars().nth(WIDEST).is_some() {
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
        assert_eq!(text(&notices).matches("QSO").count(), MOST_ROWS);
    }

    #[test]
    fn a_strange_text_neither_ends_the_block_nor_calls_anybody() {
        let text = text(&[notice("a```b\nc", "<!channel> & co")]);
        assert_eq!(text.matches("```").count(), 2);
        assert!(text.contains("a'''b c") && text.contains("&lt;!channel&gt; &amp; co"), "{text}");
        assert!(super::text(&[notice(&"x".repeat(500), "")]).contains(&format!(" {}… ", "x".repeat(WIDEST))));
    }
}
