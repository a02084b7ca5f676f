//! Lists that 2019's layout wrote as text, back into arrays and maps.
//!
//! The text is Spark's (see [`crate::alert::layout`]) and does not say everything: a first item that is nothing may be null or empty, `[]`
//! may hold nothing or one null, `, ` may stand within a string. What is read: a first item that is nothing is null where the field can
//! be null, else empty; how many items there are is what the columns that are not strings say; a comma without a space after it belongs
//! to the string; a list of strings that still has another number of items than its neighbours is an error.

use super::encode::{CellFault, NO_CELL};
use super::plan::{OnMissing, Op, PlanError, Planner, branch_bytes, null_bytes};
use crate::avro::{Kind, NodeId, Schema, write_bytes, write_long};
use crate::catalog::ColumnType;
use crate::list_text::Items;

/// How an item's text is read.
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

/// What an item's text becomes; `before` is the index of its union's branch.
#[derive(Clone, Debug)]
struct Item {
    before: Box<[u8]>,
    null: Option<Box<[u8]>>,
    parse: ItemType,
}

#[derive(Clone, Debug)]
enum ListField {
    Constant(Box<[u8]>),
    Column(usize, Item),
}

/// An array or a map that is put together from text.
#[derive(Clone, Debug)]
pub(super) struct ListPlan {
    before: Box<[u8]>,
    absent: OnMissing,
    item_before: Box<[u8]>,
    parts: Vec<ListField>,
    map: bool,
}

/// Whether the node is an array or a map, perhaps null.
pub(super) fn is_list(schema: &Schema, node: NodeId) -> bool {
    matches!(schema.kind(value_of(schema, node).1), Kind::Array(_) | Kind::Map(_))
}

/// The branch and the type of a node that is one type, perhaps null.
fn value_of(schema: &Schema, node: NodeId) -> (Box<[u8]>, NodeId) {
    match schema.optional(node) {
        Some(optional) => (branch_bytes(optional.value), optional.node),
        None => (Box::default(), node),
    }
}

fn absent(schema: &Schema, node: NodeId, default: Option<Box<[u8]>>) -> OnMissing {
    null_bytes(schema, node).or(default).map_or(OnMissing::Fail, OnMissing::Write)
}

fn item(schema: &Schema, node: NodeId) -> Option<Item> {
    let (before, value) = value_of(schema, node);
    let described = schema.node(value);
    if described.logical().is_some_and(|logical| matches!(described.kind, Kind::Int | Kind::Long) && logical != "uuid")
    {
        return None;
    }
    let parse = match &described.kind {
        Kind::Boolean => ItemType::Boolean,
        Kind::Int => ItemType::Int,
        Kind::Long => ItemType::Long,
        Kind::Float => ItemType::Float,
        Kind::Double => ItemType::Double,
        Kind::String => ItemType::Text,
        Kind::Enum { symbols, .. } => ItemType::Symbol(symbols.clone()),
        _ => return None,
    };
    Some(Item { before, null: null_bytes(schema, node), parse })
}

/// An array of scalars, or a map of them, from one column of text.
pub(super) fn values(
    planner: &mut Planner<'_>,
    node: NodeId,
    column: usize,
    default: Option<Box<[u8]>>,
) -> Result<Op, String> {
    let schema = planner.schema;
    let (before, list) = value_of(schema, node);
    let (inner, map) = match schema.kind(list) {
        Kind::Array(inner) => (*inner, false),
        Kind::Map(inner) => (*inner, true),
        _ => return Err("the field is neither an array nor a map".into()),
    };
    let item = item(schema, inner).ok_or("only lists of numbers, booleans and strings can be read back from text")?;
    let absent = absent(schema, node, default);
    let parts = vec![ListField::Column(planner.source(column), item)];
    Ok(Op::List(ListPlan { before, absent, item_before: Box::default(), parts, map }))
}

/// An array of records from a column of text for each field; `None` where the field is no such array or has no such column.
pub(super) fn records(
    planner: &mut Planner<'_>,
    node: NodeId,
    default: Option<Box<[u8]>>,
) -> Result<Option<Op>, PlanError> {
    let schema = planner.schema;
    let (before, list) = value_of(schema, node);
    let Kind::Array(inner) = schema.kind(list) else { return Ok(None) };
    let (item_before, record) = value_of(schema, *inner);
    let Kind::Record { fields, .. } = schema.kind(record) else { return Ok(None) };
    let columns: Vec<Option<usize>> = fields
        .iter()
        .map(|field| {
            planner.column_of(&field.name).filter(|at| planner.catalog.columns[*at].kind == ColumnType::String)
        })
        .collect();
    if columns.iter().all(Option::is_none) {
        return Ok(None);
    }
    let mut parts = Vec::with_capacity(fields.len());
    for (field, column) in fields.iter().zip(columns) {
        if let (Some(column), Some(item)) = (column, item(schema, field.node)) {
            parts.push(ListField::Column(planner.source(column), item));
            continue;
        }
        let name = format!("{}.{}", planner.field_name(), field.name);
        let mut bytes = Vec::new();
        let default =
            field.default.as_ref().filter(|value| schema.encode_default(field.node, value, &mut bytes).is_ok());
        let stand_in = default.map(|_| bytes.into()).or_else(|| null_bytes(schema, field.node));
        match (stand_in, column) {
            (Some(stand_in), _) => {
                planner
                    .warn(format!("`{name}` cannot be read back from text: it is null or its default in every alert"));
                parts.push(ListField::Constant(stand_in));
            }
            (None, Some(column)) => {
                return Err(PlanError::TypeMismatch {
                    column: planner.catalog.columns[column].name.clone(),
                    kind: "string",
                    field: name,
                    reason: "only numbers, booleans and strings can be read back from text".into(),
                });
            }
            (None, None) => {
                let table = planner.catalog.full_name();
                return Err(PlanError::NoColumn { column: name.replace('.', "_"), field: name, table });
            }
        }
    }
    let absent = absent(schema, node, default);
    Ok(Some(Op::List(ListPlan { before, absent, item_before, parts, map: false })))
}

