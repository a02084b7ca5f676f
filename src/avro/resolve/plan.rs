//! The compiled steps of a resolution.

use crate::avro::schema::NodeId;
use crate::avro::skip::SkipStep;

/// How a value of a written type becomes one of a read type.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// the same bytes
    Copy(NodeId),
    IntAsFloat,
    IntAsDouble,
    LongAsFloat,
    LongAsDouble,
    FloatAsDouble,
    BytesAsText,
    /// the read index by written index; `None`: the read enum has no such symbol
    Symbol(Box<[Option<i64>]>),
    /// into a branch of a read union, whose index precedes it
    Branch {
        index: Box<[u8]>,
        step: Box<Step>,
    },
    /// from the branches of a written union; `None`: such values cannot be read
    Union(Box<[Option<Step>]>),
    Array {
        item: Box<Step>,
        empty: bool,
    },
    Map(Box<Step>),
    /// index in `records`
    Record(usize),
}

/// A part of a record, in the order of the read fields, which is also that of the written ones.
#[derive(Clone, Debug)]
pub(super) enum RecordOp {
    /// written fields that are not read
    Skip(Box<[SkipStep]>),
    /// fields with the same bytes
    Copy(Box<[SkipStep]>),
    /// a default
    Constant(Box<[u8]>),
    Value(Step),
}

/// A field of a record whose fields have another order.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Constant(Box<[u8]>),
    /// index of the written field
    Field(usize, Step),
}

#[derive(Clone, Debug)]
pub(super) enum RecordPlan {
    InOrder(Vec<RecordOp>),
    Reordered { written: Box<[NodeId]>, read: Vec<Source> },
}
