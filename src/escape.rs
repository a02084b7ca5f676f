//! Escapes control characters in text from outside, for terminals and logs.

use std::borrow::Cow;
use std::io::Write;

/// Whether a character acts on a terminal: control characters (C0, DEL and C1), and those that change the direction of the text.
pub(crate) fn is_control_or_bidi(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes [control characters](is_control_or_bidi) as Rust does: `\n`, `\u{9b}`.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    match text.contains(is_control_or_bidi) {
        false => text.into(),
        true => {
            let mut escaped = String::with_capacity(text.len() + 16);
            for c in text.chars() {
                match is_control_or_bidi(c) {
                    true => escaped.extend(c.escape_default()),
                    false => escaped.push(c),
                }
            }
            escaped.into()
        }
    }
}

/// The first `max_chars` characters of the text, escaped, with `…` if it was truncated.
pub(crate) fn shorten(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        None => escape(text).into_owned(),
        Some((end, _)) => format!("{}…", escape(&text[..end])),
    }
}

/// Appends the text as a JSON string with [control characters](is_control_or_bidi) escaped as in JSON: `\n`, `\u009b`.
pub(crate) fn json_string(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    let written = serde_json::to_writer(&mut *out, text);
    debug_assert!(written.is_ok(), "writing to memory does not fail");
    // serde_json escapes the characters below U+0020. Of the others DEL is the only one in ASCII.
    if text.bytes().any(|byte| byte >= 0x7f) {
        escape_json(start, out);
    }
}

/// Escapes control characters in the JSON in `out` from `start` on, which `serde_json` has written, so that they are within strings.
pub(crate) fn escape_json(start: usize, out: &mut Vec<u8>) {
    let Ok(json) = std::str::from_utf8(&out[start..]) else { return };
    // Line breaks between the parts of a document are not within a string.
    let is_left = |c: char| is_control_or_bidi(c) && !c.is_ascii_whitespace();
    let Some(first) = json.find(is_left) else { return };
    let rest = json[first..].to_owned();
    out.truncate(start + first);
    for c in rest.chars() {
        match is_left(c) {
            // Each of them is a single UTF-16 unit.
            true => {
                let written = write!(out, "\\u{:04x}", u32::from(c));
                debug_assert!(written.is_ok(), "writing to memory does not fail");
            }
            false => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIVE: &str = "\u{0}\u{1b}\n\u{7f}\u{80}\u{9b}\u{9f}\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}";

    #[test]
    fn no_active_character_is_left_and_all_others_are() {
        assert!(!escape(ACTIVE).contains(is_control_or_bidi));
        assert_eq!(escape("é\u{9b}2J\u{202e}\n"), "é\\u{9b}2J\\u{202e}\\n");
        assert_eq!(escape("µ \"é\" 日本 🔭"), "µ \"é\" 日本 🔭");
        assert_eq!(shorten("a\u{9b}cdef", 3), "a\\u{9b}c…");
    }

    #[test]
    fn json_reads_back_the_same() {
        for text in [ACTIVE, "a\"\\/\u{9b}é\u{2028}🔭", ""] {
            let mut out = b"x".to_vec();
            json_string(text, &mut out);
            let json = String::from_utf8(out).unwrap();
            assert!(!json.contains(is_control_or_bidi), "{json}");
            assert_eq!(serde_json::from_str::<String>(&json[1..]).unwrap(), text);
        }
    }
}
