//! Values of conditions, and how they compare.

use std::cmp::Ordering;

/// A number. Those of single precision are compared in single precision: `magpsf = 18.3` is meant as the alert has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Integer(i64),
    Float(f32),
    Double(f64),
}

impl Number {
    pub fn parse(text: &str) -> Option<Self> {
        if text.bytes().all(|byte| byte.is_ascii_digit())
            && let Ok(integer) = text.parse()
        {
            return Some(Self::Integer(integer));
        }
        // Rust reads `inf` and `nan` too.
        let is_numeric = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
        text.parse().ok().filter(|_| is_numeric).map(Self::Double)
    }

    pub fn to_f64(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Float(value) => f64::from(value),
            Self::Double(value) => value,
        }
    }

    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(one), Self::Integer(other)) => Some(one.cmp(&other)),
            (Self::Float(one), Self::Double(other)) => one.partial_cmp(&(other as f32)),
            (Self::Double(one), Self::Float(other)) => (one as f32).partial_cmp(&other),
            (one, other) => one.to_f64().partial_cmp(&other.to_f64()),
        }
    }
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Boolean(bool),
    Number(Number),
    Text(&'a str),
    /// bytes, an array, a record or a map, of which only is asked whether it is there
    Other,
}

impl Value<'_> {
    /// How two values stand to each other; `None`: not at all.
    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Boolean(one), Self::Boolean(other)) => Some(one.cmp(&other)),
            (Self::Number(one), Self::Number(other)) => one.compare(other),
            (Self::Text(one), Self::Text(other)) => Some(one.cmp(other)),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    pub const SIGNS: [(&'static str, Self); 8] = [
        ("<=", Self::LessOrEqual),
        (">=", Self::GreaterOrEqual),
        ("!=", Self::NotEqual),
        ("<>", Self::NotEqual),
        ("==", Self::Equal),
        ("=", Self::Equal),
        ("<", Self::Less),
        (">", Self::Greater),
    ];

    /// Whether it holds; `None` where one of the values is null.
    pub fn holds(self, one: Value<'_>, other: Value<'_>) -> Option<bool> {
        if one == Value::Null || other == Value::Null {
            return None;
        }
        let Some(order) = one.compare(other) else { return Some(self == Self::NotEqual) };
        Some(match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        })
    }
}
