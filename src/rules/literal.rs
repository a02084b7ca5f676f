//! From a rule's value, as written, to one of the column's type.
//!
//! The type of the column decides: a whole number is read as such and never passes through a float; a number for a `float` column is
//! rounded to a float, so that `16.1` is the same 16.1 that a cell holds.

use std::str::FromStr;

use super::comparison::{CellTest, Comparison};
use super::diagnostic::quoted;
use super::operator::{Operator, Relation};
use crate::catalog::{Column, ColumnType};

/// The test that `operator` and `value` ask for. The error says what is wrong, and lacks only the place.
pub(super) fn test(column: &Column, operator: Operator, value: Option<&str>) -> Result<CellTest, String> {
    let value = match (operator, value) {
        (Operator::Null { wanted }, _) => return Ok(CellTest::Null { wanted }),
        (Operator::Nan { wanted }, _) => {
            return match column.kind {
                ColumnType::Float | ColumnType::Double => Ok(CellTest::Nan { wanted }),
                _ => Err(format!(
                    "`{}` is for float and double, and {} is {}",
                    operator.spelling(),
                    column.name,
                    kind(column)
                )),
            };
        }
        (_, Some(value)) => value,
        (_, None) => return Err(format!("operator `{}` needs the attribute value", operator.spelling())),
    };
    match column.kind {
        ColumnType::Boolean => boolean(column, operator, value),
        ColumnType::Byte => integer(column, operator, value, i64::from(i8::MIN)..=i64::from(i8::MAX)),
        ColumnType::Short => integer(column, operator, value, i64::from(i16::MIN)..=i64::from(i16::MAX)),
        ColumnType::Int => integer(column, operator, value, i64::from(i32::MIN)..=i64::from(i32::MAX)),
        ColumnType::Long => integer(column, operator, value, i64::MIN..=i64::MAX),
        ColumnType::Float => {
            comparison(column, operator, value, |item| float(column, item, f32::is_finite, |v| v == 0.0))
                .map(CellTest::Float)
        }
        ColumnType::Double => {
            comparison(column, operator, value, |item| float(column, item, f64::is_finite, |v| v == 0.0))
                .map(CellTest::Double)
        }
        ColumnType::String => comparison(column, operator, value, |item| text(column, item)).map(CellTest::Text),
        ColumnType::Binary | ColumnType::Avro(_) => {
            Err(format!("{} is {}, which can only be asked with `is null` or `is not null`", column.name, kind(column)))
        }
    }
}

/// The column's type, with its article.
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

/// One value of a list, as written.
#[derive(Clone, Debug, PartialEq)]
enum Item<'a> {
    /// in single quotes, these taken off
    Quoted(String),
    Bare(&'a str),
}

fn boolean(column: &Column, operator: Operator, value: &str) -> Result<CellTest, String> {
    let value = match value.trim() {
        "true" => true,
        "false" => false,
        other => {
            return Err(format!("{} is a boolean: the value is true or false, not {}", column.name, quoted(other)));
        }
    };
    match operator {
        Operator::Compare(Relation::Equal) => Ok(CellTest::Boolean { wanted: value }),
        Operator::Compare(Relation::NotEqual) => Ok(CellTest::Boolean { wanted: !value }),
        _ => Err(format!("{} is a boolean: the operators are = and !=, not `{}`", column.name, operator.spelling())),
    }
}

fn integer(
    column: &Column,
    operator: Operator,
    value: &str,
    range: std::ops::RangeInclusive<i64>,
) -> Result<CellTest, String> {
    let read = |item: Item<'_>| {
        let written = bare(column, item)?;
        let (whole, fraction) = written.split_once('.').unwrap_or((written, "0"));
        let is_number = is_digits(whole.strip_prefix(['+', '-']).unwrap_or(whole)) && is_digits(fraction);
        if !is_number {
            return Err(format!("{} is {}: {} is not a whole number", column.name, kind(column), quoted(written)));
        }
        if fraction.bytes().any(|digit| digit != b'0') {
            let what = "is not a whole number: write the one above or below";
            return Err(format!("{} is {}, and {} {what}", column.name, kind(column), quoted(written)));
        }
        whole.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            let (low, high) = (range.start(), range.end());
            format!("{} is {}, from {low} to {high}: {} lies outside", column.name, kind(column), quoted(written))
        })
    };
    comparison(column, operator, value, read).map(CellTest::Integer)
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
    let written = bare(column, item)?;
    let lower = written.to_ascii_lowercase();
    let magnitude = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
    if magnitude == "nan" {
        return Err("nothing is equal to NaN, nor above or below it: ask with `is nan` or `is not nan`".to_owned());
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

fn bare<'a>(column: &Column, item: Item<'a>) -> Result<&'a str, String> {
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
            Err(format!("{} is a string, and strings stand in single quotes: write {example}", column.name))
        }
    }
}

fn comparison<T: PartialOrd>(
    column: &Column,
    operator: Operator,
    value: &str,
    read: impl Fn(Item<'_>) -> Result<T, String>,
) -> Result<Comparison<T>, String> {
    let list = match operator {
        Operator::In => items(in_brackets(value), ",")?,
        Operator::Between => items(value, "and")?,
        _ => items(value, "")?,
    };
    let mut values = list.into_iter().map(read).collect::<Result<Vec<T>, String>>()?;
    match (operator, values.len()) {
        (Operator::In, _) => Ok(Comparison::among(values)),
        (Operator::Between, 2) => match (values.pop(), values.pop()) {
            (Some(high), Some(low)) if low <= high => Ok(Comparison::Between(low, high)),
            _ => Err(format!("no value lies between {}: the smaller one comes first", quoted(value))),
        },
        (Operator::Between, _) => {
            Err(format!("between needs two values, as in value=\"16 and 22\", not {}", quoted(value)))
        }
        (Operator::Compare(relation), 1) => match values.pop() {
            Some(value) => Ok(Comparison::Relation(relation, value)),
            None => Err(format!("{} has no value to compare with", column.name)),
        },
        _ => Err(format!("operator `{}` takes one value, not {}", operator.spelling(), quoted(value))),
    }
}

/// The list without the brackets that SQL puts round it.
fn in_brackets(value: &str) -> &str {
    let value = value.trim();
    value.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(value)
}

/// Splits at `separator`: `,`; or the word `and`, for which a comma may stand too; or nothing, and then there is one item.
fn items<'a>(value: &'a str, separator: &str) -> Result<Vec<Item<'a>>, String> {
    let mut list = Vec::new();
    let mut rest = value.trim();
    loop {
        let (item, after) = match rest.strip_prefix('\'') {
            Some(open) => {
                quoted_item(open).ok_or_else(|| format!("the single quote that ends {} is missing", quoted(rest)))?
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

/// Reads a string whose opening quote is taken off; a quote within is written twice.
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
