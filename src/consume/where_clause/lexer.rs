//! The words of a condition.

use super::error::ConditionError;

/// A word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// a field's name or a keyword
    Word(String),
    /// as written
    Number(String),
    Text(String),
    /// an operator, a bracket or a comma
    Sign(&'static str),
}

const SIGNS: [&str; 17] = ["<=", ">=", "!=", "<>", "==", "&&", "||", "<", ">", "=", "(", ")", ",", "+", "-", "*", "/"];

/// The words, each with the character where it begins.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, ConditionError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let at = text[..text.len() - rest.len()].chars().count();
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let (token, after) = match first {
            '\'' | '"' => quoted(rest, first, at)?,
            '0'..='9' | '.' => number(rest),
            c if c.is_alphabetic() || c == '_' => {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
                (Token::Word(rest[..end].to_owned()), &rest[end..])
            }
            _ => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => (Token::Sign(sign), &rest[sign.len()..]),
                None => {
                    return Err(ConditionError::new(at, format!("`{}` has no meaning here", first.escape_default())));
                }
            },
        };
        tokens.push((token, at));
        rest = after;
    }
}

/// Text in quotes; a quote within is written twice.
fn quoted(rest: &str, quote: char, at: usize) -> Result<(Token, &str), ConditionError> {
    let mut content = String::new();
    let mut rest = &rest[1..];
    loop {
        let Some((piece, after)) = rest.split_once(quote) else {
            return Err(ConditionError::new(at, format!("the text that begins here has no {quote} at its end")));
        };
        content.push_str(piece);
        match after.strip_prefix(quote) {
            Some(more) => {
                content.push(quote);
                rest = more;
            }
            None => return Ok((Token::Text(content), after)),
        }
    }
}

fn number(rest: &str) -> (Token, &str) {
    let mut end = 0;
    let bytes = rest.as_bytes();
    while let Some(byte) = bytes.get(end) {
        let is_sign = matches!(byte, b'+' | b'-') && end > 0 && matches!(bytes.get(end - 1), Some(b'e' | b'E'));
        if !(byte.is_ascii_alphanumeric() || *byte == b'.' || is_sign) {
            break;
        }
        end += 1;
    }
    (Token::Number(rest[..end].to_owned()), &rest[end..])
}
