//! The identifier of a schema in a registry, as messages carry it.

use std::fmt;

/// The header of a message's value that carries the identifier, where the value has no prefix: Confluent's serializers since version 8.
pub(super) const VALUE_SCHEMA_ID_HEADER: &str = "__value_schema_id";

/// The identifier of a schema in a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum SchemaId {
    /// unique within a registry
    Number(u32),
    /// unique everywhere
    Guid([u8; 16]),
}

impl SchemaId {
    /// The identifier in a header: `0x00` and the number, big-endian, or `0x01` and the GUID. `None`: the header has another form.
    pub fn from_header(value: &[u8]) -> Option<Self> {
        match value.split_first()? {
            (0, id) => Some(Self::Number(u32::from_be_bytes(id.try_into().ok()?))),
            (1, guid) => Some(Self::Guid(guid.try_into().ok()?)),
            _ => None,
        }
    }
}

/// As in addresses and file names: decimal, or `8-4-4-4-12` hexadecimal digits.
impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(id) => write!(f, "{id}"),
            Self::Guid(guid) => {
                for (at, byte) in guid.iter().enumerate() {
                    if matches!(at, 4 | 6 | 8 | 10) {
                        f.write_str("-")?;
                    }
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_header_are_read() {
        assert_eq!(SchemaId::from_header(&[0, 0, 0, 4, 0x4d]), Some(SchemaId::Number(1101)));
        let guid = SchemaId::from_header(b"\x01\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff");
        assert_eq!(guid.expect("a GUID").to_string(), "00112233-4455-6677-8899-aabbccddeeff");
        for wrong in [&b""[..], b"\x00", b"\x00\x00\x00\x04", b"\x01\x00", b"\x02\x00\x00\x00\x01", b"1101"] {
            assert_eq!(SchemaId::from_header(wrong), None, "{wrong:?}");
        }
    }
}
