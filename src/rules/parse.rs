//! From XML to a syntax tree: checks elements and attributes. Column names are checked later, in `check`.

use super::diagnostic::{Report, quoted};
use super::operator::Operator;
use super::xml::{Attribute, Element};
use crate::suggest::similar_names;

/// The rules of a file as written.
#[derive(Debug, Default)]
pub(super) struct RulesDocument<'a> {
    pub(super) select: Vec<ColumnReference<'a>>,
    pub(super) drop: Vec<ColumnReference<'a>>,
    pub(super) filter: Vec<Condition<'a>>,
    /// part of `select` or `drop` is invalid, so the remaining columns are unknown
    pub(super) incomplete: bool,
}

/// The attributes `name` and `subcol` of an element.
#[derive(Debug)]
pub(super) struct ColumnReference<'a> {
    /// offset of the element
    pub(super) at: usize,
    pub(super) name: Attribute<'a>,
    pub(super) subcol: Option<Attribute<'a>>,
}

/// An element in `filter`.
#[derive(Debug)]
pub(super) enum Condition<'a> {
    Column { reference: ColumnReference<'a>, operator: Operator, operator_at: usize, value: Option<Attribute<'a>> },
    Group { kind: GroupKind, at: usize, members: Vec<Condition<'a>> },
}

/// How a group joins its conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupKind {
    All,
    Any,
    Not,
}

const SECTIONS: [&str; 3] = ["select", "drop", "filter"];
const CONDITION_ELEMENTS: [&str; 4] = ["column", "any", "all", "not"];
const SELECT_ATTRIBUTES: [&str; 2] = ["name", "subcol"];
const CONDITION_ATTRIBUTES: [&str; 4] = ["name", "subcol", "operator", "value"];

impl<'a> RulesDocument<'a> {
    /// Reads the root element; `None` if it is empty, which selects everything. If `report` grows, the result is good only for finding
    /// further errors.
    pub(super) fn read(root: &Element<'a>, report: &mut Report) -> Option<Self> {
        if root.name != "distribution-rules" {
            report.add(root.at, format!("the root element is {}, expected <distribution-rules>", quoted(root.name)));
            return Some(Self { incomplete: true, ..Self::default() });
        }
        no_attributes(root, report);
        if root.children.is_empty() {
            return None;
        }
        let mut document = Self::default();
        let mut last = None;
        for section in &root.children {
            if report.is_full() {
                break;
            }
            let Some(rank) = SECTIONS.iter().position(|name| *name == section.name) else {
                unknown_element(section, &SECTIONS, report);
                document.incomplete = true;
                continue;
            };
            if last.is_some_and(|last| last >= rank) {
                let expected = "<select>, <drop> and <filter> may each appear once, in this order";
                report.add(section.at, format!("<{}> is out of order: {expected}", section.name));
                document.incomplete = true;
                continue;
            }
            last = Some(rank);
            let errors_before = report.len();
            no_attributes(section, report);
            match rank {
                0 => document.select = references(section, report),
                1 => document.drop = references(section, report),
                _ => document.filter = conditions(&section.children, report),
            }
            if rank == 0 && section.children.is_empty() {
                report.add(section.at, "<select> is empty: name at least one column, or name=\"*\" for every column");
            }
            document.incomplete |= rank < 2 && report.len() > errors_before;
        }
        if !root.children.iter().any(|section| section.name == "select") {
            let example = "<select><column name=\"*\"/></select>";
            report.add(root.at, format!("<select> is missing: add {example} to select every column"));
        }
        Some(document)
    }
}

fn references<'a>(section: &Element<'a>, report: &mut Report) -> Vec<ColumnReference<'a>> {
    let mut list = Vec::new();
    for element in &section.children {
        if report.is_full() {
            break;
        }
        if element.name != "column" {
            unknown_element(element, &["column"], report);
            continue;
        }
        let errors_before = report.len();
        let [name, subcol] = known_attributes(element, SELECT_ATTRIBUTES, report);
        no_children(element, report);
        if let (Some(name), true) = (required(element, "name", name, report), report.len() == errors_before) {
            list.push(ColumnReference { at: element.at, name, subcol });
        }
    }
    list
}

fn conditions<'a>(elements: &[Element<'a>], report: &mut Report) -> Vec<Condition<'a>> {
    let mut list = Vec::new();
    for element in elements {
        if report.is_full() {
            break;
        }
        list.extend(match element.name {
            "column" => comparison(element, report),
            "all" => group(GroupKind::All, element, report),
            "any" => group(GroupKind::Any, element, report),
            "not" => group(GroupKind::Not, element, report),
            _ => {
                unknown_element(element, &CONDITION_ELEMENTS, report);
                None
            }
        });
    }
    list
}

