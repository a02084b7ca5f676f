//! From XML to a syntax tree: which elements and attributes stand where. Column names are not looked at yet.

use super::diagnostic::{MAX_DIAGNOSTICS, OffsetDiagnostic, quoted};
use super::operator::Operator;
use super::xml::{Attribute, Element};
use crate::suggest::similar_names;

/// A file's rules as written.
#[derive(Debug, Default)]
pub(super) struct RulesDocument<'a> {
    pub(super) select: Vec<ColumnReference<'a>>,
    pub(super) drop: Vec<ColumnReference<'a>>,
    pub(super) filter: Vec<Condition<'a>>,
    /// something of `select` or `drop` was not understood, so that which columns remain is unknown
    pub(super) uncertain: bool,
}

/// `name` and `subcol` of an element.
#[derive(Debug)]
pub(super) struct ColumnReference<'a> {
    /// offset of the element
    pub(super) at: usize,
    pub(super) name: Attribute<'a>,
    pub(super) subcol: Option<Attribute<'a>>,
}

/// One thing within `filter`.
#[derive(Debug)]
pub(super) enum Condition<'a> {
    Column { reference: ColumnReference<'a>, operator: Operator, operator_at: usize, value: Option<Attribute<'a>> },
    Group { kind: GroupKind, at: usize, members: Vec<Condition<'a>> },
}

/// How the conditions of a group are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupKind {
    All,
    Any,
    Not,
}

/// What a part of the file may hold.
const SECTIONS: [&str; 3] = ["select", "drop", "filter"];
const CONDITION_ELEMENTS: [&str; 4] = ["column", "any", "all", "not"];
const SELECT_ATTRIBUTES: [&str; 2] = ["name", "subcol"];
const CONDITION_ATTRIBUTES: [&str; 4] = ["name", "subcol", "operator", "value"];

impl<'a> RulesDocument<'a> {
    /// Reads the document's element. `None`: it is empty, which means everything. Where anything is added to `flaws` the rest is what
    /// could be understood, good for finding further flaws and for nothing else.
    pub(super) fn read(root: &Element<'a>, flaws: &mut Vec<OffsetDiagnostic>) -> Option<Self> {
        if root.name != "distribution-rules" {
            let what = format!("the file's element is {}, but must be <distribution-rules>", quoted(root.name));
            flaws.push(OffsetDiagnostic::new(root.at, what));
            return Some(Self { uncertain: true, ..Self::default() });
        }
        no_attributes(root, flaws);
        if root.children.is_empty() {
            return None;
        }
        let mut document = Self::default();
        let mut last = None;
        for part in &root.children {
            if flaws.len() >= MAX_DIAGNOSTICS {
                break;
            }
            let Some(rank) = SECTIONS.iter().position(|name| *name == part.name) else {
                flaws.push(unknown_element(part, &SECTIONS, "in <distribution-rules>"));
                document.uncertain = true;
                continue;
            };
            if last.is_some_and(|last| last >= rank) {
                let what = format!(
                    "<{}> is out of place: the parts are select, drop, filter, each once, in this order",
                    part.name
                );
                flaws.push(OffsetDiagnostic::new(part.at, what));
                document.uncertain = true;
                continue;
            }
            last = Some(rank);
            let found = flaws.len();
            no_attributes(part, flaws);
            match rank {
                0 => document.select = references(part, flaws),
                1 => document.drop = references(part, flaws),
                _ => document.filter = conditions(&part.children, flaws),
            }
            if rank == 0 && part.children.is_empty() {
                flaws.push(OffsetDiagnostic::new(
                    part.at,
                    "<select> is empty: name at least one column, or name=\"*\" for all of them",
                ));
            }
            document.uncertain |= rank < 2 && flaws.len() > found;
        }
        if !root.children.iter().any(|part| part.name == "select") {
            let what = "<select> is missing: begin with <select><column name=\"*\"/></select> to select every column";
            flaws.push(OffsetDiagnostic::new(root.at, what));
        }
        Some(document)
    }
}

fn references<'a>(part: &Element<'a>, flaws: &mut Vec<OffsetDiagnostic>) -> Vec<ColumnReference<'a>> {
    let mut list = Vec::new();
    for element in &part.children {
        if flaws.len() >= MAX_DIAGNOSTICS {
            break;
        }
        if element.name != "column" {
            flaws.push(unknown_element(element, &["column"], &format!("in <{}>", part.name)));
            continue;
        }
        let found = flaws.len();
        let [name, subcol] = known_attributes(element, SELECT_ATTRIBUTES, flaws);
        no_children(element, flaws);
        if let (Some(name), true) = (required(element, "name", name, flaws), flaws.len() == found) {
            list.push(ColumnReference { at: element.at, name, subcol });
        }
    }
    list
}

