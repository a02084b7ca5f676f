//! Parses well-formed XML into a tree of elements with their offsets.
//!
//! Stricter than quick-xml: everything that the XML specification requires a processor to reject is rejected, and so is what a rules file
//! has no use for (text, CDATA, its own entities). A document type declaration is skipped; nothing is fetched or expanded.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::errors::Error;
use quick_xml::events::attributes::{AttrError, Attributes};
use quick_xml::events::{BytesDecl, Event};

use super::diagnostic::{OffsetDiagnostic, quoted};

/// Maximum nesting of elements.
pub(super) const MAX_DEPTH: usize = 32;

/// Maximum number of attributes of one element: quick-xml compares each with all others.
const MAX_ATTRIBUTES: usize = 16;

/// An element and its descendants.
#[derive(Debug)]
pub(super) struct Element<'a> {
    pub(super) name: &'a str,
    /// offset of `<`
    pub(super) at: usize,
    pub(super) attributes: Vec<Attribute<'a>>,
    pub(super) children: Vec<Element<'a>>,
}

/// An attribute. In its value, references are replaced and line breaks are spaces.
#[derive(Clone, Debug)]
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    /// offset of the name
    pub(super) at: usize,
    pub(super) value: Cow<'a, str>,
    /// offset of the first character of the value
    pub(super) value_at: usize,
}

/// The root element; `None` if the text is blank.
pub(super) fn read(text: &str) -> Result<Option<Element<'_>>, OffsetDiagnostic> {
    if text.trim_matches(is_space).is_empty() {
        return Ok(None);
    }
    if let Some((at, c)) = text.char_indices().find(|(_, c)| !is_character(*c)) {
        return Err(OffsetDiagnostic::new(at, format!("the character U+{:04X} is not allowed in XML", u32::from(c))));
    }
    let mut reader = Reader::from_str(text);
    let mut document = TreeBuilder { text, open: Vec::new(), root: None, doctype: false };
    loop {
        let at = position(reader.buffer_position());
        let event = reader.read_event().map_err(|error| not_well_formed(&error, position(reader.error_position())))?;
        match event {
            Event::Start(_) => document.start(at, position(reader.buffer_position()) - 1)?,
            Event::Empty(_) => {
                document.start(at, position(reader.buffer_position()) - 2)?;
                document.end();
            }
            Event::End(_) => document.end(),
            Event::Text(piece) => {
                if let Some(skip) = piece.find(|c| !is_space(c)) {
                    return Err(OffsetDiagnostic::new(
                        at + skip,
                        "text is not allowed here: rules are elements and attributes",
                    ));
                }
            }
            Event::CData(_) => return Err(OffsetDiagnostic::new(at, "a CDATA section is not allowed in a rules file")),
            Event::GeneralRef(_) => {
                return Err(OffsetDiagnostic::new(at, "a reference is not allowed between elements"));
            }
            Event::Decl(declaration) => document.declaration(at, &declaration)?,
            Event::DocType(declaration) => document.doctype(at, &declaration)?,
            Event::Comment(piece) => {
                // Otherwise an unclosed comment would hide the rules up to the end of the next comment.
                if let Some(skip) = piece.find("--").or_else(|| piece.ends_with('-').then(|| piece.len() - 1)) {
                    return Err(OffsetDiagnostic::new(
                        at + "<!--".len() + skip,
                        "not well-formed XML: `--` is not allowed in a comment",
                    ));
                }
            }
            Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    document.finish().map(Some)
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// White space in XML. Other Unicode spaces are text.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// XML 1.0, production 2 (Char), without the byte order mark: the caller removes the one at the start of a file.
fn is_character(c: char) -> bool {
    !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn not_well_formed(error: &Error, at: usize) -> OffsetDiagnostic {
    let message = match error {
        Error::Syntax(error) => error.to_string(),
        Error::IllFormed(error) => error.to_string(),
        error => error.to_string(),
    };
    OffsetDiagnostic::new(at, format!("not well-formed XML: {message}"))
}

struct TreeBuilder<'a> {
    text: &'a str,
    open: Vec<Element<'a>>,
    root: Option<Element<'a>>,
    doctype: bool,
}

impl<'a> TreeBuilder<'a> {
    /// A tag that begins at `at`, whose `>` or `/>` begins at `until`.
    fn start(&mut self, at: usize, until: usize) -> Result<(), OffsetDiagnostic> {
        if self.root.is_some() {
            return Err(OffsetDiagnostic::new(at, "second root element: a file has one"));
        }
        if self.open.len() == MAX_DEPTH {
            return Err(OffsetDiagnostic::new(at, format!("elements are nested more than {MAX_DEPTH} deep")));
        }
        let content = self.text.get(at + 1..until).unwrap_or_default();
        let name = content.split(is_space).next().unwrap_or_default();
        if name.is_empty() {
            return Err(OffsetDiagnostic::new(at, "not well-formed XML: white space after `<`"));
        }
        let attributes = attributes(content, name.len(), at + 1)?;
        self.open.push(Element { name, at, attributes, children: Vec::new() });
        Ok(())
    }

    fn end(&mut self) {
        if let Some(element) = self.open.pop() {
            match self.open.last_mut() {
                Some(parent) => parent.children.push(element),
                None => self.root = Some(element),
            }
        }
    }

    fn declaration(&self, at: usize, declaration: &BytesDecl<'_>) -> Result<(), OffsetDiagnostic> {
        if at != 0 {
            return Err(OffsetDiagnostic::new(
                at,
                "not well-formed XML: the XML declaration must be at the start of the file",
            ));
        }
        match declaration.encoding() {
            None => Ok(()),
            Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") || self.text.is_ascii() => Ok(()),
            Some(Ok(name)) => {
                let message = "the declared encoding is {}, but rules files must be UTF-8: save the file as UTF-8 and declare that";
                Err(OffsetDiagnostic::new(at, message.replace("{}", &quoted(&name))))
            }
            Some(Err(error)) => Err(attribute_error(&error, at + 2)),
        }
    }

    fn doctype(&mut self, at: usize, declaration: &str) -> Result<(), OffsetDiagnostic> {
        if self.doctype || self.root.is_some() || !self.open.is_empty() {
            return Err(OffsetDiagnostic::new(
                at,
                "not well-formed XML: only one DOCTYPE is allowed, before the root element",
            ));
        }
        self.doctype = true;
        match is_doctype(declaration) {
            true => Ok(()),
            false => Err(OffsetDiagnostic::new(at, "not well-formed XML: the DOCTYPE is not closed")),
        }
    }

    fn finish(self) -> Result<Element<'a>, OffsetDiagnostic> {
        if let Some(element) = self.open.last() {
            return Err(OffsetDiagnostic::new(
                element.at,
                format!("not well-formed XML: {} is not closed", quoted(element.name)),
            ));
        }
        self.root.ok_or_else(|| OffsetDiagnostic::new(self.text.len(), "the file has no root element"))
    }
}

/// Whether only names and literals are outside the internal subset. quick-xml reads past a missing `>`.
fn is_doctype(declaration: &str) -> bool {
    let mut quote = None;
    for (at, c) in declaration.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '<' | '>') => return false,
            (None, '[') => {
                let after = declaration[at..].rsplit(']').next().unwrap_or_default();
                return after.chars().all(is_space);
            }
            (None, _) => {}
        }
    }
    true
}

