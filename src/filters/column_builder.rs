//! A column of values that is filled row by row, from cells, text and Avro data.

use super::value_type::ValueType;
use crate::avro::{Kind, Malformed, NodeId, Reader, Schema};

/// Values of one type, each of which may be null.
#[derive(Clone, Debug)]
pub(crate) struct ColumnBuilder {
    value_type: ValueType,
    pub(crate) present: Vec<bool>,
    pub(crate) values: Values,
}

/// The values, with an arbitrary one in place of each null.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    Boolean(Vec<bool>),
    Byte(Vec<i8>),
    Short(Vec<i16>),
    Int(Vec<i32>),
    Long(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    /// text or binary: the end of each value, and the bytes of all
    Bytes(Vec<usize>, Vec<u8>),
    /// the end of each list, and the items of all
    List(Vec<usize>, Box<ColumnBuilder>),
    /// the end of each map, and the keys and values of all
    Map(Vec<usize>, Box<ColumnBuilder>, Box<ColumnBuilder>),
    Struct(Vec<ColumnBuilder>),
}

impl ColumnBuilder {
    /// An empty column.
    pub fn new(value_type: &ValueType) -> Self {
        let values = match value_type {
            ValueType::Boolean => Values::Boolean(Vec::new()),
            ValueType::Byte => Values::Byte(Vec::new()),
            ValueType::Short => Values::Short(Vec::new()),
            ValueType::Int => Values::Int(Vec::new()),
            ValueType::Long | ValueType::Timestamp(_) => Values::Long(Vec::new()),
            ValueType::Float => Values::Float(Vec::new()),
            ValueType::Double => Values::Double(Vec::new()),
            ValueType::Text | ValueType::Binary => Values::Bytes(Vec::new(), Vec::new()),
            ValueType::List(item) => Values::List(Vec::new(), Box::new(Self::new(item))),
            ValueType::Map(value) => {
                Values::Map(Vec::new(), Box::new(Self::new(&ValueType::Text)), Box::new(Self::new(value)))
            }
            ValueType::Struct(fields) => {
                Values::Struct(fields.iter().map(|(_, value_type)| Self::new(value_type)).collect())
            }
        };
        Self { value_type: value_type.clone(), present: Vec::new(), values }
    }

    /// Whether the column has no value yet.
    pub fn is_empty(&self) -> bool {
        self.present.is_empty()
    }

    /// A column of booleans without nulls.
    pub fn of_booleans(values: Vec<bool>) -> Self {
        Self { value_type: ValueType::Boolean, present: vec![true; values.len()], values: Values::Boolean(values) }
    }

    pub fn value_type(&self) -> &ValueType {
        &self.value_type
    }

    pub fn len(&self) -> usize {
        self.present.len()
    }

    /// Appends a null.
    pub fn push_null(&mut self) {
        self.present.push(false);
        match &mut self.values {
            Values::Boolean(values) => values.push(false),
            Values::Byte(values) => values.push(0),
            Values::Short(values) => values.push(0),
            Values::Int(values) => values.push(0),
            Values::Long(values) => values.push(0),
            Values::Float(values) => values.push(0.0),
            Values::Double(values) => values.push(0.0),
            Values::Bytes(ends, bytes) => ends.push(bytes.len()),
            Values::List(ends, item) => ends.push(item.len()),
            Values::Map(ends, keys, _) => ends.push(keys.len()),
            Values::Struct(fields) => fields.iter_mut().for_each(Self::push_null),
        }
    }

