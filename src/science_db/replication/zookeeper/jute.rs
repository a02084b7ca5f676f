//! The records of ZooKeeper's protocol, in its encoding, Jute: integers are big-endian; a string, a buffer and a vector begin with their
//! length, an `i32` that is -1 for none. A frame on the connection is an `i32` length and so many bytes.
//!
//! Source: `zookeeper.jute` and `ZooDefs.java` of Apache ZooKeeper 3.4 to 3.9.

/// The longest frame that is accepted; servers send at most `jute.maxbuffer`, 1 MiB by default.
pub(super) const MAX_FRAME_BYTES: usize = 4 << 20;

/// The transaction number of a ping and of its answer.
pub(super) const PING_XID: i32 = -2;
/// The transaction number of an event of a watch.
pub(super) const EVENT_XID: i32 = -1;

/// A frame that cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame ends early, or contains an impossible length")]
pub(super) struct Damaged;

/// An error code of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ErrorCode(pub i32);

impl ErrorCode {
    pub const NO_NODE: Self = Self(-101);
    pub const NO_AUTH: Self = Self(-102);
    pub const NODE_EXISTS: Self = Self(-110);
    pub const SESSION_EXPIRED: Self = Self(-112);
    pub const SESSION_MOVED: Self = Self(-118);

    /// The code's name in ZooKeeper's documentation, or its number.
    pub fn name(self) -> String {
        match self.0 {
            -4 => "ConnectionLoss".to_owned(),
            -101 => "NoNode".to_owned(),
            -102 => "NoAuth".to_owned(),
            -108 => "NoChildrenForEphemerals".to_owned(),
            -110 => "NodeExists".to_owned(),
            -111 => "NotEmpty".to_owned(),
            -112 => "SessionExpired".to_owned(),
            -114 => "InvalidACL".to_owned(),
            -115 => "AuthFailed".to_owned(),
            -118 => "SessionMoved".to_owned(),
            -119 => "NotReadOnly".to_owned(),
            number => format!("error {number}"),
        }
    }
}

/// How long a znode exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifetime {
    Persistent,
    /// until the session that created it ends
    Ephemeral,
}

/// A request with a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request<'a> {
    /// creates a znode that everybody may read and change
    Create {
        path: &'a str,
        data: &'a [u8],
        lifetime: Lifetime,
    },
    GetChildren {
        path: &'a str,
    },
    Ping,
    CloseSession,
}

impl Request<'_> {
    fn operation(self) -> i32 {
        match self {
            Self::Create { .. } => 1,
            Self::GetChildren { .. } => 8,
            Self::Ping => 11,
            Self::CloseSession => -11,
        }
    }

    /// The frame of this request, with its length.
    pub fn frame(self, xid: i32) -> Vec<u8> {
        let mut frame = Frame::new();
        frame.int(xid);
        frame.int(self.operation());
        match self {
            Self::Create { path, data, lifetime } => {
                frame.buffer(path.as_bytes());
                frame.buffer(data);
                // One entry: all permissions (31) for `world:anyone`.
                frame.int(1);
                frame.int(31);
                frame.buffer(b"world");
                frame.buffer(b"anyone");
                frame.int(i32::from(lifetime == Lifetime::Ephemeral));
            }
            Self::GetChildren { path } => {
                frame.buffer(path.as_bytes());
                // without a watch
                frame.bytes.push(0);
            }
            Self::Ping | Self::CloseSession => {}
        }
        frame.finish()
    }
}

/// The frame that opens a session.
pub(super) fn connect_frame(timeout_ms: i32) -> Vec<u8> {
    let mut frame = Frame::new();
    // protocol version, last transaction seen, timeout, session id, password, read-only
    frame.int(0);
    frame.long(0);
    frame.int(timeout_ms);
    frame.long(0);
    frame.buffer(&[0; 16]);
    frame.bytes.push(0);
    frame.finish()
}

/// The answer to [`connect_frame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connected {
    /// the session timeout that the server has chosen, ms; 0: the session does not exist
    pub timeout_ms: i32,
    pub session: i64,
}

/// Decodes the answer to [`connect_frame`].
///
/// # Errors
/// The frame is damaged.
pub(super) fn read_connected(frame: &[u8]) -> Result<Connected, Damaged> {
    let mut input = Input(frame);
    let _version = input.int()?;
    let (timeout_ms, session) = (input.int()?, input.long()?);
    let _password = input.buffer()?;
    Ok(Connected { timeout_ms, session })
}

/// The header of a reply, and its body where there is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply<'a> {
    pub xid: i32,
    pub body: Result<&'a [u8], ErrorCode>,
}

/// Decodes the header of a reply.
///
/// # Errors
/// The frame is damaged.
pub(super) fn read_reply(frame: &[u8]) -> Result<Reply<'_>, Damaged> {
    let mut input = Input(frame);
    let (xid, _zxid, code) = (input.int()?, input.long()?, input.int()?);
    Ok(Reply { xid, body: if code == 0 { Ok(input.0) } else { Err(ErrorCode(code)) } })
}

