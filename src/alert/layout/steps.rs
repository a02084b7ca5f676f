//! The steps that turn a datum into cells, made once from the schema.

use std::collections::HashMap;
use std::sync::Arc;

use super::options::{LayoutError, LayoutOptions, ListEncoding, STATUS, status_column};
use crate::avro::{Kind, NodeId, OptionalUnion, Resolution, Schema};
use crate::catalog::{Catalog, CellPrefix, Column, ColumnLocation, ColumnType, MAX_COLUMNS, NestedRecord, cell_prefix};

/// A union of one type, or of one type and null, around a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nullable {
    /// number of branches: 1 or 2
    pub branches: usize,
    /// index of the branch that holds the value
    pub value: usize,
}

impl From<OptionalUnion> for Nullable {
    fn from(optional: OptionalUnion) -> Self {
        Self { branches: if optional.null.is_some() { 2 } else { 1 }, value: optional.value }
    }
}

/// How the bytes of a scalar become those of a cell.
#[derive(Clone, Debug)]
pub(super) enum ScalarKind {
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(Vec<String>),
}

/// The cell of a null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnNull {
    NoCell,
    Fill,
}

/// How a datum is written to an Avro cell.
#[derive(Clone, Debug)]
pub(super) struct AvroCell {
    /// of the cell's schema
    pub prefix: CellPrefix,
    /// without superseded fields; `None`: there are none
    pub resolution: Option<Arc<Resolution>>,
}

#[derive(Clone, Debug)]
pub(super) enum FlattenStep {
    /// a value without a column
    Skip(NodeId),
    Scalar {
        column: usize,
        union: Option<Nullable>,
        scalar: ScalarKind,
        on_null: OnNull,
    },
    /// a cell that holds a datum of `node`
    Avro {
        column: usize,
        union: Option<Nullable>,
        node: NodeId,
        cell: AvroCell,
    },
    /// a cell that holds a datum of a union of several types; its branch `null` has no cell
    AvroUnion {
        column: usize,
        null: Option<usize>,
        node: NodeId,
        branches: usize,
        cell: AvroCell,
    },
    Record {
        union: Option<Nullable>,
        steps: Vec<FlattenStep>,
        marker: Option<usize>,
    },
    /// one column of text
    Text {
        column: usize,
        union: Option<Nullable>,
        node: NodeId,
    },
    /// an array of records, one column of text for each field
    List {
        union: Option<Nullable>,
        item: Option<Nullable>,
        fields: Vec<(usize, NodeId)>,
    },
}

impl FlattenStep {
    /// Whether it writes a cell for every datum, so that a record around it needs no presence marker.
    fn always_writes(&self) -> bool {
        match self {
            Self::Skip(_) => false,
            Self::Scalar { union, on_null, .. } => *on_null == OnNull::Fill || union.is_none_or(|u| u.branches == 1),
            Self::Avro { union, .. } | Self::Text { union, .. } => union.is_none_or(|u| u.branches == 1),
            Self::AvroUnion { null, .. } => null.is_none(),
            Self::Record { union, steps, marker } => {
                union.is_none_or(|u| u.branches == 1) && (marker.is_some() || steps.iter().any(Self::always_writes))
            }
            Self::List { union, fields, .. } => union.is_none_or(|u| u.branches == 1) && !fields.is_empty(),
        }
    }
}

/// Replaces each column of the steps by its new index.
pub(super) fn renumber(steps: &mut [FlattenStep], new_indexes: &[usize]) {
    for step in steps {
        match step {
            FlattenStep::Skip(_) => {}
            FlattenStep::Scalar { column, .. }
            | FlattenStep::Avro { column, .. }
            | FlattenStep::AvroUnion { column, .. }
            | FlattenStep::Text { column, .. } => *column = new_indexes[*column],
            FlattenStep::List { fields, .. } => {
                fields.iter_mut().for_each(|(column, _)| *column = new_indexes[*column])
            }
            FlattenStep::Record { steps, marker, .. } => {
                *marker = marker.map(|column| new_indexes[column]);
                renumber(steps, new_indexes);
            }
        }
    }
}

pub(super) struct LayoutBuilder<'a> {
    schema: &'a Schema,
    options: &'a LayoutOptions<'a>,
    /// the columns that the table has already, by field
    known: HashMap<&'a str, &'a Column>,
    /// the records that the table has already and that may be null
    nullable: Vec<&'a str>,
    columns: Vec<Column>,
    /// the columns by name
    names: HashMap<String, usize>,
    records: Vec<NestedRecord>,
    path: Vec<String>,
    open: Vec<NodeId>,
}

