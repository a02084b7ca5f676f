//! A request in Thrift's strict binary protocol, written into one buffer.

/// Builds the bytes of a request. What is written twice over (the columns of each of many gets) can be written once and copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// A call of `method`; its arguments follow as fields, then [`stop`](Self::stop).
    pub fn call(method: &str) -> Self {
        let mut request = Self::default();
        request.bytes.extend([0x80, 0x01, 0x00, 0x01]);
        request.string(method.as_bytes());
        request.int(1);
        request
    }

    /// What has been written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn field(&mut self, kind: u8, id: i16) {
        self.bytes.push(kind);
        self.bytes.extend(id.to_be_bytes());
    }

    fn int(&mut self, value: i32) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn string(&mut self, value: &[u8]) {
        // A string of more than 2 GB can be sent by nobody; cut off, it is refused by the server as a whole.
        self.int(i32::try_from(value.len()).unwrap_or(i32::MAX));
        self.bytes.extend_from_slice(value);
    }

    /// A field that is a string or an array of bytes.
    pub fn string_field(&mut self, id: i16, value: &[u8]) {
        self.field(11, id);
        self.string(value);
    }

    /// A field that is a 32-bit number.
    pub fn int_field(&mut self, id: i16, value: i32) {
        self.field(8, id);
        self.int(value);
    }

    /// A field that is a 64-bit number.
    pub fn long_field(&mut self, id: i16, value: i64) {
        self.field(10, id);
        self.bytes.extend(value.to_be_bytes());
    }

    /// A field that is true or false.
    pub fn bool_field(&mut self, id: i16, value: bool) {
        self.field(2, id);
        self.bytes.push(u8::from(value));
    }

    /// Begins a field that is a struct: its fields follow, then [`stop`](Self::stop).
    pub fn struct_field(&mut self, id: i16) {
        self.field(12, id);
    }

    /// Begins a field that is a list of `count` structs, each ended by [`stop`](Self::stop).
    pub fn list_field(&mut self, id: i16, count: usize) {
        self.field(15, id);
        self.bytes.push(12);
        self.int(i32::try_from(count).unwrap_or(i32::MAX));
    }

    /// Ends a struct, or the arguments.
    pub fn stop(&mut self) {
        self.bytes.push(0);
    }

    /// Copies what another one holds.
    pub fn append(&mut self, other: &Request) {
        self.bytes.extend_from_slice(&other.bytes);
    }
}
