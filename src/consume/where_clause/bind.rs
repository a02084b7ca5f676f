//! A condition on the alerts of one schema.

use super::condition::Condition;
use super::error::ConditionError;
use super::parser::{Arithmetic, Expression, Kind};
use super::value::{Comparison, Number, Value};
use crate::alert::decoder::{Decoder, Projection, Scalar};
use crate::avro::{Kind as AvroKind, Malformed, NodeId, Schema};
use crate::consume::fields::FieldNames;

/// What a part of a condition can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Boolean,
    Number,
    Text,
    /// bytes, an array, a record or a map
    Other,
    /// a union of several types
    Any,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Self::Boolean => "true or false",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Other => "no single value",
            Self::Any => "of several types",
        }
    }
}

/// A part of a condition whose fields are found.
#[derive(Clone, Debug)]
enum Node {
    Number(Number),
    Text(String),
    Boolean(bool),
    Field(usize),
    Negative(Box<Node>),
    Arithmetic(Arithmetic, Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    In(Box<Node>, Vec<Node>),
    IsNull(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
}

/// A condition made ready for alerts of one schema.
#[derive(Clone, Debug)]
pub struct BoundCondition {
    root: Node,
    fields: Option<Projection>,
}

impl Condition {
    /// Finds the fields in a schema.
    ///
    /// # Errors
    /// A field that there is not, or values that cannot be compared.
    pub fn bind(&self, decoder: &Decoder) -> Result<BoundCondition, ConditionError> {
        let mut binder =
            Binder { names: FieldNames::of(decoder.schema()), schema: decoder.schema(), paths: Vec::new() };
        let (root, kind) = binder.bind(&self.expression)?;
        require(self.expression.at, kind, Type::Boolean, "the condition")?;
        let paths: Vec<&str> = binder.paths.iter().map(String::as_str).collect();
        let fields = match paths.is_empty() {
            true => None,
            false => Some(decoder.projection(&paths).map_err(|error| ConditionError::new(0, error.to_string()))?),
        };
        Ok(BoundCondition { root, fields })
    }
}

impl BoundCondition {
    /// Whether the condition is true of an alert.
    ///
    /// # Errors
    /// The datum is damaged.
    pub fn is_true(&self, datum: &[u8]) -> Result<bool, Malformed> {
        let values = match &self.fields {
            Some(fields) => fields.read(datum)?,
            None => Vec::new(),
        };
        Ok(self.root.value(&values) == Value::Boolean(true))
    }
}

struct Binder<'a> {
    names: FieldNames,
    schema: &'a Schema,
    paths: Vec<String>,
}

impl Binder<'_> {
    fn bind(&mut self, expression: &Expression) -> Result<(Node, Type), ConditionError> {
        let at = expression.at;
        Ok(match &expression.kind {
            Kind::Number(number) => (Node::Number(*number), Type::Number),
            Kind::Text(text) => (Node::Text(text.clone()), Type::Text),
            Kind::Boolean(value) => (Node::Boolean(*value), Type::Boolean),
            Kind::Field(name) => {
                let (path, node) =
                    self.names.resolve(name).map_err(|error| ConditionError::new(at, error.to_string()))?;
                let kind = self.type_of(node);
                let known = self.paths.iter().position(|known| known == path);
                let slot = known.unwrap_or_else(|| {
                    self.paths.push(path.to_owned());
                    self.paths.len() - 1
                });
                (Node::Field(slot), kind)
            }
            Kind::Negative(inner) => {
                let (node, kind) = self.bind(inner)?;
                require(inner.at, kind, Type::Number, "what follows `-`")?;
                (Node::Negative(Box::new(node)), Type::Number)
            }
            Kind::Arithmetic(operation, left, right) => {
                let mut number = |side: &Expression| {
                    let (node, kind) = self.bind(side)?;
                    require(side.at, kind, Type::Number, "a side of a calculation")?;
                    Ok(Box::new(node))
                };
                let (left, right) = (number(left)?, number(right)?);
                (Node::Arithmetic(*operation, left, right), Type::Number)
            }
            Kind::Compare(comparison, left, right) => (self.compare(*comparison, left, right)?, Type::Boolean),
            Kind::In(value, items) => {
                let (node, kind) = self.bind(value)?;
                let mut bound = Vec::with_capacity(items.len());
                for item in items {
                    let (item_node, item_kind) = self.bind(item)?;
                    comparable(item.at, kind, item_kind)?;
                    bound.push(item_node);
                }
                (Node::In(Box::new(node), bound), Type::Boolean)
            }
            Kind::Between(value, low, high) => {
                let low = self.compare(Comparison::GreaterOrEqual, value, low)?;
                let high = self.compare(Comparison::LessOrEqual, value, high)?;
                (Node::And(Box::new(low), Box::new(high)), Type::Boolean)
            }
            Kind::IsNull(inner) => (Node::IsNull(Box::new(self.bind(inner)?.0)), Type::Boolean),
            Kind::And(left, right) => (Node::And(self.condition(left)?, self.condition(right)?), Type::Boolean),
            Kind::Or(left, right) => (Node::Or(self.condition(left)?, self.condition(right)?), Type::Boolean),
            Kind::Not(inner) => (Node::Not(self.condition(inner)?), Type::Boolean),
        })
    }

