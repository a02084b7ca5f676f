//! Reads a datum in place. Every length is checked against the remaining bytes, so a malformed datum allocates nothing.

use super::schema::NodeId;

/// Maximum number of zero-sized items (nulls, empty records) in one datum.
const MAX_EMPTY_ITEMS: u32 = 1 << 20;

/// Why bytes are not a datum of their schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct Malformed {
    pub what: &'static str,
    /// offset in the datum, bytes
    pub at: usize,
}

/// A position in a datum.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    data: &'a [u8],
    at: usize,
    /// the zero-sized items that may still follow
    empty_items: u32,
}

impl<'a> Reader<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, empty_items: MAX_EMPTY_ITEMS }
    }

    /// The number of bytes read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The number of remaining bytes.
    pub fn left(&self) -> usize {
        self.data.len() - self.at
    }

    /// The bytes from an earlier position to this one.
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.data.get(start..self.at).unwrap_or_default()
    }

    /// The remaining bytes.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.data.get(self.at..).unwrap_or_default()
    }

    /// An error at this position.
    pub fn error<T>(&self, what: &'static str) -> Result<T, Malformed> {
        Err(Malformed { what, at: self.at })
    }

    /// Checks that no bytes remain.
    pub fn end(&self) -> Result<(), Malformed> {
        match self.left() {
            0 => Ok(()),
            _ => self.error("bytes after the end of the datum"),
        }
    }

    /// The next `len` bytes.
    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        match self.rest().get(..len) {
            Some(bytes) => {
                self.at += len;
                Ok(bytes)
            }
            None => self.error("unexpected end of the datum"),
        }
    }

    /// The next `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        match self.rest().first_chunk() {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => self.error("unexpected end of the datum"),
        }
    }

    /// A 64-bit varint.
    #[inline]
    pub fn long(&mut self) -> Result<i64, Malformed> {
        if let Some(&byte) = self.data.get(self.at)
            && byte < 0x80
        {
            self.at += 1;
            return Ok(i64::from(byte >> 1) ^ -i64::from(byte & 1));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<i64, Malformed> {
        let mut value = 0u64;
        for (place, &byte) in self.rest().iter().take(10).enumerate() {
            if place == 9 && byte > 1 {
                return self.error("a varint of more than 64 bits");
            }
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                self.at += place + 1;
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        self.error("an unterminated varint")
    }

    /// A 32-bit varint.
    #[inline]
    pub fn int(&mut self) -> Result<i32, Malformed> {
        let start = *self;
        i32::try_from(self.long()?).or_else(|_| start.error("an int of more than 32 bits"))
    }

    /// A boolean.
    pub fn boolean(&mut self) -> Result<bool, Malformed> {
        let start = *self;
        match self.array::<1>()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => start.error("a boolean that is neither 0 nor 1"),
        }
    }

    /// A length and that many bytes.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let start = *self;
        match usize::try_from(self.long()?) {
            Ok(len) => self.take(len),
            Err(_) => start.error("a negative length"),
        }
    }

    /// A length and that many bytes of UTF-8.
    #[inline]
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        let start = *self;
        std::str::from_utf8(self.bytes()?).or_else(|_| start.error("a string that is not UTF-8"))
    }

    /// The index of a union's branch, and the branch.
    #[inline]
    pub fn branch(&mut self, branches: &[NodeId]) -> Result<(usize, NodeId), Malformed> {
        let at = self.index(branches.len(), "a union index without a branch")?;
        Ok((at, branches[at]))
    }

    /// The symbol of an enum.
    #[inline]
    pub fn symbol<'s>(&mut self, symbols: &'s [String]) -> Result<&'s str, Malformed> {
        let at = self.index(symbols.len(), "an enum index without a symbol")?;
        Ok(&symbols[at])
    }

    /// An index below `len`, of a union's branch or an enum's symbol.
    #[inline]
    pub fn index(&mut self, len: usize, what: &'static str) -> Result<usize, Malformed> {
        let start = *self;
        match usize::try_from(self.long()?) {
            Ok(index) if index < len => Ok(index),
            _ => start.error(what),
        }
    }

    /// The header of a block of an array or a map: the number of items that follow, 0 at the end. Unless items are zero-sized (`empty`), the
    /// datum must have at least one byte for each.
    pub fn block(&mut self, empty: bool) -> Result<u64, Malformed> {
        let start = *self;
        let count = self.long()?;
        if count < 0 {
            match usize::try_from(self.long()?) {
                Ok(size) if size <= self.left() => {}
                _ => return start.error("a block longer than the datum"),
            }
        }
        match count.unsigned_abs() {
            count if empty => {
                let left = u32::try_from(count).ok().and_then(|count| self.empty_items.checked_sub(count));
                let Some(left) = left else { return start.error("too many zero-sized items") };
                self.empty_items = left;
                Ok(count)
            }
            count if count > self.left() as u64 => start.error("more items than bytes"),
            count => Ok(count),
        }
    }
}
