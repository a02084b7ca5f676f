//! The operators of a rule.

use crate::suggest::similar_names;

/// A comparison with one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

/// The `operator` of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Compare(Relation),
    In,
    Between,
    Null { wanted: bool },
    Nan { wanted: bool },
}

/// Every spelling; of each operator, the preferred one is first.
const SPELLINGS: [(&str, Operator); 13] = [
    ("<", Operator::Compare(Relation::Less)),
    ("<=", Operator::Compare(Relation::LessOrEqual)),
    ("=", Operator::Compare(Relation::Equal)),
    ("!=", Operator::Compare(Relation::NotEqual)),
    (">=", Operator::Compare(Relation::GreaterOrEqual)),
    (">", Operator::Compare(Relation::Greater)),
    ("in", Operator::In),
    ("between", Operator::Between),
    ("is null", Operator::Null { wanted: true }),
    ("is not null", Operator::Null { wanted: false }),
    ("not null", Operator::Null { wanted: false }),
    ("is nan", Operator::Nan { wanted: true }),
    ("is not nan", Operator::Nan { wanted: false }),
];

impl Operator {
    /// Parses an operator, ignoring case and the amount of white space.
    ///
    /// # Errors
    /// The text is not an operator. The error says what to write instead.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().take(4).collect();
        let spelling = words.join(" ").to_ascii_lowercase();
        if let Some((_, operator)) = SPELLINGS.iter().find(|(known, _)| *known == spelling) {
            return Ok(*operator);
        }
        let instead = match spelling.as_str() {
            "==" => Some("="),
            "<>" | "~=" | "≠" => Some("!="),
            "=<" | "≤" => Some("<="),
            "=>" | "≥" => Some(">="),
            "not in" => return Err("write <not><column … operator=\"in\" …/></not>".to_owned()),
            _ => similar_names(&spelling, SPELLINGS.iter().map(|(known, _)| *known)).first().copied(),
        };
        Err(match instead {
            Some(known) => format!("did you mean `{known}`?"),
            None => {
                "expected one of <, <=, =, !=, >=, >, in, between, is null, is not null, is nan, is not nan".to_owned()
            }
        })
    }

    /// The preferred spelling.
    pub(super) fn spelling(self) -> &'static str {
        SPELLINGS.iter().find(|(_, operator)| *operator == self).map_or("", |(spelling, _)| spelling)
    }

    /// Whether the rule must have a value.
    pub(super) fn takes_value(self) -> bool {
        !matches!(self, Self::Null { .. } | Self::Nan { .. })
    }
}

impl Relation {
    /// Whether the relation holds for a cell that compares to the rule's value as `order`. `None`: one of them is NaN.
    pub(super) fn holds(self, order: Option<std::cmp::Ordering>) -> bool {
        match self {
            Self::Less => order.is_some_and(|order| order.is_lt()),
            Self::LessOrEqual => order.is_some_and(|order| order.is_le()),
            Self::Equal => order.is_some_and(|order| order.is_eq()),
            Self::NotEqual => order.is_none_or(|order| order.is_ne()),
            Self::GreaterOrEqual => order.is_some_and(|order| order.is_ge()),
            Self::Greater => order.is_some_and(|order| order.is_gt()),
        }
    }
}