impl<'a> LayoutBuilder<'a> {
    pub fn new(schema: &'a Schema, options: &'a LayoutOptions<'a>, known: Option<&'a Catalog>) -> Self {
        let columns = known.map_or(&[][..], |known| &known.columns);
        let records = known.map_or(&[][..], |known| &known.records);
        Self {
            schema,
            options,
            known: columns.iter().map(|column| (column.field.as_str(), column)).collect(),
            nullable: records.iter().filter(|record| record.nullable).map(|record| record.path.as_str()).collect(),
            columns: Vec::new(),
            names: HashMap::new(),
            records: Vec::new(),
            path: Vec::new(),
            open: Vec::new(),
        }
    }

    /// The steps for a whole alert.
    pub fn root(&mut self) -> Result<Vec<FlattenStep>, LayoutError> {
        let steps = match self.schema.kind(self.schema.root()) {
            Kind::Record { .. } => self.record(self.schema.root())?,
            _ => return Err(LayoutError::NotARecord),
        };
        if self.options.status {
            self.no_clash(STATUS, STATUS)?;
            self.columns.push(status_column(self.options.family));
        }
        Ok(steps)
    }

    /// The columns and records.
    pub fn finish(self) -> (Vec<Column>, Vec<NestedRecord>) {
        (self.columns, self.records)
    }

    fn record(&mut self, id: NodeId) -> Result<Vec<FlattenStep>, LayoutError> {
        let schema = self.schema;
        let Kind::Record { fields, .. } = schema.kind(id) else { return Ok(Vec::new()) };
        self.open.push(id);
        let mut steps = Vec::with_capacity(fields.len());
        for field in fields {
            self.path.push(field.name.clone());
            steps.push(match field.is_superseded {
                true => FlattenStep::Skip(field.node),
                false => self.value(field.node)?,
            });
            self.path.pop();
        }
        self.open.pop();
        Ok(steps)
    }

    fn value(&mut self, id: NodeId) -> Result<FlattenStep, LayoutError> {
        let schema = self.schema;
        if let Kind::Union(branches) = schema.kind(id) {
            return match schema.optional(id) {
                Some(optional) => self.one_type(optional.node, Some(optional.into())),
                None if branches.len() == 1 => Ok(FlattenStep::Skip(id)),
                None => {
                    let (column, cell) = self.avro_column(id)?;
                    Ok(FlattenStep::AvroUnion {
                        column,
                        cell,
                        null: schema.null_branch(id),
                        node: id,
                        branches: branches.len(),
                    })
                }
            };
        }
        self.one_type(id, None)
    }

    fn one_type(&mut self, id: NodeId, union: Option<Nullable>) -> Result<FlattenStep, LayoutError> {
        let schema = self.schema;
        let text = self.options.history == ListEncoding::Text;
        let (kind, scalar) = match schema.kind(id) {
            Kind::Null => return Ok(FlattenStep::Skip(id)),
            Kind::Boolean => (ColumnType::Boolean, ScalarKind::Boolean),
            Kind::Int => (ColumnType::Int, ScalarKind::Int),
            Kind::Long => (ColumnType::Long, ScalarKind::Long),
            Kind::Float => (ColumnType::Float, ScalarKind::Float),
            Kind::Double => (ColumnType::Double, ScalarKind::Double),
            Kind::Bytes => (ColumnType::Binary, ScalarKind::Bytes),
            Kind::String => (ColumnType::String, ScalarKind::Text),
            Kind::Fixed { size, .. } => (ColumnType::Binary, ScalarKind::Fixed(*size)),
            Kind::Enum { symbols, .. } => (ColumnType::String, ScalarKind::Enum(symbols.clone())),
            Kind::Record { .. } if self.open.contains(&id) => {
                let (column, cell) = self.avro_column(id)?;
                return Ok(FlattenStep::Avro { column, union, node: id, cell });
            }
            Kind::Record { .. } => return self.nested(id, union),
            Kind::Array(item) if text => {
                if let Some(list) = self.list(*item, union)? {
                    return Ok(list);
                }
                return Ok(FlattenStep::Text { column: self.column(ColumnType::String)?, union, node: id });
            }
            Kind::Map(_) if text => {
                return Ok(FlattenStep::Text { column: self.column(ColumnType::String)?, union, node: id });
            }
            Kind::Array(_) | Kind::Map(_) => {
                let (column, cell) = self.avro_column(id)?;
                return Ok(FlattenStep::Avro { column, union, node: id, cell });
            }
            Kind::Union(_) => return Ok(FlattenStep::Skip(id)),
        };
        let node = schema.node(id);
        let column = self.column(kind)?;
        if !node.extra.is_empty() || node.kind.name().is_some() {
            self.columns[column].exact = Some(Arc::new(schema.subschema(id)));
        }
        let fillable = !matches!(scalar, ScalarKind::Fixed(_) | ScalarKind::Enum(_));
        let on_null = if text && fillable && self.path.len() > 1 { OnNull::Fill } else { OnNull::NoCell };
        Ok(FlattenStep::Scalar { column, union, scalar, on_null })
    }