    fn condition(&mut self, expression: &Expression) -> Result<Box<Node>, ConditionError> {
        let (node, kind) = self.bind(expression)?;
        require(expression.at, kind, Type::Boolean, "a side of `and`, `or` or `not`")?;
        Ok(Box::new(node))
    }

    fn compare(
        &mut self,
        comparison: Comparison,
        left: &Expression,
        right: &Expression,
    ) -> Result<Node, ConditionError> {
        let ((left_node, left_kind), (right_node, right_kind)) = (self.bind(left)?, self.bind(right)?);
        comparable(right.at, left_kind, right_kind)?;
        Ok(Node::Compare(comparison, Box::new(left_node), Box::new(right_node)))
    }

    fn type_of(&self, node: NodeId) -> Type {
        let node = self.schema.optional(node).map_or(node, |optional| optional.node);
        match self.schema.kind(node) {
            AvroKind::Boolean => Type::Boolean,
            AvroKind::Int | AvroKind::Long | AvroKind::Float | AvroKind::Double => Type::Number,
            AvroKind::String | AvroKind::Enum { .. } => Type::Text,
            AvroKind::Union(_) => Type::Any,
            _ => Type::Other,
        }
    }
}

fn require(at: usize, kind: Type, wanted: Type, what: &str) -> Result<(), ConditionError> {
    match kind == wanted || kind == Type::Any {
        true => Ok(()),
        false => Err(ConditionError::new(at, format!("{what} must be {}, and this is {}", wanted.name(), kind.name()))),
    }
}

fn comparable(at: usize, one: Type, other: Type) -> Result<(), ConditionError> {
    let is_value = |kind| kind != Type::Other;
    match is_value(one) && is_value(other) && (one == other || one == Type::Any || other == Type::Any) {
        true => Ok(()),
        false => Err(ConditionError::new(at, format!("{} cannot be compared with {}", one.name(), other.name()))),
    }
}

impl Node {
    fn value<'a>(&'a self, fields: &'a [Scalar<'a>]) -> Value<'a> {
        match self {
            Self::Number(number) => Value::Number(*number),
            Self::Text(text) => Value::Text(text),
            Self::Boolean(value) => Value::Boolean(*value),
            Self::Field(slot) => match fields.get(*slot) {
                None | Some(Scalar::Null) => Value::Null,
                Some(Scalar::Boolean(value)) => Value::Boolean(*value),
                Some(Scalar::Integer(value)) => Value::Number(Number::Integer(*value)),
                Some(Scalar::Float(value)) => Value::Number(Number::Float(*value)),
                Some(Scalar::Double(value)) => Value::Number(Number::Double(*value)),
                Some(Scalar::Text(text)) => Value::Text(text),
                Some(Scalar::Bytes(_) | Scalar::Json(_)) => Value::Other,
            },
            Self::Negative(inner) => match inner.value(fields) {
                Value::Number(Number::Integer(value)) => Value::Number(Number::Integer(value.wrapping_neg())),
                Value::Number(Number::Float(value)) => Value::Number(Number::Float(-value)),
                Value::Number(Number::Double(value)) => Value::Number(Number::Double(-value)),
                _ => Value::Null,
            },
            Self::Arithmetic(operation, left, right) => match (left.value(fields), right.value(fields)) {
                (Value::Number(left), Value::Number(right)) => Value::Number(calculate(*operation, left, right)),
                _ => Value::Null,
            },
            Self::IsNull(inner) => Value::Boolean(inner.value(fields) == Value::Null),
            _ => self.truth(fields).map_or(Value::Null, Value::Boolean),
        }
    }

    /// True, false, or null.
    fn truth(&self, fields: &[Scalar<'_>]) -> Option<bool> {
        match self {
            Self::Compare(comparison, left, right) => comparison.holds(left.value(fields), right.value(fields)),
            Self::In(value, items) => {
                let value = value.value(fields);
                let mut is_null = false;
                for item in items {
                    match Comparison::Equal.holds(value, item.value(fields)) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => is_null = true,
                    }
                }
                (!is_null).then_some(false)
            }
            Self::And(left, right) => match (left.truth(fields), right.truth(fields)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(left, right) => match (left.truth(fields), right.truth(fields)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::Not(inner) => inner.truth(fields).map(|truth| !truth),
            _ => match self.value(fields) {
                Value::Boolean(value) => Some(value),
                _ => None,
            },
        }
    }
}

fn calculate(operation: Arithmetic, left: Number, right: Number) -> Number {
    let exact = match (operation, left, right) {
        (Arithmetic::Add, Number::Integer(left), Number::Integer(right)) => left.checked_add(right),
        (Arithmetic::Subtract, Number::Integer(left), Number::Integer(right)) => left.checked_sub(right),
        (Arithmetic::Multiply, Number::Integer(left), Number::Integer(right)) => left.checked_mul(right),
        _ => None,
    };
    let (left, right) = (left.to_f64(), right.to_f64());
    exact.map_or_else(
        || {
            Number::Double(match operation {
                Arithmetic::Add => left + right,
                Arithmetic::Subtract => left - right,
                Arithmetic::Multiply => left * right,
                Arithmetic::Divide => left / right,
            })
        },
        Number::Integer,
    )
}
