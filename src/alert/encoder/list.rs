//! Arrays and maps from lists of text, as the table layout of Fink in 2019 has them.
//!
//! The text is Spark's (see [`crate::list_text`]) and is ambiguous. Rules for reading it:
//! - an empty item is null if the field can be null, else an empty string;
//! - the columns that are not strings decide the number of items, because `, ` may occur in a string and `[]` may be one null;
//! - a list of strings with another number of items is an error;
//! - `null` is null in a list of numbers or booleans, and a text in a list of strings.

use super::cell::{CellError, OnNull, null_bytes, value_of};
use crate::avro::{Kind, NodeId, Schema, write_bytes, write_long};
use crate::list_text::Items;

/// The type of an item.
#[derive(Clone, Debug)]
enum ItemType {
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Text,
    Symbol(Vec<String>),
}

/// How the text of an item is encoded.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// the index of the union's branch
    branch: Box<[u8]>,
    null: Option<Box<[u8]>>,
    kind: ItemType,
}

/// A field of each record of a list.
#[derive(Clone, Debug)]
pub(super) enum ListField {
    /// the same bytes in every record
    Constant(Box<[u8]>),
    /// an item of the list in a column, given as index in the plan's columns
    Column(usize, Item),
}

/// An array or a map that is built from one or more columns of text.
#[derive(Clone, Debug)]
pub(super) struct ListPlan {
    /// the index of the union's branch around the list
    pub branch: Box<[u8]>,
    pub on_null: OnNull,
    /// the index of the union's branch around each item
    pub item_branch: Box<[u8]>,
    pub fields: Vec<ListField>,
    /// a column of `fields`, for errors
    pub source: usize,
    pub is_map: bool,
}

impl ListPlan {
    /// The columns that are read, as indexes in the plan's columns.
    pub fn sources(&self) -> impl Iterator<Item = usize> {
        self.fields.iter().filter_map(|field| match field {
            ListField::Column(source, _) => Some(*source),
            ListField::Constant(_) => None,
        })
    }

    /// Appends the list. `text` returns the text of a column, given as index in the plan's columns.
    pub fn encode<'a>(
        &self,
        text: impl Fn(usize) -> Result<Option<&'a str>, CellError>,
        out: &mut Vec<u8>,
    ) -> Result<(), CellError> {
        let mut lists: Vec<Option<(Items<'a>, usize)>> = Vec::with_capacity(self.fields.len());
        let (mut number_items, mut text_items) = (0, 0);
        for field in &self.fields {
            lists.push(match field {
                ListField::Constant(_) => None,
                ListField::Column(source, item) => match text(*source)? {
                    None => None,
                    Some(text) => {
                        let items =
                            Items::new(text).ok_or_else(|| CellError::new(*source, "the text is not a list"))?;
                        let count = items.items();
                        let longest = if item.is_text() { &mut text_items } else { &mut number_items };
                        *longest = count.max(*longest);
                        Some((items, count))
                    }
                },
            });
        }
        if lists.iter().all(Option::is_none) {
            return match &self.on_null {
                OnNull::Write(bytes) => {
                    out.extend_from_slice(bytes);
                    Ok(())
                }
                OnNull::Fail => Err(CellError::missing(self.source)),
            };
        }
        let count = if number_items > 0 { number_items } else { text_items };
        for (field, list) in self.fields.iter().zip(&lists) {
            // `[]` is also how one null is written.
            if let (ListField::Column(source, _), Some((_, items))) = (field, list)
                && *items != count
                && (*items, count) != (0, 1)
            {
                let reason = format!("the list has {items} items, but the lists of other fields have {count}");
                return Err(CellError::new(*source, reason));
            }
        }
        out.extend_from_slice(&self.branch);
        if count > 0 {
            write_long(count as i64, out);
        }
        for _ in 0..count {
            out.extend_from_slice(&self.item_branch);
            for (field, list) in self.fields.iter().zip(&mut lists) {
                match field {
                    ListField::Constant(bytes) => out.extend_from_slice(bytes),
                    ListField::Column(source, item) => {
                        let text = list.as_mut().and_then(|(items, _)| items.next()).flatten();
                        self.encode_item(item, text, out).map_err(|reason| CellError::new(*source, reason))?;
                    }
                }
            }
        }
        out.push(0);
        Ok(())
    }

    fn encode_item(&self, item: &Item, text: Option<&str>, out: &mut Vec<u8>) -> Result<(), String> {
        if !self.is_map {
            return item.encode(text, out);
        }
        let entry = text.unwrap_or_default();
        let (key, value) = match entry.split_once(" -> ") {
            Some((key, value)) => (key, Some(value)),
            None => (entry.strip_suffix(" ->").ok_or_else(|| format!("`{entry}` is not an entry of a map"))?, None),
        };
        write_bytes(key.as_bytes(), out);
        item.encode(value, out)
    }
}

impl Item {
    /// The encoding of items of type `node`; `None` if they cannot be read from text.
    pub fn new(schema: &Schema, node: NodeId) -> Option<Self> {
        let (branch, value) = value_of(schema, node);
        let value = schema.node(value);
        let kind = match &value.kind {
            // A date or time is written as such, not as the number that the schema has.
            Kind::Int | Kind::Long if value.logical().is_some_and(|logical| logical != "uuid") => return None,
            Kind::Boolean => ItemType::Boolean,
            Kind::Int => ItemType::Int,
            Kind::Long => ItemType::Long,
            Kind::Float => ItemType::Float,
            Kind::Double => ItemType::Double,
            Kind::String => ItemType::Text,
            Kind::Enum { symbols, .. } => ItemType::Symbol(symbols.clone()),
            _ => return None,
        };
        Some(Self { branch, null: null_bytes(schema, node), kind })
    }

    fn is_text(&self) -> bool {
        matches!(self.kind, ItemType::Text | ItemType::Symbol(_))
    }

    fn encode(&self, text: Option<&str>, out: &mut Vec<u8>) -> Result<(), String> {
        let text = text.filter(|text| self.is_text() || *text != "null");
        let text = match (text, &self.null, &self.kind) {
            (Some(text), ..) => text,
            (None, Some(null), _) => {
                out.extend_from_slice(null);
                return Ok(());
            }
            (None, None, ItemType::Text) => "",
            (None, None, _) => return Err("the list has a null where the schema requires a value".into()),
        };
        out.extend_from_slice(&self.branch);
        let wrong_type = || format!("`{text}` in the list is not of the schema's type");
        match &self.kind {
            ItemType::Boolean => out.push(u8::from(text.parse::<bool>().map_err(|_| wrong_type())?)),
            ItemType::Int => write_long(text.parse::<i32>().map_err(|_| wrong_type())?.into(), out),
            ItemType::Long => write_long(text.parse().map_err(|_| wrong_type())?, out),
            ItemType::Float => out.extend_from_slice(&text.parse::<f32>().map_err(|_| wrong_type())?.to_le_bytes()),
            ItemType::Double => out.extend_from_slice(&text.parse::<f64>().map_err(|_| wrong_type())?.to_le_bytes()),
            ItemType::Text => write_bytes(text.as_bytes(), out),
            ItemType::Symbol(symbols) => {
                let at = symbols.iter().position(|symbol| symbol == text).ok_or_else(wrong_type)?;
                write_long(at as i64, out);
            }
        }
        Ok(())
    }
}
