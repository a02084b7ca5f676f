//! Schemas whose records are defined in documents of their own, as a folder of files or the references of a registry have them.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use crate::avro::{MAX_SCHEMA_DEPTH, namespace_of};

/// Deepest nesting that is looked into. A schema of half of it is refused.
const MAX_DEPTH: usize = 4 * MAX_SCHEMA_DEPTH;
/// What is not the name of a type that a document may define.
const KEYWORDS: [&str; 13] =
    ["null", "boolean", "int", "long", "float", "double", "bytes", "string", "record", "enum", "array", "map", "fixed"];

/// The definitions of documents, by full name: each with the namespace around it.
#[derive(Debug, Default)]
pub(super) struct Definitions<'a>(BTreeMap<String, (&'a Value, String)>);

impl<'a> Definitions<'a> {
    /// Adds the types that a document defines: itself and those within.
    pub fn add(&mut self, document: &'a Value) {
        self.add_within(document, "");
    }

    fn add_within(&mut self, document: &'a Value, namespace: &str) {
        match document {
            Value::Array(branches) => branches.iter().for_each(|branch| self.add_within(branch, namespace)),
            Value::Object(parts) => {
                if let Some(name) = full_name(document, namespace) {
                    self.0.entry(name).or_insert_with(|| (document, namespace.to_owned()));
                }
                let inner = inner_namespace(document, namespace);
                parts_of(parts).for_each(|part| self.add_within(part, &inner));
            }
            _ => {}
        }
    }

    /// The document with each type that another one defines put in where its name stands first.
    pub fn complete(&self, document: &Value) -> Value {
        self.complete_within(document, "", MAX_DEPTH, &mut HashSet::new())
    }

    /// `left`: how many levels may follow. What is deeper remains as it is.
    fn complete_within(&self, document: &Value, namespace: &str, left: usize, defined: &mut HashSet<String>) -> Value {
        let Some(left) = left.checked_sub(1) else { return document.clone() };
        match document {
            Value::String(word) if KEYWORDS.contains(&word.as_str()) => document.clone(),
            Value::String(name) => {
                let full = qualified(name, namespace);
                match self.0.get(&full) {
                    Some((definition, around)) if !defined.contains(&full) => {
                        let mut whole = self.complete_within(definition, around, left, defined);
                        // Its name means the same wherever it is put.
                        if let (Value::Object(parts), false) = (&mut whole, full_name_is_given(definition)) {
                            parts.insert("namespace".into(), inner_namespace(definition, around).into());
                        }
                        whole
                    }
                    Some(_) => full.into(),
                    None => document.clone(),
                }
            }
            Value::Array(branches) => {
                branches.iter().map(|branch| self.complete_within(branch, namespace, left, defined)).collect()
            }
            Value::Object(parts) => {
                let inner = inner_namespace(document, namespace);
                // Defined already, where its name stood before.
                if let Some(full) = full_name(document, namespace)
                    && !defined.insert(full.clone())
                {
                    return full.into();
                }
                let mut whole = parts.clone();
                for part in parts_of_mut(&mut whole) {
                    *part = self.complete_within(part, &inner, left, defined);
                }
                Value::Object(whole)
            }
            _ => document.clone(),
        }
    }
}

/// The full name of the type that a document defines.
pub(super) fn full_name(document: &Value, namespace: &str) -> Option<String> {
    let name = document["name"].as_str()?;
    Some(qualified(name, document["namespace"].as_str().unwrap_or(namespace)))
}

/// Collects the names that stand for types.
pub(super) fn named_in(document: &Value, namespace: &str, used: &mut HashSet<String>) {
    match document {
        Value::String(name) => drop(used.insert(qualified(name, namespace))),
        Value::Array(branches) => branches.iter().for_each(|branch| named_in(branch, namespace, used)),
        Value::Object(parts) => {
            let inner = inner_namespace(document, namespace);
            parts_of(parts).for_each(|part| named_in(part, &inner, used));
        }
        _ => {}
    }
}

type Parts = serde_json::Map<String, Value>;

