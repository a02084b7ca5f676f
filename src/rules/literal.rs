//! Parses the value of a rule in the type of its column.
//!
//! An integer never passes through a float. A number for a `float` column is rounded to a float, so that `16.1` equals the 16.1 in a cell.

use std::str::FromStr;

use super::cell_test::{CellTest, Comparison};
use super::diagnostic::quoted;
use super::operator::{Operator, Relation};
use crate::catalog::{Column, ColumnType};

/// The test of a rule. The error is a message without a position.
pub(super) fn test(column: &Column, operator: Operator, value: Option<&str>) -> Result<CellTest, String> {
    let value = match (operator, value) {
        (Operator::Null { wanted }, _) => return Ok(CellTest::Null { wanted }),
        (Operator::Nan { wanted }, _) => {
            return match column.kind {
                ColumnType::Float | ColumnType::Double => Ok(CellTest::Nan { wanted }),
                _ => Err(format!(
                    "operator `{}` requires a float or a double, but {} is {}",
                    operator.spelling(),
                    column.name,
                    kind(column)
                )),
            };
        }
        (_, Some(value)) => value,
        (_, None) => return Err(format!("operator `{}` requires the attribute `value`", operator.spelling())),
    };
    match column.kind {
        ColumnType::Boolean => boolean(column, operator, value),
        ColumnType::Byte => integer(column, operator, value, i64::from(i8::MIN)..=i64::from(i8::MAX)),
        ColumnType::Short => integer(column, operator, value, i64::from(i16::MIN)..=i64::from(i16::MAX)),
        ColumnType::Int => integer(column, operator, value, i64::from(i32::MIN)..=i64::from(i32::MAX)),
        ColumnType::Long => integer(column, operator, value, i64::MIN..=i64::MAX),
        ColumnType::Float => {
            comparison(operator, value, |item| float(column, item, f32::is_finite, |v| v == 0.0)).map(CellTest::Float)
        }
        ColumnType::Double => {
            comparison(operator, value, |item| float(column, item, f64::is_finite, |v| v == 0.0)).map(CellTest::Double)
        }
        ColumnType::String => comparison(operator, value, |item| text(column, item)).map(CellTest::Text),
        ColumnType::Binary | ColumnType::Avro(_) => {
            Err(format!("{} is {}: only `is null` and `is not null` are supported", column.name, kind(column)))
        }
    }
}

/// The type of a column, with its article.
fn kind(column: &Column) -> &'static str {
    match column.kind {
        ColumnType::Boolean => "a boolean",
        ColumnType::Byte => "a byte",
        ColumnType::Short => "a short",
        ColumnType::Int => "an int",
        ColumnType::Long => "a long",
        ColumnType::Float => "a float",
        ColumnType::Double => "a double",
        ColumnType::String => "a string",
        ColumnType::Binary => "binary",
        ColumnType::Avro(_) => "an Avro datum",
    }
}

/// One value, as written.
#[derive(Clone, Debug, PartialEq)]
enum Item<'a> {
    /// in single quotes, without them
    Quoted(String),
    Bare(&'a str),
}

fn boolean(column: &Column, operator: Operator, value: &str) -> Result<CellTest, String> {
    let value = match value.trim() {
        "true" => true,
        "false" => false,
        other => {
            return Err(format!("{} is a boolean: write true or false, not {}", column.name, quoted(other)));
        }
    };
    match operator {
        Operator::Compare(Relation::Equal) => Ok(CellTest::Boolean { wanted: value }),
        Operator::Compare(Relation::NotEqual) => Ok(CellTest::Boolean { wanted: !value }),
        _ => Err(format!("{} is a boolean: write operator = or !=, not `{}`", column.name, operator.spelling())),
    }
}

fn integer(
    column: &Column,
    operator: Operator,
    value: &str,
    range: std::ops::RangeInclusive<i64>,
) -> Result<CellTest, String> {
    let read = |item: Item<'_>| {
        let written = unquoted(column, item)?;
        let (whole, fraction) = written.split_once('.').unwrap_or((written, "0"));
        let is_number = is_digits(whole.strip_prefix(['+', '-']).unwrap_or(whole)) && is_digits(fraction);
        if !is_number || fraction.bytes().any(|digit| digit != b'0') {
            return Err(format!("{} is {}: {} is not an integer", column.name, kind(column), quoted(written)));
        }
        whole.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            let (low, high) = (range.start(), range.end());
            format!("{} is out of range: {} is {}, from {low} to {high}", quoted(written), column.name, kind(column))
        })
    };
    comparison(operator, value, read).map(CellTest::Integer)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn float<T: FromStr + Copy>(
    column: &Column,
    item: Item<'_>,
    is_finite: impl Fn(T) -> bool,
    is_zero: impl Fn(T) -> bool,
) -> Result<T, String> {
    let written = unquoted(column, item)?;
    let lower = written.to_ascii_lowercase();
    let magnitude = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
    if magnitude == "nan" {
        return Err("NaN cannot be compared: use operator `is nan` or `is not nan`".to_owned());
    }
    let infinite = matches!(magnitude, "inf" | "infinity");
    let numeric = magnitude.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'+' | b'-'));
    let number = lower.parse::<T>().ok().filter(|_| infinite || numeric);
    let Some(number) = number else {
        return Err(format!("{} is {}: {} is not a number", column.name, kind(column), quoted(written)));
    };
    let digits = magnitude.split('e').next().unwrap_or_default();
    let vanished = is_zero(number) && digits.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    if vanished || (!infinite && !is_finite(number)) {
        let size = if vanished { "small" } else { "large" };
        return Err(format!("{} is too {size} for {}, which is {}", quoted(written), column.name, kind(column)));
    }
    Ok(number)
}

