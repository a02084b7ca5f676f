//! A Parquet file of alerts of one schema. Its types are those of the Avro schema, never guessed from values: 64-bit integers stay integers,
//! a column that is null throughout keeps its type, and one that cannot be null is required. A union of several types is a struct with a member
//! for each of them, as parquet-avro writes it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema as ArrowSchema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::required;
use crate::avro::{Reader, Schema};
use crate::filters::{ColumnBuilder, Unions, ValueType, struct_array};
use crate::messages::Alert;

/// Alerts that are turned into columns at a time.
const MAX_BATCH_ROWS: usize = 256;
const MAX_BATCH_BYTES: usize = 2 << 20;

/// A Parquet file that is being written.
///
/// Alerts wait as they came until a row group is written in one go. The writers of some hundred columns take more memory than the alerts: each
/// has two contexts of zstd, of 100 kB. They live as long as their row group, so with one row group at a time only one file has them.
pub struct ParquetFile {
    writer: ArrowWriter<BufWriter<File>>,
    value_type: ValueType,
    schema: Arc<Schema>,
    /// the data of alerts that are in no row group yet
    waiting: VecDeque<Box<[u8]>>,
    waiting_bytes: usize,
}

impl ParquetFile {
    /// Begins a file for alerts of a schema.
    ///
    /// # Errors
    /// The schema has what Parquet has no column for, in words.
    pub fn create(file: File, schema: &Arc<Schema>) -> Result<Self, String> {
        let value_type = ValueType::of_node(schema, schema.root(), Unions::Members)
            .map_err(|reason| format!("these alerts cannot be saved as Parquet: {reason}; save them as Avro"))?;
        let DataType::Struct(fields) = required::data_type(schema, schema.root(), &value_type.data_type()) else {
            return Err("these alerts cannot be saved as Parquet: they are no records; save them as Avro".to_owned());
        };
        let arrow = Arc::new(ArrowSchema::new(fields));
        let level = ZstdLevel::try_new(1).map_err(|error| error.to_string())?;
        // Few numbers come twice, and no stamp: their dictionaries would take more memory than the alerts.
        let mut properties =
            WriterProperties::builder().set_compression(Compression::ZSTD(level)).set_dictionary_enabled(false);
        let mut columns = Vec::new();
        arrow.fields().iter().for_each(|field| leaves(field.name(), field.data_type(), &mut Vec::new(), &mut columns));
        for (path, data_type) in columns {
            properties = match data_type {
                DataType::LargeUtf8 => properties.set_column_dictionary_enabled(path, true),
                // A query for the smallest stamp makes no sense.
                DataType::LargeBinary => properties.set_column_statistics_enabled(path, EnabledStatistics::None),
                _ => properties,
            };
        }
        // Without Arrow's own schema in the file readers take the plain types: strings, not large strings.
        let options = ArrowWriterOptions::new().with_properties(properties.build()).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(BufWriter::new(file), arrow, options);
        let writer =
            writer.map_err(|error| format!("these alerts cannot be saved as Parquet: {error}; save them as Avro"))?;
        Ok(Self { writer, value_type, schema: Arc::clone(schema), waiting: VecDeque::new(), waiting_bytes: 0 })
    }

    /// Adds an alert of the schema.
    pub fn push(&mut self, alert: &Alert<'_>) {
        self.waiting_bytes += alert.datum.len();
        self.waiting.push_back(alert.datum.as_ref().into());
    }

    /// Bytes of the alerts that are in no row group yet.
    pub fn memory(&self) -> usize {
        self.waiting_bytes
    }

    /// Writes a row group of the alerts that wait.
    ///
    /// # Errors
    /// A datum is damaged, or the disk refuses.
    pub fn write_row_group(&mut self) -> Result<(), String> {
        self.waiting_bytes = 0;
        let mut batch = ColumnBuilder::new(&self.value_type);
        let mut bytes = 0;
        while let Some(datum) = self.waiting.pop_front() {
            let pushed = batch.push_avro(&self.schema, self.schema.root(), &mut Reader::new(&datum));
            pushed.map_err(|error| error.to_string())?;
            bytes += datum.len();
            if batch.len() >= MAX_BATCH_ROWS || bytes >= MAX_BATCH_BYTES {
                self.write(std::mem::replace(&mut batch, ColumnBuilder::new(&self.value_type)))?;
                bytes = 0;
            }
        }
        if !batch.is_empty() {
            self.write(batch)?;
        }
        self.writer.flush().map_err(|error| error.to_string())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// A datum is damaged, or the disk refuses.
    pub fn finish(mut self) -> Result<(), String> {
        self.write_row_group()?;
        let inner = self.writer.into_inner().map_err(|error| error.to_string())?;
        inner.into_inner().map(drop).map_err(|error| error.to_string())
    }

    fn write(&mut self, batch: ColumnBuilder) -> Result<(), String> {
        let rows: ArrayRef = Arc::new(struct_array(batch).map_err(|error| error.to_string())?);
        let rows = required::array(&self.schema, self.schema.root(), &rows).map_err(|error| error.to_string())?;
        self.writer.write(&RecordBatch::from(rows.as_struct())).map_err(|error| error.to_string())
    }
}

/// The columns outside of lists and maps, by their paths.
fn leaves(name: &str, data_type: &DataType, path: &mut Vec<String>, out: &mut Vec<(ColumnPath, DataType)>) {
    path.push(name.to_owned());
    match data_type {
        DataType::Struct(fields) => {
            fields.iter().for_each(|field| leaves(field.name(), field.data_type(), path, out));
        }
        leaf => out.push((ColumnPath::new(path.clone()), leaf.clone())),
    }
    path.pop();
}