/// Decodes the body of a reply to `GetChildren`: the names.
///
/// # Errors
/// The body is damaged.
pub(super) fn read_children(body: &[u8]) -> Result<Vec<String>, Damaged> {
    let mut input = Input(body);
    let count = input.int()?;
    let name = |_| input.buffer().map(|name| String::from_utf8_lossy(name).into_owned());
    // The vector grows with what is read, not with the announced length.
    (0..count).map(name).collect()
}

/// A frame that is written; its first four bytes are its length.
struct Frame {
    bytes: Vec<u8>,
}

impl Frame {
    fn new() -> Self {
        Self { bytes: vec![0; 4] }
    }

    fn int(&mut self, value: i32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    fn long(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// A buffer or a string. Paths and data are short: their lengths fit.
    fn buffer(&mut self, bytes: &[u8]) {
        self.int(bytes.len() as i32);
        self.bytes.extend_from_slice(bytes);
    }

    fn finish(mut self) -> Vec<u8> {
        let length = (self.bytes.len() - 4) as u32;
        self.bytes[..4].copy_from_slice(&length.to_be_bytes());
        self.bytes
    }
}

/// The rest of a frame that is read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn int(&mut self) -> Result<i32, Damaged> {
        self.take().map(i32::from_be_bytes)
    }

    fn long(&mut self) -> Result<i64, Damaged> {
        self.take().map(i64::from_be_bytes)
    }

    fn buffer(&mut self) -> Result<&'a [u8], Damaged> {
        let length = self.int()?;
        if length == -1 {
            return Ok(&[]);
        }
        let length = usize::try_from(length).map_err(|_| Damaged)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Damaged)?;
        self.0 = rest;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn requests_are_encoded_as_the_protocol_says() {
        let create = Request::Create { path: "/a", data: b"xy", lifetime: Lifetime::Ephemeral };
        let (header, path_and_data) = ("000000330000000100000001", "000000022f61000000027879");
        let acl = "000000010000001f00000005776f726c6400000006616e796f6e65";
        assert_eq!(hex(&create.frame(1)), format!("{header}{path_and_data}{acl}00000001"));
        assert_eq!(hex(&Request::GetChildren { path: "/a" }.frame(3)), "0000000f0000000300000008000000022f6100");
        assert_eq!(hex(&Request::Ping.frame(PING_XID)), "00000008fffffffe0000000b");
        assert_eq!(hex(&Request::CloseSession.frame(9)), "0000000800000009fffffff5");
        let connect = connect_frame(6000);
        assert_eq!(connect.len(), 4 + 4 + 8 + 4 + 8 + 4 + 16 + 1);
    }

    fn reply(xid: i32, code: i32, body: &[u8]) -> Vec<u8> {
        [&xid.to_be_bytes()[..], &7_i64.to_be_bytes(), &code.to_be_bytes(), body].concat()
    }

    fn strings(names: &[String]) -> Vec<u8> {
        let mut body = (names.len() as i32).to_be_bytes().to_vec();
        for name in names {
            body.extend_from_slice(&(name.len() as i32).to_be_bytes());
            body.extend_from_slice(name.as_bytes());
        }
        body
    }

    #[test]
    fn an_absent_list_is_empty_and_an_error_has_no_body() {
        assert_eq!(read_children(&(-1_i32).to_be_bytes()), Ok(Vec::new()));
        let damaged = reply(3, -101, b"");
        assert_eq!(read_reply(&damaged), Ok(Reply { xid: 3, body: Err(ErrorCode::NO_NODE) }));
        assert_eq!(ErrorCode(-999).name(), "error -999");
    }

    proptest! {
        #[test]
        fn replies_are_read_back(xid: i32, names: Vec<String>) {
            let frame = reply(xid, 0, &strings(&names));
            let Reply { xid: read, body } = read_reply(&frame).unwrap();
            prop_assert_eq!(read, xid);
            prop_assert_eq!(read_children(body.unwrap()), Ok(names));
        }

        #[test]
        fn damaged_frames_are_errors(frame: Vec<u8>, count: i32) {
            // Nothing panics, and nothing is allocated for what is only announced.
            let _ = (read_connected(&frame), read_children(&frame));
            let announced = [&count.to_be_bytes()[..], &frame].concat();
            let _ = read_children(&announced);
            if let Ok(Reply { body: Ok(body), .. }) = read_reply(&frame) {
                let _ = read_children(body);
            }
        }

        #[test]
        fn a_frame_begins_with_its_length(path: String, data: Vec<u8>, xid: i32) {
            let requests = [
                Request::Create { path: &path, data: &data, lifetime: Lifetime::Persistent },
                Request::GetChildren { path: &path },
            ];
            for request in requests {
                let frame = request.frame(xid);
                let (length, rest) = frame.split_first_chunk().unwrap();
                prop_assert_eq!(u32::from_be_bytes(*length) as usize, rest.len());
                prop_assert_eq!(&rest[..4], &xid.to_be_bytes());
            }
        }
    }
}
