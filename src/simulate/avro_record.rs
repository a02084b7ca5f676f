//! Writes records as Avro, field by field, without an intermediate value tree.
//!
//! An Avro datum is its fields in the schema's order and nothing else (Avro specification, "Binary Encoding"), so a struct whose fields
//! stand in that order is its own encoder.

use crate::avro::{write_bytes, write_long};

/// Where a datum is written.
pub(super) struct AvroWriter<'a> {
    /// the bytes so far
    pub(super) bytes: &'a mut Vec<u8>,
    /// whether the schema's unions are `["null", T]` (LSST) or `[T, "null"]` (ZTF)
    pub(super) null_first: bool,
}

/// A type that can be written as an Avro value.
pub(super) trait Encode {
    /// Appends the value.
    fn encode(&self, out: &mut AvroWriter<'_>);

    /// Appends the schema's field names for a struct field `name` of this type.
    #[cfg(test)]
    fn names(name: &'static str, into: &mut Vec<String>) {
        into.push(name.to_owned());
    }
}

impl Encode for bool {
    fn encode(&self, out: &mut AvroWriter<'_>) {
        out.bytes.push(u8::from(*self));
    }
}

impl Encode for i32 {
    fn encode(&self, out: &mut AvroWriter<'_>) {
        write_long((*self).into(), out.bytes);
    }
}

impl Encode for i64 {
    fn encode(&self, out: &mut AvroWriter<'_>) {
        write_long(*self, out.bytes);
    }
}

impl Encode for f32 {
    fn encode(&self, out: &mut AvroWriter<'_>) {
        out.bytes.extend_from_slice(&self.to_le_bytes());
    }
}

impl Encode for f64 {
    fn encode(&self, out: &mut AvroWriter<'_>) {
        out.bytes.extend_from_slice(&self.to_le_bytes());
    }
}

impl Encode for &'static str {
    fn encode(&self, out: &mut AvroWriter<'_>) {
        write_bytes(self.as_bytes(), out.bytes);
    }
}

impl Encode for String {
    fn encode(&self, out: &mut AvroWriter<'_>) {
        write_bytes(self.as_bytes(), out.bytes);
    }
}

/// A nullable boolean that is never null; `false` by default.
#[derive(Default)]
pub(super) struct NonNullFlag(pub(super) bool);

impl Encode for NonNullFlag {
    fn encode(&self, out: &mut AvroWriter<'_>) {
        Some(self.0).encode(out);
    }
}

/// The same fields once for each of LSST's bands, the band before the name (`u_psfFluxMean`).
impl<T: Encode> Encode for [T; 6] {
    fn encode(&self, out: &mut AvroWriter<'_>) {
        for item in self {
            item.encode(out);
        }
    }

    #[cfg(test)]
    fn names(name: &'static str, into: &mut Vec<String>) {
        let mut fields = Vec::new();
        T::names(name, &mut fields);
        for band in "ugrizy".chars() {
            into.extend(fields.iter().map(|field| format!("{band}_{field}")));
        }
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, out: &mut AvroWriter<'_>) {
        let (null, present) = if out.null_first { (0, 2) } else { (2, 0) };
        match self {
            None => out.bytes.push(null),
            Some(value) => {
                out.bytes.push(present);
                value.encode(out);
            }
        }
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut AvroWriter<'_>) {
        if !self.is_empty() {
            write_long(self.len() as i64, out.bytes);
            for item in self {
                item.encode(out);
            }
        }
        out.bytes.push(0);
    }
}

/// Defines a struct whose fields are those of an Avro record, in the schema's order and under the schema's names.
macro_rules! record {
    ($name:ident { $($field:ident: $type:ty,)* }) => {
        $crate::simulate::avro_record::record!(@define $name { $($field: $type,)* });

        #[cfg(test)]
        impl $name {
            /// The names of the fields in the schema.
            pub(super) fn fields() -> Vec<String> {
                let mut names = Vec::new();
                $(<$type as $crate::simulate::avro_record::Encode>::names(stringify!($field), &mut names);)*
                names
            }
        }

        impl $crate::simulate::avro_record::Encode for $name {
            fn encode(&self, out: &mut $crate::simulate::avro_record::AvroWriter<'_>) {
                $($crate::simulate::avro_record::Encode::encode(&self.$field, out);)*
            }
        }
    };
    (part $name:ident { $($field:ident: $type:ty,)* }) => {
        $crate::simulate::avro_record::record!(@define $name { $($field: $type,)* });

        impl $crate::simulate::avro_record::Encode for $name {
            fn encode(&self, out: &mut $crate::simulate::avro_record::AvroWriter<'_>) {
                $($crate::simulate::avro_record::Encode::encode(&self.$field, out);)*
            }

            #[cfg(test)]
            fn names(_: &'static str, into: &mut Vec<String>) {
                into.extend([$(stringify!($field).to_owned(),)*]);
            }
        }
    };
    (@define $name:ident { $($field:ident: $type:ty,)* }) => {
        #[allow(non_snake_case, reason = "the fields have the schema's names")]
        #[derive(Default)]
        pub(super) struct $name {
            $(pub(super) $field: $type,)*
        }
    };
}
pub(super) use record;