fn attributes<'a>(content: &'a str, name: usize, base: usize) -> Result<Vec<Attribute<'a>>, OffsetDiagnostic> {
    let mut list = Vec::new();
    for attribute in Attributes::new(content, name) {
        let attribute = attribute.map_err(|error| attribute_error(&error, base))?;
        let key: &'a str = attribute.key.0;
        let at = offset_in(content, key);
        if key.is_empty() || !content[..at].ends_with(is_space) {
            return Err(OffsetDiagnostic::new(
                base + at,
                "not well-formed XML: white space and a name are required before `=`",
            ));
        }
        if list.len() == MAX_ATTRIBUTES {
            return Err(OffsetDiagnostic::new(
                base + at,
                format!("an element has at most {MAX_ATTRIBUTES} attributes"),
            ));
        }
        let Cow::Borrowed(raw) = attribute.value else {
            return Err(OffsetDiagnostic::new(base + at, "not well-formed XML: the attribute cannot be read"));
        };
        let value_at = base + offset_in(content, raw);
        list.push(Attribute { name: key, at: base + at, value: unescape(raw, value_at)?, value_at });
    }
    Ok(list)
}

/// The offset of `piece`, a slice of `text`, in it.
fn offset_in(text: &str, piece: &str) -> usize {
    (piece.as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len())
}

fn attribute_error(error: &AttrError, base: usize) -> OffsetDiagnostic {
    let (at, message) = match error {
        AttrError::ExpectedEq(at) => (*at, "missing `=`: an attribute is name=\"value\""),
        AttrError::ExpectedValue(at) => (*at, "missing value: an attribute is name=\"value\""),
        AttrError::UnquotedValue(at) => (*at, "the value of an attribute must be in quotes"),
        AttrError::ExpectedQuote(at, _) => (*at, "missing closing quote of the attribute's value"),
        AttrError::Duplicated(at, _) => (*at, "duplicate attribute"),
    };
    OffsetDiagnostic::new(base + at, format!("not well-formed XML: {message}"))
}

/// The value of an attribute with references replaced (XML 1.0, section 3.3.3).
fn unescape(raw: &str, base: usize) -> Result<Cow<'_, str>, OffsetDiagnostic> {
    if let Some(at) = raw.find('<') {
        return Err(OffsetDiagnostic::new(base + at, "not well-formed XML: write &lt; for `<` in quotes"));
    }
    if !raw.contains(['&', '\t', '\r', '\n']) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        let at = base + offset_in(raw, rest);
        rest = match c {
            '&' => {
                let Some((name, after)) = rest[1..].split_once(';') else {
                    return Err(OffsetDiagnostic::new(at, "not well-formed XML: write &amp; for `&`"));
                };
                value.push(reference(name, at)?);
                after
            }
            '\r' if rest.starts_with("\r\n") => &rest[1..],
            c => {
                value.push(if is_space(c) { ' ' } else { c });
                &rest[c.len_utf8()..]
            }
        };
    }
    Ok(Cow::Owned(value))
}

/// The character of the reference `&name;`.
fn reference(name: &str, at: usize) -> Result<char, OffsetDiagnostic> {
    let number = match (name.strip_prefix("#x"), name.strip_prefix('#')) {
        (Some(digits), _) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(digits, 16).ok(),
        (None, Some(digits)) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok(),
        (None, None) => None,
        _ => Some(0),
    };
    let character = match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => number.and_then(char::from_u32).filter(|c| is_character(*c)),
    };
    character.ok_or_else(|| {
        let known = "only &lt; &gt; &amp; &quot; &apos; and character references are supported";
        OffsetDiagnostic::new(at, format!("unknown reference {}: {known}", quoted(&format!("&{name};"))))
    })
}