    /// Removes values until `len` are left.
    pub fn truncate(&mut self, len: usize) {
        self.present.truncate(len);
        match &mut self.values {
            Values::Boolean(values) => values.truncate(len),
            Values::Byte(values) => values.truncate(len),
            Values::Short(values) => values.truncate(len),
            Values::Int(values) => values.truncate(len),
            Values::Long(values) => values.truncate(len),
            Values::Float(values) => values.truncate(len),
            Values::Double(values) => values.truncate(len),
            Values::Bytes(ends, bytes) => {
                ends.truncate(len);
                bytes.truncate(ends.last().copied().unwrap_or(0));
            }
            Values::List(ends, item) => {
                ends.truncate(len);
                item.truncate(ends.last().copied().unwrap_or(0));
            }
            Values::Map(ends, keys, values) => {
                ends.truncate(len);
                let entries = ends.last().copied().unwrap_or(0);
                keys.truncate(entries);
                values.truncate(entries);
            }
            Values::Struct(fields) => fields.iter_mut().for_each(|field| field.truncate(len)),
        }
    }

    /// Appends a scalar from the bytes of a cell; numbers are big-endian.
    ///
    /// # Errors
    /// The bytes are no value of the column's type. The column may then contain a part of a value: see [`truncate`](Self::truncate).
    pub fn push_cell(&mut self, cell: &[u8]) -> Result<(), String> {
        fn number<const N: usize>(cell: &[u8]) -> Result<[u8; N], String> {
            cell.try_into().map_err(|_| format!("the cell has {} bytes, not {N}", cell.len()))
        }
        match &mut self.values {
            Values::Boolean(values) => values.push(number::<1>(cell)? != [0]),
            Values::Byte(values) => values.push(i8::from_be_bytes(number(cell)?)),
            Values::Short(values) => values.push(i16::from_be_bytes(number(cell)?)),
            Values::Int(values) => values.push(i32::from_be_bytes(number(cell)?)),
            Values::Long(values) => values.push(i64::from_be_bytes(number(cell)?)),
            Values::Float(values) => values.push(f32::from_be_bytes(number(cell)?)),
            Values::Double(values) => values.push(f64::from_be_bytes(number(cell)?)),
            Values::Bytes(ends, bytes) => {
                if self.value_type == ValueType::Text && std::str::from_utf8(cell).is_err() {
                    return Err("the text is not UTF-8".to_owned());
                }
                bytes.extend_from_slice(cell);
                ends.push(bytes.len());
            }
            Values::List(..) | Values::Map(..) | Values::Struct(_) => {
                return Err("the cell is a scalar, and the column has lists, maps or records".to_owned());
            }
        }
        self.present.push(true);
        Ok(())
    }

    /// Appends a scalar from text.
    ///
    /// # Errors
    /// The text is no value of the column's type.
    pub fn push_text(&mut self, text: &str) -> Result<(), String> {
        let invalid = || format!("`{text}` is not of its column's type");
        match &mut self.values {
            Values::Boolean(values) => values.push(text.parse().map_err(|_| invalid())?),
            Values::Byte(values) => values.push(text.parse().map_err(|_| invalid())?),
            Values::Short(values) => values.push(text.parse().map_err(|_| invalid())?),
            Values::Int(values) => values.push(text.parse().map_err(|_| invalid())?),
            Values::Long(values) => values.push(text.parse().map_err(|_| invalid())?),
            Values::Float(values) => values.push(text.parse().map_err(|_| invalid())?),
            Values::Double(values) => values.push(text.parse().map_err(|_| invalid())?),
            Values::Bytes(ends, bytes) => {
                bytes.extend_from_slice(text.as_bytes());
                ends.push(bytes.len());
            }
            Values::List(..) | Values::Map(..) | Values::Struct(_) => return Err(invalid()),
        }
        self.present.push(true);
        Ok(())
    }

    /// The items of a column of lists: those appended from now on belong to the list that [`close`](Self::close) ends. `None`: the column has
    /// no lists.
    pub fn items(&mut self) -> Option<&mut Self> {
        match &mut self.values {
            Values::List(_, item) => Some(item),
            _ => None,
        }
    }

    /// The fields of a column of structs: append one value to each, then call [`close`](Self::close). `None`: the column has no structs.
    pub fn fields(&mut self) -> Option<&mut [Self]> {
        match &mut self.values {
            Values::Struct(fields) => Some(fields),
            _ => None,
        }
    }

