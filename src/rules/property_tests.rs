//! Random rules, compared with a second, simple evaluator.

use proptest::prelude::*;

use super::Rules;
use crate::catalog::{Catalog, Column, ColumnLocation, ColumnType};
use crate::row::{Columns, Rows};

/// The value of a column. Integers are wide enough for every type; floats have their own type.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Boolean(bool),
    Integer(i128),
    Float(f32),
    Double(f64),
    Text(String),
}

#[derive(Clone, Debug)]
enum Rule {
    Ask { column: usize, operator: &'static str, values: Vec<Value> },
    Any(Vec<Rule>),
    All(Vec<Rule>),
    Not(Box<Rule>),
}

const KINDS: [ColumnType; 10] = [
    ColumnType::Boolean,
    ColumnType::Byte,
    ColumnType::Short,
    ColumnType::Int,
    ColumnType::Long,
    ColumnType::Float,
    ColumnType::Double,
    ColumnType::String,
    ColumnType::String,
    ColumnType::Long,
];

/// A column with cells for each type, then a string and a long that are the two parts of the row key.
fn catalog() -> Catalog {
    let columns = KINDS.iter().enumerate().map(|(index, kind)| match index {
        8 | 9 => Column::new(&format!("k{index}"), ColumnLocation::RowKey { part: index - 8 }, kind.clone()),
        _ => Column::cell("i", &format!("c{index}"), kind.clone()),
    });
    Catalog::new("default", "t", &["k8", "k9"], columns.collect(), Vec::new())
}

/// Few different values, so that some are equal, and the limits of the type.
fn value(column: usize) -> BoxedStrategy<Value> {
    let integer = |low: i64, high: i64| {
        let near_2_53 = Just(i128::from((1_i64 << 53) + 1).clamp(low.into(), high.into()));
        let edges = prop_oneof![Just(i128::from(low)), Just(i128::from(high)), near_2_53];
        prop_oneof![3 => -3..=3_i128, 1 => edges].prop_map(Value::Integer).boxed()
    };
    let doubles =
        || prop_oneof![Just(0.0), Just(-0.0), Just(0.1), Just(16.1), Just(1e-30), Just(f64::INFINITY), Just(-2.5)];
    match KINDS[column] {
        ColumnType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        ColumnType::Byte => integer(i8::MIN.into(), i8::MAX.into()),
        ColumnType::Short => integer(i16::MIN.into(), i16::MAX.into()),
        ColumnType::Int => integer(i32::MIN.into(), i32::MAX.into()),
        ColumnType::Long => integer(i64::MIN, i64::MAX),
        ColumnType::Float => doubles().prop_map(|d| Value::Float(d as f32)).boxed(),
        ColumnType::Double => doubles().prop_map(Value::Double).boxed(),
        _ if column == 8 => "[a-c'<&>]{0,3}".prop_map(Value::Text).boxed(),
        _ => "[a-c'<&> ,é]{0,3}".prop_map(Value::Text).boxed(),
    }
}

/// The value of a cell: as above, NaN, or null.
fn cell(column: usize) -> BoxedStrategy<Option<Value>> {
    match KINDS[column] {
        _ if column >= 8 => {
            value(column).prop_map(|value| Some(value).filter(|v| *v != Value::Text(String::new()))).boxed()
        }
        ColumnType::Float => {
            prop_oneof![4 => value(column).prop_map(Some), 1 => Just(Some(Value::Float(f32::NAN))), 1 => Just(None)]
                .boxed()
        }
        ColumnType::Double => {
            prop_oneof![4 => value(column).prop_map(Some), 1 => Just(Some(Value::Double(f64::NAN))), 1 => Just(None)]
                .boxed()
        }
        _ => prop_oneof![5 => value(column).prop_map(Some), 1 => Just(None)].boxed(),
    }
}

fn ask() -> impl Strategy<Value = Rule> {
    (0..KINDS.len()).prop_flat_map(|column| {
        let mut operators = vec!["=", "!=", "is null", "is not null"];
        if KINDS[column] != ColumnType::Boolean {
            operators.extend(["<", "<=", ">=", ">", "in", "between"]);
        }
        if matches!(KINDS[column], ColumnType::Float | ColumnType::Double) {
            operators.extend(["is nan", "is not nan"]);
        }
        let values = prop::collection::vec(value(column), 1..5);
        (prop::sample::select(operators), values).prop_map(move |(operator, mut values)| {
            match operator {
                "in" => {}
                "between" => {
                    values.truncate(2);
                    values.extend(values.first().cloned().filter(|_| values.len() == 1));
                    values.sort_by(|a, b| order(a, b).expect("no NaN is written"));
                }
                _ => values.truncate(usize::from(!operator.starts_with("is"))),
            }
            Rule::Ask { column, operator, values }
        })
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    ask().prop_recursive(4, 24, 4, |inner| {
        let several = || prop::collection::vec(inner.clone(), 1..4);
        let not = inner.clone().prop_map(|rule| Rule::Not(Box::new(rule)));
        prop_oneof![several().prop_map(Rule::Any), several().prop_map(Rule::All), not]
    })
}

fn order(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Value::Boolean(a), Value::Boolean(b)) => a.partial_cmp(b),
        (Value::Integer(a), Value::Integer(b)) => a.partial_cmp(b),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Text(a), Value::Text(b)) => a.chars().partial_cmp(b.chars()),
        _ => panic!("a rule compares values of one type"),
    }
}