fn unquoted<'a>(column: &Column, item: Item<'a>) -> Result<&'a str, String> {
    match item {
        Item::Bare(written) => Ok(written),
        Item::Quoted(text) => {
            Err(format!("{} is {}: write {} without quotes", column.name, kind(column), quoted(&format!("'{text}'"))))
        }
    }
}

fn text(column: &Column, item: Item<'_>) -> Result<Box<[u8]>, String> {
    match item {
        Item::Quoted(text) => Ok(text.into_bytes().into_boxed_slice()),
        Item::Bare(written) => {
            let example = quoted(&format!("value=\"'{written}'\""));
            Err(format!("{} is a string: put the value in single quotes, {example}", column.name))
        }
    }
}

fn comparison<T: PartialOrd>(
    operator: Operator,
    value: &str,
    read: impl Fn(Item<'_>) -> Result<T, String>,
) -> Result<Comparison<T>, String> {
    let list = match operator {
        Operator::In => items(strip_parentheses(value), ",")?,
        Operator::Between => items(value, "and")?,
        _ => items(value, "")?,
    };
    let mut values = list.into_iter().map(read).collect::<Result<Vec<T>, String>>()?;
    match (operator, values.len()) {
        (Operator::In, _) => Ok(Comparison::is_in(values)),
        (Operator::Between, 2) => match (values.pop(), values.pop()) {
            (Some(high), Some(low)) if low <= high => Ok(Comparison::Between(low, high)),
            _ => Err(format!("the range {} is empty: write the lower bound first", quoted(value))),
        },
        (Operator::Between, _) => {
            Err(format!("operator `between` requires two values, as in value=\"16 and 22\", not {}", quoted(value)))
        }
        (Operator::Compare(relation), 1) => match values.pop() {
            Some(value) => Ok(Comparison::Relation(relation, value)),
            None => Err(format!("operator `{}` requires a value", operator.spelling())),
        },
        _ => Err(format!("operator `{}` takes one value, not {}", operator.spelling(), quoted(value))),
    }
}

/// The list without the parentheses that SQL puts around it.
fn strip_parentheses(value: &str) -> &str {
    let value = value.trim();
    value.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(value)
}

/// Splits `value` at `separator`, which is a comma, the word `and` (a comma is accepted too), or empty for a single item.
fn items<'a>(value: &'a str, separator: &str) -> Result<Vec<Item<'a>>, String> {
    let mut list = Vec::new();
    let mut rest = value.trim();
    loop {
        let (item, after) = match rest.strip_prefix('\'') {
            Some(open) => {
                quoted_item(open).ok_or_else(|| format!("missing closing single quote in {}", quoted(rest)))?
            }
            None => {
                let end = match separator {
                    "" => rest.len(),
                    _ => rest.find([',', ' ']).unwrap_or(rest.len()),
                };
                let (written, after) = rest.split_at(end);
                if written.is_empty() {
                    return Err(format!("a value is missing in {}", quoted(value)));
                }
                (Item::Bare(written), after)
            }
        };
        list.push(item);
        let after = after.trim_start();
        if after.is_empty() {
            return Ok(list);
        }
        let word = after.get(..4).filter(|word| separator == "and" && word.eq_ignore_ascii_case("and "));
        rest = match (word, after.strip_prefix(',')) {
            (Some(word), _) => &after[word.len()..],
            (None, Some(next)) if !separator.is_empty() => next,
            _ => return Err(format!("cannot read {} after the first value of {}", quoted(after), quoted(value))),
        }
        .trim_start();
    }
}

/// Parses a string after its opening quote. A quote in the string is written twice.
fn quoted_item(open: &str) -> Option<(Item<'_>, &str)> {
    let mut text = String::new();
    let mut rest = open;
    loop {
        let (piece, after) = rest.split_once('\'')?;
        text.push_str(piece);
        match after.strip_prefix('\'') {
            Some(next) => {
                text.push('\'');
                rest = next;
            }
            None => return Some((Item::Quoted(text), after)),
        }
    }
}
