//! Writes longs and bytes, of which all other encodings are made.

/// Appends a zigzag varint, as `int`, `long`, lengths, counts and branch indexes are written.
pub fn write_long(value: i64, out: &mut Vec<u8>) {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

/// Appends a length and bytes, as `bytes` and `string` are written.
pub fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_long(bytes.len() as i64, out);
    out.extend_from_slice(bytes);
}
