//! Histories of a field, which filters of ZTF's alerts ask for: `cmagpsfc` is the list of `prv_candidates.magpsf` followed by
//! `candidate.magpsf`. Where the list is null or missing, it is the present value alone, as with `concat_col` of fink-utils.

use std::sync::Arc;

use super::column_builder::{ColumnBuilder, blocks};
use super::filter_row::FilterRow;
use super::record::CellColumn;
use super::value_type::{Unions, ValueType};
use crate::avro::{Kind, Malformed, NodeId, Reader, Schema, Skipper};
use crate::catalog::{Catalog, ColumnType};
use crate::list_text::Items;

/// The record of the present values.
const PRESENT_RECORD: &str = "candidate";
/// The list of records of past values.
const PAST_LIST: &str = "prv_candidates";

/// Where past values are stored, with the index of the column in the catalog.
#[derive(Clone, Debug)]
enum PastValues {
    /// in a column with an Avro array of records
    Avro(usize, PastRecords),
    /// in a column with the list as text
    Text(usize),
}

/// One field of an Avro array of records.
#[derive(Clone, Debug)]
struct PastRecords {
    schema: Arc<Schema>,
    skipper: Arc<Skipper>,
    /// the node of the array's items
    items: NodeId,
    /// where the items are a union with null: how many branches it has, and the index of the record
    union: Option<(usize, usize)>,
    /// the nodes of the record's fields
    fields: Vec<NodeId>,
    /// index of the field among them
    field: usize,
}

/// The past values and the present value of one field.
#[derive(Clone, Debug)]
pub(super) struct FieldHistory {
    name: String,
    past: PastValues,
    present: CellColumn,
    item: ValueType,
}

impl FieldHistory {
    /// The history that a parameter names, as `c<field>c`; `None` where it names none.
    pub fn resolve(catalog: &Catalog, parameter: &str) -> Option<Self> {
        let name = parameter.strip_prefix('c')?.strip_suffix('c')?;
        let column_of = |field: String| catalog.columns.iter().position(|column| column.field == field);
        let present = column_of(format!("{PRESENT_RECORD}.{name}"))?;
        let item = ValueType::of_column(&catalog.columns[present]).ok()?;
        let past = match column_of(PAST_LIST.to_owned()) {
            Some(column) => PastValues::Avro(column, PastRecords::new(&catalog.columns[column].kind, name, &item)?),
            None => {
                let column = column_of(format!("{PAST_LIST}.{name}"))?;
                (catalog.columns[column].kind == ColumnType::String).then_some(PastValues::Text(column))?
            }
        };
        Some(Self { name: parameter.to_owned(), past, present: CellColumn::new(catalog, present), item })
    }

    /// A list.
    pub fn value_type(&self) -> ValueType {
        ValueType::List(Box::new(self.item.clone()))
    }

    /// Adds the columns that it reads, as indexes into the catalog's list.
    pub fn columns(&self, out: &mut Vec<usize>) {
        let (PastValues::Avro(column, _) | PastValues::Text(column)) = self.past;
        out.extend([column, self.present.index]);
    }

    /// Appends the row's list.
    ///
    /// # Errors
    /// Which cell cannot be read, and why.
    pub fn push(&self, row: &FilterRow<'_>, column: &mut ColumnBuilder) -> Result<(), String> {
        let error = |reason: String| format!("the history `{}`: {reason}", self.name);
        let Some(items) = column.items() else { return Err(error("its column has no lists".to_owned())) };
        match &self.past {
            PastValues::Avro(past, records) => {
                if let Some(cell) = row.cell(*past).map_err(error)? {
                    records.push(&cell, items).map_err(|malformed| error(malformed.to_string()))?;
                }
            }
            PastValues::Text(past) => {
                if let Some(cell) = row.cell(*past).map_err(error)? {
                    let text = std::str::from_utf8(&cell).map_err(|_| error("the text is not UTF-8".to_owned()))?;
                    let list = Items::new(text).ok_or_else(|| error("the text is not a list".to_owned()))?;
                    for item in list {
                        match item {
                            Some(item) => items.push_text(item).map_err(error)?,
                            None => items.push_null(),
                        }
                    }
                }
            }
        }
        self.present.push(row, items)?;
        column.close();
        Ok(())
    }
}

impl PastRecords {
    /// The field `name` of the records in a column of type `kind`; `None` where there is no such field, or its type is not `wanted`.
    fn new(kind: &ColumnType, name: &str, wanted: &ValueType) -> Option<Self> {
        let ColumnType::Avro(schema) = kind else { return None };
        let Kind::Array(items) = schema.kind(schema.root()) else { return None };
        let (union, record) = match (schema.kind(*items), schema.optional(*items)) {
            (Kind::Union(branches), Some(choice)) => (Some((branches.len(), choice.value)), choice.node),
            _ => (None, *items),
        };
        let Kind::Record { fields, .. } = schema.kind(record) else { return None };
        let field = fields.iter().position(|field| field.name == name)?;
        let value_type = ValueType::of_node(schema, fields[field].node, Unions::Refused).ok()?;
        (value_type == *wanted).then(|| Self {
            schema: Arc::clone(schema),
            skipper: Arc::new(Skipper::new(schema)),
            items: *items,
            union,
            fields: fields.iter().map(|field| field.node).collect(),
            field,
        })
    }

    /// Appends the field of each record of the datum; null where the record is null.
    fn push(&self, datum: &[u8], items: &mut ColumnBuilder) -> Result<(), Malformed> {
        let mut reader = Reader::new(datum);
        blocks(&mut reader, self.schema.is_zero_sized(self.items), |reader| {
            if let Some((branches, record)) = self.union
                && reader.index(branches, "a union index without a branch")? != record
            {
                items.push_null();
                return Ok(());
            }
            for (index, node) in self.fields.iter().enumerate() {
                match index == self.field {
                    true => items.push_avro(&self.schema, *node, reader)?,
                    false => self.skipper.skip(*node, reader)?,
                }
            }
            Ok(())
        })?;
        reader.end()
    }
}
