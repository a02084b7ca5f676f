//! Columns whose Avro types follow from the types of their values.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::avro::{write_bytes, write_long};
use crate::simulate::avro_record::{AvroWriter, Encode};

/// What a schema has defined so far.
pub(super) struct Definitions {
    /// whether unions are `["null", T]`
    pub(super) null_first: bool,
    /// records, by name
    pub(super) records: BTreeSet<&'static str>,
}

/// A value with an Avro type.
pub(super) trait Column: Encode {
    /// Its type; a record that is defined already is referred to by its name.
    fn avro_type(known: &mut Definitions) -> Value;
}

macro_rules! primitive {
    ($($type:ty: $name:literal,)*) => {
        $(impl Column for $type {
            fn avro_type(_: &mut Definitions) -> Value {
                Value::from($name)
            }
        })*
    };
}

primitive! {
    bool: "boolean",
    i32: "int",
    f32: "float",
    f64: "double",
    &'static str: "string",
    String: "string",
}

impl<T: Column> Column for Option<T> {
    fn avro_type(known: &mut Definitions) -> Value {
        let inner = T::avro_type(known);
        if known.null_first { json!(["null", inner]) } else { json!([inner, "null"]) }
    }
}

/// A map.
#[derive(Default)]
pub(super) struct Map<T>(pub(super) Vec<(&'static str, T)>);

impl<T: Encode> Encode for Map<T> {
    fn encode(&self, out: &mut AvroWriter<'_>) {
        if !self.0.is_empty() {
            write_long(self.0.len() as i64, out.bytes);
            for (key, value) in &self.0 {
                write_bytes(key.as_bytes(), out.bytes);
                value.encode(out);
            }
        }
        out.bytes.push(0);
    }
}

impl<T: Column> Column for Map<T> {
    fn avro_type(known: &mut Definitions) -> Value {
        json!({"type": "map", "values": T::avro_type(known)})
    }
}

/// Defines a struct whose fields are nullable columns, in the schema's order and under the schema's names.
macro_rules! columns {
    ($name:ident $record:literal { $($field:ident: $type:ty,)* }) => {
        #[allow(non_snake_case, reason = "the fields have the schema's names")]
        #[derive(Default)]
        pub(in crate::simulate) struct $name {
            $(pub(super) $field: Option<$type>,)*
        }

        impl $name {
            /// The fields of the schema.
            #[allow(dead_code, reason = "only the outermost record's fields are asked for by themselves")]
            pub(in crate::simulate) fn schema_fields(null_first: bool) -> Vec<serde_json::Value> {
                Self::fields(&mut $crate::simulate::enriched::column::Definitions { null_first, records: Default::default() })
            }

            fn fields(known: &mut $crate::simulate::enriched::column::Definitions) -> Vec<serde_json::Value> {
                vec![$(serde_json::json!({
                    "name": stringify!($field),
                    "type": <Option<$type> as $crate::simulate::enriched::column::Column>::avro_type(known),
                    "default": null,
                }),)*]
            }
        }

        impl $crate::simulate::avro_record::Encode for $name {
            fn encode(&self, out: &mut $crate::simulate::avro_record::AvroWriter<'_>) {
                $($crate::simulate::avro_record::Encode::encode(&self.$field, out);)*
            }
        }

        impl $crate::simulate::enriched::column::Column for $name {
            fn avro_type(known: &mut $crate::simulate::enriched::column::Definitions) -> serde_json::Value {
                match known.records.insert($record) {
                    true => serde_json::json!({"type": "record", "name": $record, "fields": Self::fields(known)}),
                    false => serde_json::Value::from($record),
                }
            }
        }
    };
}
pub(super) use columns;