    /// Ends a list or a struct whose items or fields have been appended.
    pub fn close(&mut self) {
        if let Values::List(ends, item) = &mut self.values {
            ends.push(item.len());
        }
        self.present.push(true);
    }

    /// Appends a value of an Avro datum. The column's type must be that of the node.
    ///
    /// # Errors
    /// The datum is malformed. The column may then contain a part of a value: see [`truncate`](Self::truncate).
    pub fn push_avro(&mut self, schema: &Schema, id: NodeId, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        match (schema.kind(id), &mut self.values) {
            (Kind::Union(branches), values) => {
                let at = reader.index(branches.len(), "a union index without a branch")?;
                let Some(branch) = branches.get(at).filter(|branch| !is_null(schema, **branch)) else {
                    self.push_null();
                    return Ok(());
                };
                let (None, Values::Struct(members)) = (schema.optional(id), values) else {
                    return self.push_avro(schema, *branch, reader);
                };
                let number = branches[..at].iter().filter(|branch| !is_null(schema, **branch)).count();
                for (other, member) in members.iter_mut().enumerate() {
                    match other == number {
                        true => member.push_avro(schema, *branch, reader)?,
                        false => member.push_null(),
                    }
                }
            }
            (Kind::Boolean, Values::Boolean(values)) => values.push(reader.boolean()?),
            (Kind::Int, Values::Int(values)) => values.push(reader.int()?),
            (Kind::Long, Values::Long(values)) => values.push(reader.long()?),
            (Kind::Float, Values::Float(values)) => values.push(f32::from_le_bytes(reader.array()?)),
            (Kind::Double, Values::Double(values)) => values.push(f64::from_le_bytes(reader.array()?)),
            (
                kind @ (Kind::String | Kind::Bytes | Kind::Fixed { .. } | Kind::Enum { .. }),
                Values::Bytes(ends, bytes),
            ) => {
                match kind {
                    Kind::String => bytes.extend_from_slice(reader.text()?.as_bytes()),
                    Kind::Fixed { size, .. } => bytes.extend_from_slice(reader.take(*size)?),
                    Kind::Enum { symbols, .. } => {
                        let at = reader.index(symbols.len(), "an enum index without a symbol")?;
                        bytes.extend_from_slice(symbols[at].as_bytes());
                    }
                    _ => bytes.extend_from_slice(reader.bytes()?),
                }
                ends.push(bytes.len());
            }
            (Kind::Array(item), Values::List(ends, items)) => {
                let empty = schema.is_zero_sized(*item);
                blocks(reader, empty, |reader| items.push_avro(schema, *item, reader))?;
                ends.push(items.len());
            }
            (Kind::Map(value), Values::Map(ends, keys, values)) => {
                blocks(reader, false, |reader| {
                    let key = reader.text()?;
                    keys.push_text(key).or_else(|_| reader.error("a map key that is not text"))?;
                    values.push_avro(schema, *value, reader)
                })?;
                ends.push(keys.len());
            }
            (Kind::Record { fields, .. }, Values::Struct(columns)) => {
                for (field, column) in fields.iter().zip(columns) {
                    column.push_avro(schema, field.node, reader)?;
                }
            }
            _ => return reader.error("a value that does not have the type of its column"),
        }
        self.present.push(true);
        Ok(())
    }
}

fn is_null(schema: &Schema, id: NodeId) -> bool {
    matches!(schema.kind(id), Kind::Null)
}

/// Calls `each` for every item of an array or map. `empty`: items may have no bytes.
pub(super) fn blocks<'a>(
    reader: &mut Reader<'a>,
    empty: bool,
    mut each: impl FnMut(&mut Reader<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    loop {
        match reader.block(empty)? {
            0 => return Ok(()),
            count => (0..count).try_for_each(|_| each(reader))?,
        }
    }
}