/// The types within a type.
fn parts_of(parts: &Parts) -> impl Iterator<Item = &Value> {
    let fields = parts.get("fields").and_then(Value::as_array).into_iter().flatten();
    let own = ["type", "items", "values"].into_iter().filter_map(|key| parts.get(key));
    own.chain(fields.filter_map(|field| field.get("type")))
}

fn parts_of_mut(parts: &mut Parts) -> impl Iterator<Item = &mut Value> {
    parts.iter_mut().flat_map(|(key, part)| -> Vec<&mut Value> {
        match (key.as_str(), part) {
            ("type" | "items" | "values", part) => vec![part],
            ("fields", Value::Array(fields)) => fields.iter_mut().filter_map(|field| field.get_mut("type")).collect(),
            _ => Vec::new(),
        }
    })
}

fn qualified(name: &str, namespace: &str) -> String {
    match name.contains('.') || namespace.is_empty() {
        true => name.to_owned(),
        false => format!("{namespace}.{name}"),
    }
}

/// The namespace that holds within a document.
fn inner_namespace(document: &Value, namespace: &str) -> String {
    match full_name(document, namespace) {
        Some(name) => namespace_of(&name).to_owned(),
        None => namespace.to_owned(),
    }
}

/// Whether a definition's name contains its namespace.
fn full_name_is_given(definition: &Value) -> bool {
    definition["name"].as_str().is_some_and(|name| name.contains('.'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::avro::Schema;

    fn complete(document: &Value, others: &[Value]) -> Value {
        let mut definitions = Definitions::default();
        others.iter().for_each(|other| definitions.add(other));
        definitions.complete(document)
    }

    #[test]
    fn a_type_is_put_in_where_its_name_stands_first() {
        let part = json!({"type": "record", "name": "part", "namespace": "y", "fields": [
            {"name": "kind", "type": {"type": "enum", "name": "kind", "symbols": ["A"]}}, {"name": "ra", "type": "double"}]});
        let alert = json!({"type": "record", "name": "x.alert", "fields": [
            {"name": "kind", "type": "y.kind"}, {"name": "one", "type": ["null", "y.part"]},
            {"name": "all", "type": {"type": "array", "items": "y.part"}}, {"name": "id", "type": "long"}]});
        let whole = complete(&alert, &[part]);
        let schema = Schema::from_json(&whole).expect("a schema");
        assert_eq!(whole["fields"][0]["type"]["name"], "kind");
        // The enum is defined before the record that it is a part of.
        assert_eq!(whole["fields"][1]["type"][1]["fields"][0]["type"], "y.kind");
        assert_eq!(whole["fields"][2]["type"]["items"], "y.part");
        assert_eq!(Schema::parse(&schema.to_string()).expect("a schema"), schema);
    }

    #[test]
    fn types_without_a_namespace_and_types_that_contain_each_other_are_put_in() {
        let one = json!({"type": "record", "name": "one", "fields": [{"name": "other", "type": ["null", "n.other"]}]});
        let other = json!({"type": "record", "name": "other", "namespace": "n", "fields": [
            {"name": "ones", "type": {"type": "map", "values": "one"}}, {"name": "again", "type": ["null", "other"]}]});
        let alert = json!({"type": "record", "name": "alert", "fields": [{"name": "a", "type": "one"}]});
        // Within the namespace `n`, `one` is `n.one`, which nothing defines.
        let whole = complete(&alert, &[one.clone(), other.clone()]);
        assert_eq!(whole["fields"][0]["type"]["fields"][0]["type"][1]["fields"][0]["type"]["values"], "one");
        let plain = json!({"type": "record", "name": "n.alert", "fields": [{"name": "a", "type": "other"}]});
        let one = json!({"type": "record", "name": "n.one", "fields": [{"name": "other", "type": ["null", "other"]}]});
        let schema = Schema::from_json(&complete(&plain, &[one, other])).expect("a schema");
        assert!(schema.to_string().matches("\"ones\"").count() == 1, "{schema}");
    }
}
