//! Well-formed XML, as a tree of elements that know where they stand.
//!
//! Stricter than the reader underneath: whatever an XML processor must refuse is refused, and so is what a rules file has no use
//! for (text, CDATA, entities of its own). A document type declaration may stand there; it is passed over, never fetched or expanded.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::errors::Error;
use quick_xml::events::attributes::{AttrError, Attributes};
use quick_xml::events::{BytesDecl, Event};

use super::diagnostic::{OffsetDiagnostic, quoted};

/// The deepest nesting of elements.
pub(super) const MAX_DEPTH: usize = 32;

/// The most attributes of one element: comparing each with each is what takes the reader's time.
const MAX_ATTRIBUTES: usize = 16;

/// An element and all below it.
#[derive(Debug)]
pub(super) struct Element<'a> {
    pub(super) name: &'a str,
    /// offset of its `<`
    pub(super) at: usize,
    pub(super) attributes: Vec<Attribute<'a>>,
    pub(super) children: Vec<Element<'a>>,
}

/// An attribute, its value with references replaced and line breaks as spaces.
#[derive(Clone, Debug)]
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    /// offset of its name
    pub(super) at: usize,
    pub(super) value: Cow<'a, str>,
    /// offset of the first character of its value
    pub(super) value_at: usize,
}

/// The document's element; `None` where the text is blank.
pub(super) fn read(text: &str) -> Result<Option<Element<'_>>, OffsetDiagnostic> {
    if text.trim_matches(is_space).is_empty() {
        return Ok(None);
    }
    if let Some((at, c)) = text.char_indices().find(|(_, c)| !is_character(*c)) {
        return Err(OffsetDiagnostic::new(at, format!("the character U+{:04X} has no place in XML", u32::from(c))));
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
                        "text has no place here: rules are written as elements and attributes",
                    ));
                }
            }
            Event::CData(_) => return Err(OffsetDiagnostic::new(at, "a CDATA section has no place in a rules file")),
            Event::GeneralRef(_) => return Err(OffsetDiagnostic::new(at, "a reference has no place between elements")),
            Event::Decl(declaration) => document.declaration(at, &declaration)?,
            Event::DocType(declaration) => document.doctype(at, &declaration)?,
            Event::Comment(piece) => {
                // A comment that was never closed would swallow what follows, up to the end of the next one.
                if let Some(skip) = piece.find("--").or_else(|| piece.ends_with('-').then(|| piece.len() - 1)) {
                    return Err(OffsetDiagnostic::new(
                        at + "<!--".len() + skip,
                        "not well-formed XML: `--` has no place within a comment",
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

/// White space as XML has it: Unicode's other spaces are text.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// XML 1.0, production 2 (Char), and no byte order mark after the first, which the caller took away.
fn is_character(c: char) -> bool {
    !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn not_well_formed(error: &Error, at: usize) -> OffsetDiagnostic {
    let what = match error {
        Error::Syntax(error) => error.to_string(),
        Error::IllFormed(error) => error.to_string(),
        error => error.to_string(),
    };
    OffsetDiagnostic::new(at, format!("not well-formed XML: {what}"))
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
            return Err(OffsetDiagnostic::new(at, "a file holds one element, and this is a second one"));
        }
        if self.open.len() == MAX_DEPTH {
            return Err(OffsetDiagnostic::new(at, format!("elements are nested more than {MAX_DEPTH} deep")));
        }
        let content = self.text.get(at + 1..until).unwrap_or_default();
        let name = content.split(is_space).next().unwrap_or_default();
        if name.is_empty() {
            return Err(OffsetDiagnostic::new(at, "not well-formed XML: the name must follow `<` at once"));
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
                "not well-formed XML: the XML declaration must be the first thing in the file",
            ));
        }
        match declaration.encoding() {
            None => Ok(()),
            Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") || self.text.is_ascii() => Ok(()),
            Some(Ok(name)) => {
                let what =
                    "the encoding is declared as {}, but rules files are read as UTF-8: save it as UTF-8 and say so";
                Err(OffsetDiagnostic::new(at, what.replace("{}", &quoted(&name))))
            }
            Some(Err(error)) => Err(attribute_flaw(&error, at + 2)),
        }
    }

    fn doctype(&mut self, at: usize, declaration: &str) -> Result<(), OffsetDiagnostic> {
        if self.doctype || self.root.is_some() || !self.open.is_empty() {
            return Err(OffsetDiagnostic::new(
                at,
                "not well-formed XML: one DOCTYPE may stand before the first element, and nowhere else",
            ));
        }
        self.doctype = true;
        match is_doctype(declaration) {
            true => Ok(()),
            false => Err(OffsetDiagnostic::new(at, "not well-formed XML: the DOCTYPE does not end where it should")),
        }
    }

    fn finish(self) -> Result<Element<'a>, OffsetDiagnostic> {
        if let Some(element) = self.open.last() {
            return Err(OffsetDiagnostic::new(
                element.at,
                format!("not well-formed XML: {} is never closed", quoted(element.name)),
            ));
        }
        self.root.ok_or_else(|| OffsetDiagnostic::new(self.text.len(), "there is no element in this file"))
    }
}

/// Whether nothing but names and literals stands outside the internal subset: the reader takes a lost `>` for a longer declaration.
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
        let attribute = attribute.map_err(|error| attribute_flaw(&error, base))?;
        let key: &'a str = attribute.key.0;
        let at = offset_in(content, key);
        if key.is_empty() || !content[..at].ends_with(is_space) {
            return Err(OffsetDiagnostic::new(
                base + at,
                "not well-formed XML: a space and a name must stand before `=`",
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
        list.push(Attribute { name: key, at: base + at, value: plain(raw, value_at)?, value_at });
    }
    Ok(list)
}

/// Where `piece`, a slice of `text`, begins in it.
fn offset_in(text: &str, piece: &str) -> usize {
    (piece.as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len())
}

fn attribute_flaw(error: &AttrError, base: usize) -> OffsetDiagnostic {
    let (at, what) = match error {
        AttrError::ExpectedEq(at) => (*at, "an attribute is written name=\"value\", and here the `=` is missing"),
        AttrError::ExpectedValue(at) => (*at, "an attribute is written name=\"value\", and here the value is missing"),
        AttrError::UnquotedValue(at) => (*at, "an attribute's value must stand in quotes"),
        AttrError::ExpectedQuote(at, _) => (*at, "the quote that ends this attribute's value is missing"),
        AttrError::Duplicated(at, _) => (*at, "this attribute stands twice in the same element"),
    };
    OffsetDiagnostic::new(base + at, format!("not well-formed XML: {what}"))
}

/// An attribute's value with its references replaced (XML 1.0, section 3.3.3).
fn plain(raw: &str, base: usize) -> Result<Cow<'_, str>, OffsetDiagnostic> {
    if let Some(at) = raw.find('<') {
        return Err(OffsetDiagnostic::new(base + at, "not well-formed XML: within quotes `<` is written &lt;"));
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
                    return Err(OffsetDiagnostic::new(at, "not well-formed XML: a lone `&` is written &amp;"));
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

/// The character that `&name;` stands for.
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
        let known = "only &lt; &gt; &amp; &quot; &apos; and characters by number are replaced";
        OffsetDiagnostic::new(at, format!("the reference {} is refused: {known}", quoted(&format!("&{name};"))))
    })
}