impl ListPlan {
    /// The columns read.
    pub fn sources(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().filter_map(|part| match part {
            ListField::Column(source, _) => Some(*source),
            ListField::Constant(_) => None,
        })
    }

    /// Appends the list; `text` gives a column's text.
    pub fn put<'a>(
        &self,
        text: impl Fn(usize) -> Result<Option<&'a str>, CellFault>,
        out: &mut Vec<u8>,
    ) -> Result<(), CellFault> {
        let mut lists: Vec<Option<Items<'a>>> = Vec::with_capacity(self.parts.len());
        let (mut any, mut by_number, mut by_text) = (None, 0, 0);
        for part in &self.parts {
            let list = match part {
                ListField::Constant(_) => None,
                ListField::Column(source, item) => match text(*source)? {
                    None => None,
                    Some(text) => {
                        let items = Items::new(text).ok_or_else(|| (*source, "the text is no list".to_owned()))?;
                        any = Some(*source);
                        let counted = if item.parse.is_string() { &mut by_text } else { &mut by_number };
                        *counted = items.items().max(*counted);
                        Some(items)
                    }
                },
            };
            lists.push(list);
        }
        if any.is_none() {
            return match &self.absent {
                OnMissing::Write(bytes) => {
                    out.extend_from_slice(bytes);
                    Ok(())
                }
                OnMissing::Fail => Err((self.sources().next().unwrap_or(usize::MAX), NO_CELL.into())),
            };
        }
        let count = if by_number > 0 { by_number } else { by_text };
        for (part, list) in self.parts.iter().zip(&lists) {
            if let (ListField::Column(source, _), Some(list)) = (part, list)
                && list.items() != count
                && (list.items(), count) != (0, 1)
            {
                return Err((
                    *source,
                    format!("the list has {} items where its neighbours have {count}", list.items()),
                ));
            }
        }
        out.extend_from_slice(&self.before);
        if count > 0 {
            write_long(count as i64, out);
        }
        for _ in 0..count {
            out.extend_from_slice(&self.item_before);
            for (part, list) in self.parts.iter().zip(&mut lists) {
                match part {
                    ListField::Constant(bytes) => out.extend_from_slice(bytes),
                    ListField::Column(source, item) => {
                        let entry = list.as_mut().and_then(Iterator::next).flatten();
                        self.entry(item, entry, out).map_err(|reason| (*source, reason))?;
                    }
                }
            }
        }
        out.push(0);
        Ok(())
    }

    fn entry(&self, item: &Item, entry: Option<&str>, out: &mut Vec<u8>) -> Result<(), String> {
        if !self.map {
            return item.put(entry, out);
        }
        let entry = entry.unwrap_or_default();
        let (key, value) = match entry.split_once(" -> ") {
            Some((key, value)) => (key, Some(value)),
            None => (entry.strip_suffix(" ->").ok_or_else(|| format!("`{entry}` is no entry of a map"))?, None),
        };
        write_bytes(key.as_bytes(), out);
        item.put(value, out)
    }
}

impl ItemType {
    fn is_string(&self) -> bool {
        matches!(self, Self::Text | Self::Symbol(_))
    }
}

impl Item {
    fn put(&self, entry: Option<&str>, out: &mut Vec<u8>) -> Result<(), String> {
        let entry = match (entry, &self.null, &self.parse) {
            (Some(entry), ..) => entry,
            (None, Some(null), _) => {
                out.extend_from_slice(null);
                return Ok(());
            }
            (None, None, ItemType::Text) => "",
            (None, None, _) => return Err("the list has a null where the schema wants a value".into()),
        };
        out.extend_from_slice(&self.before);
        let type_mismatch = || format!("`{entry}` in the list is not of the schema's type");
        match &self.parse {
            ItemType::Boolean => out.push(u8::from(entry.parse::<bool>().map_err(|_| type_mismatch())?)),
            ItemType::Int => write_long(entry.parse::<i32>().map_err(|_| type_mismatch())?.into(), out),
            ItemType::Long => write_long(entry.parse().map_err(|_| type_mismatch())?, out),
            ItemType::Float => out.extend_from_slice(&entry.parse::<f32>().map_err(|_| type_mismatch())?.to_le_bytes()),
            ItemType::Double => {
                out.extend_from_slice(&entry.parse::<f64>().map_err(|_| type_mismatch())?.to_le_bytes())
            }
            ItemType::Text => write_bytes(entry.as_bytes(), out),
            ItemType::Symbol(symbols) => {
                let at = symbols.iter().position(|symbol| symbol == entry).ok_or_else(type_mismatch)?;
                write_long(at as i64, out);
            }
        }
        Ok(())
    }
}