impl Rule {
    fn holds(&self, row: &[Option<Value>]) -> bool {
        let (column, operator, values) = match self {
            Self::Any(rules) => return rules.iter().any(|rule| rule.holds(row)),
            Self::All(rules) => return rules.iter().all(|rule| rule.holds(row)),
            Self::Not(rule) => return !rule.holds(row),
            Self::Ask { column, operator, values } => (*column, *operator, values),
        };
        let Some(cell) = &row[column] else { return operator == "is null" };
        let is_nan = matches!(cell, Value::Float(f) if f.is_nan()) || matches!(cell, Value::Double(d) if d.is_nan());
        let to = |at: usize| order(cell, &values[at]);
        match operator {
            "is null" => false,
            "is not null" => true,
            "is nan" => is_nan,
            "is not nan" => !is_nan,
            "!=" if is_nan => true,
            _ if is_nan => false,
            "=" => to(0).unwrap().is_eq(),
            "!=" => to(0).unwrap().is_ne(),
            "<" => to(0).unwrap().is_lt(),
            "<=" => to(0).unwrap().is_le(),
            ">" => to(0).unwrap().is_gt(),
            ">=" => to(0).unwrap().is_ge(),
            "in" => values.iter().any(|value| order(cell, value).unwrap().is_eq()),
            "between" => to(0).unwrap().is_ge() && to(1).unwrap().is_le(),
            other => panic!("{other} is not an operator"),
        }
    }

    fn xml(&self, text: &mut String) {
        let group = |name: &str, rules: &[Rule], text: &mut String| {
            text.push_str(&format!("<{name}>"));
            rules.iter().for_each(|rule| rule.xml(text));
            text.push_str(&format!("</{name}>\n"));
        };
        match self {
            Self::Any(rules) => group("any", rules, text),
            Self::All(rules) => group("all", rules, text),
            Self::Not(rule) => group("not", std::slice::from_ref(rule), text),
            Self::Ask { column, operator, values } => {
                let name = if *column >= 8 { format!("k{column}") } else { format!("c{column}") };
                text.push_str(&format!("<column name=\"{name}\" operator=\"{}\"", escaped(operator)));
                let separator = if *operator == "between" { " and " } else { ", " };
                let values: Vec<String> = values.iter().map(Value::written).collect();
                if !values.is_empty() {
                    text.push_str(&format!(" value=\"{}\"", escaped(&values.join(separator))));
                }
                text.push_str("/>\n");
            }
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&#62;").replace('"', "&quot;").replace('é', "&#xE9;")
}

impl Value {
    fn written(&self) -> String {
        match self {
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Float(value) => format!("{value:?}"),
            Self::Double(value) => format!("{value:?}"),
            Self::Text(value) => format!("'{}'", value.replace('\'', "''")),
        }
    }

    /// The cell, for a column of type `kind`.
    fn bytes(&self, kind: &ColumnType) -> Vec<u8> {
        match (self, kind) {
            (Self::Boolean(value), _) => vec![if *value { 0xff } else { 0 }],
            (Self::Integer(value), _) => {
                let width = kind.width().expect("integers have a width");
                value.to_be_bytes()[16 - width..].to_vec()
            }
            (Self::Float(value), _) => value.to_be_bytes().to_vec(),
            (Self::Double(value), _) => value.to_be_bytes().to_vec(),
            (Self::Text(value), _) => value.clone().into_bytes(),
        }
    }
}

fn row() -> impl Strategy<Value = Vec<Option<Value>>> {
    (0..KINDS.len()).map(cell).collect::<Vec<_>>()
}

/// Cells in slots in another order than the catalog's; the key as parts of text.
fn page(values: &[Vec<Option<Value>>]) -> (Columns, Rows) {
    let columns = Columns::new((0..8).rev().map(|index| ("i".to_owned(), format!("c{index}"))).collect());
    let mut rows = Rows::default();
    let mut builder = rows.refill(8);
    for row in values {
        let part = |at: usize| match &row[at] {
            Some(Value::Text(text)) => text.clone(),
            Some(Value::Integer(number)) => number.to_string(),
            _ => String::new(),
        };
        builder.row(format!("{}_{}", part(8), part(9)).as_bytes());
        for (index, value) in row.iter().take(8).enumerate() {
            if let Some(value) = value {
                builder.cell(7 - index, &value.bytes(&KINDS[index]), 1);
            }
        }
    }
    (columns, rows)
}

proptest! {
    #[test]
    fn rules_agree_with_a_simple_evaluator(
        filter in prop::collection::vec(rule(), 0..4),
        values in prop::collection::vec(row(), 1..12),
    ) {
        let mut text = "<distribution-rules><select><column name=\"*\"/></select>\n<filter>".to_owned();
        filter.iter().for_each(|rule| rule.xml(&mut text));
        text.push_str("</filter></distribution-rules>");
        let rules = Rules::parse(text.as_bytes(), &catalog());
        prop_assert!(rules.is_ok(), "{text}\n{rules:?}");
        let rules = rules.unwrap();
        let (columns, rows) = page(&values);
        let bound = rules.bind(&columns).unwrap();
        for (row, values) in rows.iter().zip(&values) {
            let refused = filter.iter().position(|rule| !rule.holds(values));
            prop_assert_eq!(bound.refused_by(&row).unwrap(), refused, "{}\n{:?}", text, values);
        }
    }
}