    fn nested(&mut self, id: NodeId, union: Option<Nullable>) -> Result<FlattenStep, LayoutError> {
        let path = self.path.join(".");
        // Where the record was nullable in an earlier schema, readers take it for null if it has no cell.
        let nullable = union.is_some_and(|union| union.branches == 2) || self.nullable.contains(&path.as_str());
        self.records.push(NestedRecord { path, nullable });
        let steps = self.record(id)?;
        let marker = match nullable && !steps.iter().any(FlattenStep::always_writes) {
            true => Some(self.column(ColumnType::Boolean)?),
            false => None,
        };
        Ok(FlattenStep::Record { union, steps, marker })
    }

    /// An array of records, or of records and null.
    fn list(&mut self, item: NodeId, union: Option<Nullable>) -> Result<Option<FlattenStep>, LayoutError> {
        let schema = self.schema;
        let (record, item) = match schema.optional(item) {
            Some(optional) => (optional.node, Some(optional.into())),
            None => (item, None),
        };
        let Kind::Record { fields, .. } = schema.kind(record) else { return Ok(None) };
        self.records.push(NestedRecord { path: self.path.join("."), nullable: false });
        let mut columns = Vec::with_capacity(fields.len());
        for field in fields {
            self.path.push(field.name.clone());
            columns.push((self.column(ColumnType::String)?, field.node));
            self.path.pop();
        }
        Ok(Some(FlattenStep::List { union, item, fields: columns }))
    }

    fn avro_column(&mut self, id: NodeId) -> Result<(usize, AvroCell), LayoutError> {
        let written = self.schema.subschema(id);
        let (schema, resolution) = match written.without_superseded() {
            None => (written, None),
            Some(schema) => {
                let field = self.path.join(".");
                let resolution = Resolution::new((self.schema, id), (&schema, schema.root()))
                    .map_err(|error| LayoutError::Superseded { field, reason: error.to_string() })?;
                (schema, Some(Arc::new(resolution)))
            }
        };
        let prefix = cell_prefix(&schema);
        Ok((self.column(ColumnType::Avro(Arc::new(schema)))?, AvroCell { prefix, resolution }))
    }

    fn column(&mut self, kind: ColumnType) -> Result<usize, LayoutError> {
        let field = self.path.join(".");
        let known = self.known.get(field.as_str()).copied();
        let name = known.map_or_else(|| self.path.join("_"), |known| known.name.clone());
        self.no_clash(&name, &field)?;
        if self.columns.len() >= MAX_COLUMNS {
            return Err(LayoutError::TooManyColumns);
        }
        self.names.insert(name.clone(), self.columns.len());
        let location = match known {
            Some(known) => known.location.clone(),
            None => ColumnLocation::Cell { family: self.options.family.to_owned(), qualifier: name.clone() },
        };
        let (written, narrower) = (Vec::new(), Vec::new());
        self.columns.push(Column { name, location, kind, field, exact: None, written, narrower });
        Ok(self.columns.len() - 1)
    }

    fn no_clash(&self, name: &str, field: &str) -> Result<(), LayoutError> {
        match self.names.get(name).and_then(|at| self.columns.get(*at)) {
            Some(other) => Err(LayoutError::NameConflict {
                column: name.to_owned(),
                one: other.field.clone(),
                other: field.to_owned(),
            }),
            None => Ok(()),
        }
    }
}