fn conditions<'a>(elements: &[Element<'a>], flaws: &mut Vec<OffsetDiagnostic>) -> Vec<Condition<'a>> {
    let mut list = Vec::new();
    for element in elements {
        if flaws.len() >= MAX_DIAGNOSTICS {
            break;
        }
        list.extend(match element.name {
            "column" => comparison(element, flaws),
            "all" => group(GroupKind::All, element, flaws),
            "any" => group(GroupKind::Any, element, flaws),
            "not" => group(GroupKind::Not, element, flaws),
            _ => {
                flaws.push(unknown_element(element, &CONDITION_ELEMENTS, "among conditions"));
                None
            }
        });
    }
    list
}

fn group<'a>(kind: GroupKind, element: &Element<'a>, flaws: &mut Vec<OffsetDiagnostic>) -> Option<Condition<'a>> {
    no_attributes(element, flaws);
    let wrong = match (kind, element.children.len()) {
        (_, 0) => Some("is empty: put the conditions between its two tags"),
        (GroupKind::Not, 2..) => Some("negates one condition: put several into an <any> or an <all> of their own"),
        _ => None,
    };
    flaws.extend(wrong.map(|wrong| OffsetDiagnostic::new(element.at, format!("<{}> {wrong}", element.name))));
    Some(Condition::Group { kind, at: element.at, members: conditions(&element.children, flaws) })
}

fn comparison<'a>(element: &Element<'a>, flaws: &mut Vec<OffsetDiagnostic>) -> Option<Condition<'a>> {
    let found = flaws.len();
    let [name, subcol, operator, value] = known_attributes(element, CONDITION_ATTRIBUTES, flaws);
    no_children(element, flaws);
    let name = required(element, "name", name, flaws);
    let written = required(element, "operator", operator, flaws)?;
    let operator = match Operator::read(&written.value) {
        Ok(operator) => operator,
        Err(instead) => {
            let what = format!("unknown operator {}: {instead}", quoted(&written.value));
            flaws.push(OffsetDiagnostic::new(written.value_at, what));
            return None;
        }
    };
    match (&value, operator.takes_value()) {
        (None, true) => {
            flaws.push(OffsetDiagnostic::new(
                element.at,
                format!("operator `{}` needs the attribute value", operator.spelling()),
            ));
        }
        (Some(value), false) => {
            flaws.push(OffsetDiagnostic::new(
                value.at,
                format!("operator `{}` takes no value: leave it out", operator.spelling()),
            ));
        }
        _ => {}
    }
    let reference = ColumnReference { at: element.at, name: name?, subcol };
    (flaws.len() == found).then_some(Condition::Column { reference, operator, operator_at: written.value_at, value })
}

/// The attributes in the order of `known`; any other is a flaw.
fn known_attributes<'a, const N: usize>(
    element: &Element<'a>,
    known: [&str; N],
    flaws: &mut Vec<OffsetDiagnostic>,
) -> [Option<Attribute<'a>>; N] {
    let mut found = [const { None }; N];
    for attribute in &element.attributes {
        match known.iter().position(|name| *name == attribute.name).and_then(|index| found.get_mut(index)) {
            Some(place) => *place = Some(attribute.clone()),
            None => flaws.push(unknown_attribute(attribute, &known)),
        }
    }
    found
}

fn unknown_attribute(attribute: &Attribute<'_>, known: &[&str]) -> OffsetDiagnostic {
    let instead = match similar_names(attribute.name, known.iter().copied()).first() {
        _ if CONDITION_ATTRIBUTES.contains(&attribute.name) => "conditions stand in <filter>".to_owned(),
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("here may stand {}", known.join(", ")),
    };
    OffsetDiagnostic::new(attribute.at, format!("unknown attribute {}: {instead}", quoted(attribute.name)))
}

fn unknown_element(element: &Element<'_>, known: &[&str], place: &str) -> OffsetDiagnostic {
    let instead = match similar_names(element.name, known.iter().copied()).first() {
        Some(name) => format!("did you mean <{name}>?"),
        None => format!("{place} may stand <{}>", known.join(">, <")),
    };
    OffsetDiagnostic::new(element.at, format!("unknown element {}: {instead}", quoted(element.name)))
}

/// An attribute that must be there. Where another is unknown that one is the flaw: it is probably this one, misspelt.
fn required<'a>(
    element: &Element<'a>,
    name: &str,
    attribute: Option<Attribute<'a>>,
    flaws: &mut Vec<OffsetDiagnostic>,
) -> Option<Attribute<'a>> {
    if attribute.is_none() && element.attributes.iter().all(|other| CONDITION_ATTRIBUTES.contains(&other.name)) {
        flaws.push(OffsetDiagnostic::new(element.at, format!("the attribute {name} is missing")));
    }
    attribute
}

fn no_attributes(element: &Element<'_>, flaws: &mut Vec<OffsetDiagnostic>) {
    if let Some(attribute) = element.attributes.first() {
        flaws.push(OffsetDiagnostic::new(attribute.at, format!("<{}> takes no attributes", element.name)));
    }
}

fn no_children(element: &Element<'_>, flaws: &mut Vec<OffsetDiagnostic>) {
    if let Some(child) = element.children.first() {
        flaws.push(OffsetDiagnostic::new(
            child.at,
            format!("nothing stands within a <{}>: close it with />", element.name),
        ));
    }
}
