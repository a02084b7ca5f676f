//! A request in Thrift's strict binary protocol, written into one buffer.
//!
//! The format: <https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md>.

/// Builds the bytes of a request. A part that occurs many times (the columns of each get) is built once and [appended](Self::append).
///
/// Strings and lists have at most 2³¹ - 1 bytes or elements: `check_puts` refuses longer values, and keys are far shorter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    method: &'static str,
    bytes: Vec<u8>,
}

impl Request {
    /// A call of `method`. Its arguments follow as fields, then [`stop`](Self::stop).
    pub(crate) fn call(method: &'static str) -> Self {
        let mut request = Self { method, bytes: Vec::new() };
        request.bytes.extend([0x80, 0x01, 0x00, 0x01]);
        request.string(method.as_bytes());
        request.int(1);
        request
    }

    /// The method that it calls.
    pub(crate) fn method(&self) -> &'static str {
        self.method
    }

    /// The bytes so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn field(&mut self, kind: u8, id: i16) {
        self.bytes.push(kind);
        self.bytes.extend(id.to_be_bytes());
    }

    fn int(&mut self, value: i32) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn len(&mut self, len: usize) {
        self.int(i32::try_from(len).unwrap_or(i32::MAX));
    }

    /// A string or an array of bytes without the head of a field: an element of a list or map.
    pub(crate) fn string(&mut self, value: &[u8]) {
        self.len(value.len());
        self.bytes.extend_from_slice(value);
    }

    /// A field that is a string or an array of bytes.
    pub(crate) fn string_field(&mut self, id: i16, value: &[u8]) {
        self.field(11, id);
        self.string(value);
    }

    /// A field that is a 32-bit number.
    pub(crate) fn int_field(&mut self, id: i16, value: i32) {
        self.field(8, id);
        self.int(value);
    }

    /// A field that is a 64-bit number.
    pub(crate) fn long_field(&mut self, id: i16, value: i64) {
        self.field(10, id);
        self.bytes.extend(value.to_be_bytes());
    }

    /// A field that is true or false.
    pub(crate) fn bool_field(&mut self, id: i16, value: bool) {
        self.field(2, id);
        self.bytes.push(u8::from(value));
    }

    /// Begins a field that is a struct: its fields follow, then [`stop`](Self::stop).
    pub(crate) fn struct_field(&mut self, id: i16) {
        self.field(12, id);
    }

    /// Begins a field that is a list of `count` structs, each ended by [`stop`](Self::stop).
    pub(crate) fn struct_list_field(&mut self, id: i16, count: usize) {
        self.field(15, id);
        self.bytes.push(12);
        self.len(count);
    }

    /// Begins a field that is a list of `count` strings.
    pub(crate) fn string_list_field(&mut self, id: i16, count: usize) {
        self.field(15, id);
        self.bytes.push(11);
        self.len(count);
    }

    /// A field that is a map from strings to strings.
    pub(crate) fn string_map_field(&mut self, id: i16, entries: &[(&str, &str)]) {
        self.field(13, id);
        self.bytes.extend([11, 11]);
        self.len(entries.len());
        for (key, value) in entries {
            self.string(key.as_bytes());
            self.string(value.as_bytes());
        }
    }

    /// Ends a struct, or the arguments.
    pub(crate) fn stop(&mut self) {
        self.bytes.push(0);
    }

    /// Appends the bytes of another part.
    pub(crate) fn append(&mut self, other: &Request) {
        self.bytes.extend_from_slice(&other.bytes);
    }
}
