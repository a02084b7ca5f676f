//! The history columns that filters of ZTF's alerts ask for: `cmagpsfc` is the list of `prv_candidates.magpsf` followed by
//! `candidate.magpsf`.
//!
//! A list of null, or none, gives the present value alone, as Spark's `concat_col` in fink-utils does.

use std::sync::Arc;

use super::column_builder::{ColumnBuilder, blocks};
use super::record::CellColumn;
use super::runner::FilterRow;
use super::value_type::ValueType;
use crate::avro::{Kind, NodeId, Reader, Schema, Skipper};
use crate::catalog::{Catalog, ColumnType};
use crate::list_text::Items;

/// The record of the present.
const PRESENT_RECORD: &str = "candidate";
/// The list of the past.
const PAST_LIST: &str = "prv_candidates";

/// Where the past stands.
#[derive(Clone, Debug)]
enum PastValues {
    /// in one column of Avro data: an array of records, of which one field counts
    Avro { index: usize, schema: Arc<Schema>, skipper: Arc<Skipper>, items: NodeId, field: usize },
    /// in a column of text of its own
    Text { index: usize },
}

/// The values of one field, past and present.
#[derive(Clone, Debug)]
pub(super) struct FieldHistory {
    name: String,
    past: PastValues,
    present: CellColumn,
    item: ValueType,
}

impl FieldHistory {
    /// The history that `argument` names, if it is of that kind: `c`, a field, `c`.
    pub fn named(catalog: &Catalog, argument: &str) -> Option<Self> {
        let name = argument.strip_prefix('c')?.strip_suffix('c')?;
        let at = |field: String| catalog.columns.iter().position(|column| column.field == field);
        let present = at(format!("{PRESENT_RECORD}.{name}"))?;
        let item = ValueType::of_column(&catalog.columns[present]).ok()?;
        let past = match at(PAST_LIST.to_owned()) {
            Some(index) => Self::avro(&catalog.columns[index].kind, index, name, &item),
            None => {
                let index = at(format!("{PAST_LIST}.{name}"))?;
                (catalog.columns[index].kind == ColumnType::String).then_some(PastValues::Text { index })
            }
        }?;
        Some(Self { name: argument.to_owned(), past, present: CellColumn::new(catalog, present), item })
    }

    fn avro(kind: &ColumnType, index: usize, name: &str, wanted: &ValueType) -> Option<PastValues> {
        let ColumnType::Avro(schema) = kind else { return None };
        let Kind::Array(items) = schema.kind(schema.root()) else { return None };
        let record = schema.optional(*items).map_or(*items, |choice| choice.node);
        let Kind::Record { fields, .. } = schema.kind(record) else { return None };
        let field = fields.iter().position(|field| field.name == name)?;
        let value_type = ValueType::of_node(schema, fields[field].node, 0).ok()?;
        let skipper = Arc::new(Skipper::new(schema));
        (value_type == *wanted).then(|| PastValues::Avro {
            index,
            schema: Arc::clone(schema),
            skipper,
            items: *items,
            field,
        })
    }

    /// What it is: a list.
    pub fn value_type(&self) -> ValueType {
        ValueType::List(Box::new(self.item.clone()))
    }

    /// Adds its columns to the list.
    pub fn columns(&self, out: &mut Vec<usize>) {
        let (PastValues::Avro { index, .. } | PastValues::Text { index }) = self.past;
        out.extend([index, self.present.index]);
    }

    /// Adds the row's list.
    pub fn push(&self, cells: &dyn FilterRow, column: &mut ColumnBuilder) -> Result<(), String> {
        let fault = |reason: String| format!("the history `{}`: {reason}", self.name);
        let Some(items) = column.items() else { return Err(fault("no list".to_owned())) };
        match &self.past {
            PastValues::Avro { index, schema, skipper, items: node, field } => {
                if let Some(cell) = cells.cell(*index).map_err(fault)? {
                    let mut reader = Reader::new(&cell);
                    let read = blocks(&mut reader, schema.is_zero_sized(*node), |reader| {
                        let mut record = *node;
                        if let Some(choice) = schema.optional(*node) {
                            let Kind::Union(branches) = schema.kind(*node) else { return Ok(()) };
                            if reader.index(branches.len(), "a union index without a branch")? != choice.value {
                                items.push_null();
                                return Ok(());
                            }
                            record = choice.node;
                        }
                        let Kind::Record { fields, .. } = schema.kind(record) else { return Ok(()) };
                        for (at, other) in fields.iter().enumerate() {
                            match at == *field {
                                true => items.push_avro(schema, other.node, reader)?,
                                false => skipper.skip(other.node, reader)?,
                            }
                        }
                        Ok(())
                    });
                    read.and_then(|()| reader.end()).map_err(|reason| fault(reason.to_string()))?;
                }
            }
            PastValues::Text { index } => {
                if let Some(cell) = cells.cell(*index).map_err(fault)? {
                    let text = std::str::from_utf8(&cell).map_err(|_| fault("the text is not UTF-8".to_owned()))?;
                    let list = Items::new(text).ok_or_else(|| fault("the text is no list".to_owned()))?;
                    for item in list {
                        match item {
                            Some(item) => items.push_text(item).map_err(fault)?,
                            None => items.push_null(),
                        }
                    }
                }
            }
        }
        self.present.push(cells, items)?;
        column.close();
        Ok(())
    }
}