fn group<'a>(kind: GroupKind, element: &Element<'a>, report: &mut Report) -> Option<Condition<'a>> {
    no_attributes(element, report);
    match (kind, element.children.len()) {
        (_, 0) => report.add(element.at, format!("<{}> is empty: add a condition", element.name)),
        (GroupKind::Not, 2..) => {
            report.add(element.at, "<not> takes one condition: put several into an <any> or an <all>");
        }
        _ => {}
    }
    Some(Condition::Group { kind, at: element.at, members: conditions(&element.children, report) })
}

fn comparison<'a>(element: &Element<'a>, report: &mut Report) -> Option<Condition<'a>> {
    let errors_before = report.len();
    let [name, subcol, operator, value] = known_attributes(element, CONDITION_ATTRIBUTES, report);
    no_children(element, report);
    let name = required(element, "name", name, report);
    let written = required(element, "operator", operator, report)?;
    let operator = match Operator::parse(&written.value) {
        Ok(operator) => operator,
        Err(instead) => {
            report.add(written.value_at, format!("unknown operator {}: {instead}", quoted(&written.value)));
            return None;
        }
    };
    match (&value, operator.takes_value()) {
        (None, true) => {
            report.add(element.at, format!("operator `{}` requires the attribute `value`", operator.spelling()));
        }
        (Some(value), false) => {
            report.add(value.at, format!("operator `{}` takes no value: remove it", operator.spelling()));
        }
        _ => {}
    }
    let reference = ColumnReference { at: element.at, name: name?, subcol };
    (report.len() == errors_before).then_some(Condition::Column {
        reference,
        operator,
        operator_at: written.value_at,
        value,
    })
}

/// The attributes in the order of `known`. Every other attribute is an error.
fn known_attributes<'a, const N: usize>(
    element: &Element<'a>,
    known: [&str; N],
    report: &mut Report,
) -> [Option<Attribute<'a>>; N] {
    let mut found = [const { None }; N];
    for attribute in &element.attributes {
        match known.iter().position(|name| *name == attribute.name).and_then(|index| found.get_mut(index)) {
            Some(entry) => *entry = Some(attribute.clone()),
            None => unknown_attribute(attribute, &known, report),
        }
    }
    found
}

fn unknown_attribute(attribute: &Attribute<'_>, known: &[&str], report: &mut Report) {
    let instead = match similar_names(attribute.name, known.iter().copied()).first() {
        _ if CONDITION_ATTRIBUTES.contains(&attribute.name) => "conditions belong in <filter>".to_owned(),
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("expected one of `{}`", known.join("`, `")),
    };
    report.add(attribute.at, format!("unknown attribute {}: {instead}", quoted(attribute.name)));
}

fn unknown_element(element: &Element<'_>, known: &[&str], report: &mut Report) {
    let instead = match similar_names(element.name, known.iter().copied()).first() {
        Some(name) => format!("did you mean <{name}>?"),
        None => format!("expected <{}>", known.join(">, <")),
    };
    report.add(element.at, format!("unknown element {}: {instead}", quoted(element.name)));
}

/// An attribute that must be present. If the element has an unknown attribute, only that one is reported: it is probably this one,
/// misspelt.
fn required<'a>(
    element: &Element<'a>,
    name: &str,
    attribute: Option<Attribute<'a>>,
    report: &mut Report,
) -> Option<Attribute<'a>> {
    if attribute.is_none() && element.attributes.iter().all(|other| CONDITION_ATTRIBUTES.contains(&other.name)) {
        report.add(element.at, format!("the attribute `{name}` is missing"));
    }
    attribute
}

fn no_attributes(element: &Element<'_>, report: &mut Report) {
    if let Some(attribute) = element.attributes.first() {
        report.add(attribute.at, format!("<{}> takes no attributes", element.name));
    }
}

fn no_children(element: &Element<'_>, report: &mut Report) {
    if let Some(child) = element.children.first() {
        report.add(child.at, format!("<{}> takes no child elements: close it with />", element.name));
    }
}

impl ColumnReference<'_> {
    /// The name for a message.
    pub(super) fn quoted(&self) -> String {
        match &self.subcol {
            None => quoted(&self.name.value),
            Some(subcol) => quoted(&format!("{}.{}", self.name.value, subcol.value)),
        }
    }
}

impl Condition<'_> {
    /// The offset of its element.
    pub(super) fn at(&self) -> usize {
        match self {
            Self::Column { reference, .. } => reference.at,
            Self::Group { at, .. } => *at,
        }
    }
}
