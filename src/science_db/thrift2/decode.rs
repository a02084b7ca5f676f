//! The answers that carry rows, decoded where they arrived: a cell is a span of the page's buffer, nothing is copied or allocated.
//!
//! The structs are those of HBase's `hbase.thrift`: `TResult` (1: row, 2: columnValues, …) and `TColumnValue` (1: family, 2: qualifier,
//! 3: value, 4: timestamp, …). Fields with other numbers are passed over.

use std::io::Read;

use thrift::protocol::{TInputProtocol, TMessageType, TSerializable, TType};
use thrift::{ApplicationErrorKind, ProtocolErrorKind};

use super::idl;
use crate::science_db::gateway::{Answer, Bytes};
use crate::science_db::row::{Columns, RowIndex};

/// What was taken of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// how many rows the answer announced
    pub announced: usize,
    /// how many of them were read, those without any of the columns included
    pub results: usize,
}

/// Reads the answer to `method`, a list of `TResult`, into `index`, whose slots are those of `columns`. Stops after the row that takes
/// the answer past `most` bytes: the connection is then in the middle of it.
pub fn read_rows<S: Read>(
    answer: &mut Answer<'_, S>,
    method: &str,
    columns: &Columns,
    index: &mut RowIndex,
    most: usize,
) -> thrift::Result<Taken> {
    let begin = answer.position();
    read_head(answer, method)?;
    let mut taken = None;
    loop {
        match answer.field()? {
            (TType::Stop, _) => break,
            (TType::List, 0) => {
                let (kind, count) = answer.elements()?;
                if kind != TType::Struct && count > 0 {
                    return Err(invalid(format!("a list of {kind} where rows were due")));
                }
                let announced = count as usize;
                for results in 0..announced {
                    if answer.position() - begin > most {
                        return Ok(Taken { announced, results });
                    }
                    read_row(answer, columns, index)?;
                }
                taken = Some(Taken { announced, results: announced });
            }
            (TType::Struct, 1) => return Err(idl::TIOError::read_from_in_protocol(answer)?.into()),
            (TType::Struct, 2) => return Err(idl::TIllegalArgument::read_from_in_protocol(answer)?.into()),
            (kind, _) => answer.pass(kind)?,
        }
    }
    answer.read_message_end()?;
    let missing =
        || thrift::new_application_error(ApplicationErrorKind::MissingResult, format!("{method} without rows"));
    taken.ok_or_else(missing)
}

/// Reads the answer to `method` for nothing but the exception in it.
pub fn read_done<S: Read>(answer: &mut Answer<'_, S>, method: &str) -> thrift::Result<()> {
    read_head(answer, method)?;
    loop {
        match answer.field()? {
            (TType::Stop, _) => return answer.read_message_end(),
            (TType::Struct, 1) => return Err(idl::TIOError::read_from_in_protocol(answer)?.into()),
            (kind, _) => answer.pass(kind)?,
        }
    }
}

fn read_head<S: Read>(answer: &mut Answer<'_, S>, method: &str) -> thrift::Result<()> {
    let message = answer.read_message_begin()?;
    if message.message_type == TMessageType::Exception {
        return Err(thrift::Error::Application(thrift::Error::read_application_error_from_in_protocol(answer)?));
    }
    if message.message_type != TMessageType::Reply || message.name != method {
        let reason = format!("{} where the answer to {method} was due", message.name);
        return Err(thrift::new_application_error(ApplicationErrorKind::WrongMethodName, reason));
    }
    Ok(())
}

fn read_row<S: Read>(answer: &mut Answer<'_, S>, columns: &Columns, index: &mut RowIndex) -> thrift::Result<()> {
    index.row_at(0, 0);
    let mut has_key = false;
    loop {
        match answer.field()? {
            (TType::Stop, _) => break,
            (TType::String, 1) => {
                let key = answer.span()?;
                index.key_at(key.start, key.len);
                has_key = true;
            }
            (TType::List, 2) => {
                let (kind, count) = answer.elements()?;
                if kind != TType::Struct && count > 0 {
                    return Err(invalid(format!("a list of {kind} where cells were due")));
                }
                let mut hint = 0;
                for _ in 0..count {
                    read_cell(answer, columns, &mut hint, index)?;
                }
            }
            (kind, _) => answer.pass(kind)?,
        }
    }
    if !has_key || index.row_is_empty() {
        index.drop_row();
    }
    Ok(())
}

fn read_cell<S: Read>(
    answer: &mut Answer<'_, S>,
    columns: &Columns,
    hint: &mut usize,
    index: &mut RowIndex,
) -> thrift::Result<()> {
    let (mut family, mut qualifier, mut value): (Option<Bytes>, Option<Bytes>, Option<Bytes>) = (None, None, None);
    let mut timestamp = None;
    loop {
        match answer.field()? {
            (TType::Stop, _) => break,
            (TType::String, 1) => family = Some(answer.span()?),
            (TType::String, 2) => qualifier = Some(answer.span()?),
            (TType::String, 3) => value = Some(answer.span()?),
            (TType::I64, 4) => timestamp = Some(answer.long()?),
            (kind, _) => answer.pass(kind)?,
        }
    }
    let (Some(family), Some(qualifier), Some(value), Some(timestamp)) = (family, qualifier, value, timestamp) else {
        return Err(invalid(String::from("a cell without family, qualifier, value or timestamp")));
    };
    if let Some(slot) = columns.slot(answer.get(family), answer.get(qualifier), hint) {
        index.cell_at(slot, value.start, value.len, timestamp);
    }
    Ok(())
}

fn invalid(message: String) -> thrift::Error {
    thrift::new_protocol_error(ProtocolErrorKind::InvalidData, message)
}
