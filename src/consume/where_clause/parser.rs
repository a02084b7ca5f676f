//! A condition as a tree.

use super::error::ConditionError;
use super::lexer::Token;
use super::value::{Comparison, Number};

/// Brackets and `not`s within each other, at most: each takes a frame of the stack.
const MAX_DEPTH: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// A part of a condition, with the character where it begins.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    pub at: usize,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Number(Number),
    Text(String),
    Boolean(bool),
    Field(String),
    Negative(Box<Expression>),
    Arithmetic(Arithmetic, Box<Expression>, Box<Expression>),
    Compare(Comparison, Box<Expression>, Box<Expression>),
    In(Box<Expression>, Vec<Expression>),
    Between(Box<Expression>, Box<Expression>, Box<Expression>),
    IsNull(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
}

pub(super) fn parse(tokens: &[(Token, usize)]) -> Result<Expression, ConditionError> {
    let end = tokens.last().map_or(0, |(_, at)| at + 1);
    let mut parser = Parser { tokens, next: 0, end, depth: 0 };
    let expression = parser.or()?;
    match parser.tokens.get(parser.next) {
        None => Ok(expression),
        Some((token, at)) => Err(ConditionError::new(*at, format!("{} does not belong here", shown(token)))),
    }
}

struct Parser<'a> {
    tokens: &'a [(Token, usize)],
    next: usize,
    end: usize,
    depth: usize,
}

fn shown(token: &Token) -> String {
    match token {
        Token::Word(word) | Token::Number(word) => format!("`{word}`"),
        Token::Text(text) => format!("'{}'", text.escape_default()),
        Token::Sign(sign) => format!("`{sign}`"),
    }
}

impl Parser<'_> {
    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(_, at)| *at)
    }

    /// Whether the next word is this keyword or sign, which is then taken.
    fn take(&mut self, wanted: &str) -> bool {
        let is = match self.tokens.get(self.next) {
            Some((Token::Word(word), _)) => word.eq_ignore_ascii_case(wanted),
            Some((Token::Sign(sign), _)) => *sign == wanted,
            _ => false,
        };
        self.next += usize::from(is);
        is
    }

    fn expect(&mut self, wanted: &str) -> Result<(), ConditionError> {
        match self.take(wanted) {
            true => Ok(()),
            false => Err(self.error(&format!("`{wanted}` is expected"))),
        }
    }

    fn error(&self, expected: &str) -> ConditionError {
        let found = self.tokens.get(self.next).map_or("the end".to_owned(), |(token, _)| shown(token));
        ConditionError::new(self.at(), format!("{expected}, found {found}"))
    }

    fn or(&mut self) -> Result<Expression, ConditionError> {
        let mut left = self.and()?;
        while self.take("or") || self.take("||") {
            let at = left.at;
            left = Expression { at, kind: Kind::Or(Box::new(left), Box::new(self.and()?)) };
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, ConditionError> {
        let mut left = self.not()?;
        while self.take("and") || self.take("&&") {
            let at = left.at;
            left = Expression { at, kind: Kind::And(Box::new(left), Box::new(self.not()?)) };
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expression, ConditionError> {
        let at = self.at();
        if !self.take("not") {
            return self.test();
        }
        let inner = self.deeper(Self::not)?;
        Ok(Expression { at, kind: Kind::Not(Box::new(inner)) })
    }

    fn deeper(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Expression, ConditionError>,
    ) -> Result<Expression, ConditionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ConditionError::new(self.at(), "brackets lie too deep in each other"));
        }
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn test(&mut self) -> Result<Expression, ConditionError> {
        let left = self.sum()?;
        let at = left.at;
        for (sign, comparison) in Comparison::SIGNS {
            if self.take(sign) {
                let right = self.sum()?;
                return Ok(Expression { at, kind: Kind::Compare(comparison, Box::new(left), Box::new(right)) });
            }
        }
        if self.take("is") {
            let negated = self.take("not");
            self.expect("null")?;
            return Ok(negate(negated, Expression { at, kind: Kind::IsNull(Box::new(left)) }));
        }
        let negated = self.take("not");
        if self.take("in") {
            self.expect("(")?;
            let mut items = vec![self.sum()?];
            while self.take(",") {
                items.push(self.sum()?);
            }
            self.expect(")")?;
            return Ok(negate(negated, Expression { at, kind: Kind::In(Box::new(left), items) }));
        }
        if self.take("between") {
            let low = self.sum()?;
            self.expect("and")?;
            let high = self.sum()?;
            let kind = Kind::Between(Box::new(left), Box::new(low), Box::new(high));
            return Ok(negate(negated, Expression { at, kind }));
        }
        match negated {
            true => Err(self.error("`in` or `between` is expected")),
            false => Ok(left),
        }
    }

    fn sum(&mut self) -> Result<Expression, ConditionError> {
        let mut left = self.product()?;
        loop {
            let operation = match (self.take("+"), self.take("-")) {
                (true, _) => Arithmetic::Add,
                (_, true) => Arithmetic::Subtract,
                _ => return Ok(left),
            };
            let at = left.at;
            let right = self.product()?;
            left = Expression { at, kind: Kind::Arithmetic(operation, Box::new(left), Box::new(right)) };
        }
    }

    fn product(&mut self) -> Result<Expression, ConditionError> {
        let mut left = self.factor()?;
        loop {
            let operation = match (self.take("*"), self.take("/")) {
                (true, _) => Arithmetic::Multiply,
                (_, true) => Arithmetic::Divide,
                _ => return Ok(left),
            };
            let at = left.at;
            let right = self.factor()?;
            left = Expression { at, kind: Kind::Arithmetic(operation, Box::new(left), Box::new(right)) };
        }
    }

    fn factor(&mut self) -> Result<Expression, ConditionError> {
        let at = self.at();
        if self.take("-") {
            let inner = self.deeper(Self::factor)?;
            return Ok(Expression { at, kind: Kind::Negative(Box::new(inner)) });
        }
        if self.take("(") {
            let inner = self.deeper(Self::or)?;
            self.expect(")")?;
            return Ok(inner);
        }
        let kind = match self.tokens.get(self.next) {
            Some((Token::Number(number), _)) => match Number::parse(number) {
                Some(number) => Kind::Number(number),
                None => return Err(ConditionError::new(at, format!("`{number}` is not a number"))),
            },
            Some((Token::Text(text), _)) => Kind::Text(text.clone()),
            Some((Token::Word(word), _)) => match word.to_ascii_lowercase().as_str() {
                "true" => Kind::Boolean(true),
                "false" => Kind::Boolean(false),
                "null" => return Err(ConditionError::new(at, "nothing is equal to null: ask with `is null`")),
                "and" | "or" | "not" | "in" | "is" | "between" => {
                    return Err(self.error("a field or a value is expected"));
                }
                _ => Kind::Field(word.clone()),
            },
            _ => return Err(self.error("a field or a value is expected")),
        };
        self.next += 1;
        Ok(Expression { at, kind })
    }
}

fn negate(negated: bool, expression: Expression) -> Expression {
    match negated {
        true => Expression { at: expression.at, kind: Kind::Not(Box::new(expression)) },
        false => expression,
    }
}
