//! Schema resolution: a cell whose Avro schema differs from the field's. Slow, through apache-avro and a tree of values.

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema_compatibility::SchemaCompatibility;
use apache_avro::writer::datum::GenericDatumWriter;

use crate::avro::{NodeId, Schema, Skipper};

/// The schema of a cell (the writer's schema) and of the field (the reader's schema).
#[derive(Debug)]
pub(super) struct Resolver {
    skipper: Skipper,
    root: NodeId,
    written: apache_avro::Schema,
    read: apache_avro::Schema,
}

impl Resolver {
    /// # Errors
    /// Data of `written` cannot be read as `read`.
    pub fn new(written: &Schema, read: &Schema) -> Result<Self, String> {
        let parse = |schema: &Schema| apache_avro::Schema::parse(&schema.to_json()).map_err(|e| e.to_string());
        let (skipper, root) = (Skipper::new(written), written.root());
        let (written, read) = (parse(written)?, parse(read)?);
        SchemaCompatibility::can_read(&written, &read)
            .map_err(|e| format!("its Avro schema cannot be read as the field's: {e}"))?;
        Ok(Self { skipper, root, written, read })
    }

    pub fn encode(&self, cell: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        self.skipper.check(self.root, cell).map_err(|e| format!("the Avro datum in the cell is damaged: {e}"))?;
        let fault =
            |e: apache_avro::Error| format!("the Avro datum in the cell cannot be read as the field's type: {e}");
        let value = GenericDatumReader::builder(&self.written)
            .reader_schema(&self.read)
            .build()
            .and_then(|reader| reader.read_value(&mut &*cell))
            .map_err(fault)?;
        GenericDatumWriter::builder(&self.read)
            .build()
            .and_then(|writer| writer.write_value_ref(out, &value))
            .map(drop)
            .map_err(fault)
    }
}
