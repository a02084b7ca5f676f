//! The names by which users call an alert's fields.
//!
//! A name is a dotted path (`candidate.magpsf`), the path with `_` (`candidate_magpsf`), or its last part (`magpsf`). As for filters, a field
//! at the top goes before nested ones, and a last part that several nested fields have is ambiguous.

use crate::avro::{Kind, NodeId, Schema};

/// Suggestions of an error, at most.
const MAX_SUGGESTIONS: usize = 3;
/// Longest name that is compared with others: the comparison takes the product of the lengths.
const MAX_COMPARED_BYTES: usize = 200;

/// Why a name is no field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// no such field
    #[error("the alerts have no field `{name}`{}", list(" (nearest: ", nearest))]
    Unknown {
        /// as written
        name: String,
        /// the nearest fields, best first
        nearest: Vec<String>,
    },
    /// several
    #[error("`{name}` could be any of{}", list(" (", candidates))]
    Ambiguous {
        /// as written
        name: String,
        /// the fields that it may mean
        candidates: Vec<String>,
    },
}

fn list(before: &str, names: &[String]) -> String {
    match names.is_empty() {
        true => String::new(),
        false => format!("{before}`{}`)", names.join("`, `")),
    }
}

/// The fields of a schema that have names: those of records within records, not those within arrays or maps.
#[derive(Clone, Debug)]
pub struct FieldNames(Vec<(String, NodeId)>);

impl FieldNames {
    /// Lists the fields.
    pub fn of(schema: &Schema) -> Self {
        let mut names = Vec::new();
        collect(schema, schema.root(), "", &mut Vec::new(), &mut names);
        Self(names)
    }

    /// The dotted path and the node of the field that `name` means.
    ///
    /// # Errors
    /// There is none, or several.
    pub fn resolve(&self, name: &str) -> Result<(&str, NodeId), FieldError> {
        let whole = self.0.iter().find(|(path, _)| path == name);
        let flat = || self.0.iter().find(|(path, _)| path.contains('.') && path.replace('.', "_") == name);
        if let Some((path, node)) = whole.or_else(flat) {
            return Ok((path, *node));
        }
        let of_last_part: Vec<&(String, NodeId)> =
            self.0.iter().filter(|(path, _)| path.rsplit('.').next() == Some(name)).collect();
        match of_last_part.as_slice() {
            [(path, node)] => Ok((path, *node)),
            [] => Err(FieldError::Unknown { name: name.to_owned(), nearest: self.nearest(name) }),
            several => {
                let candidates = several.iter().map(|(path, _)| path.clone()).collect();
                Err(FieldError::Ambiguous { name: name.to_owned(), candidates })
            }
        }
    }

    fn nearest(&self, name: &str) -> Vec<String> {
        if name.len() > MAX_COMPARED_BYTES {
            return Vec::new();
        }
        let wanted = name.to_lowercase();
        let last = wanted.rsplit('.').next().unwrap_or(&wanted);
        let score = |path: &String| {
            let path = path.to_lowercase();
            let end = path.rsplit('.').next().unwrap_or(&path);
            strsim::jaro_winkler(end, last).max(strsim::jaro_winkler(&path, &wanted))
        };
        let mut scored: Vec<(f64, &String)> = self.0.iter().map(|(path, _)| (score(path), path)).collect();
        scored.retain(|(score, path)| *score > 0.8 && path.len() <= MAX_COMPARED_BYTES);
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        scored.into_iter().take(MAX_SUGGESTIONS).map(|(_, path)| path.clone()).collect()
    }
}

fn collect(schema: &Schema, id: NodeId, path: &str, open: &mut Vec<NodeId>, names: &mut Vec<(String, NodeId)>) {
    let record = schema.optional(id).map_or(id, |optional| optional.node);
    let Kind::Record { fields, .. } = schema.kind(record) else { return };
    // A record within itself has names without end.
    if open.contains(&record) {
        return;
    }
    open.push(record);
    for field in fields {
        let path = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
        names.push((path.clone(), field.node));
        collect(schema, field.node, &path, open, names);
    }
    open.pop();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ztf() -> FieldNames {
        FieldNames::of(&Schema::parse(include_str!("../../conf/schemas/ztf.avsc")).expect("a schema"))
    }

    #[test]
    fn a_field_has_three_names_and_the_top_goes_first() {
        let names = ztf();
        for name in ["candidate.magpsf", "candidate_magpsf", "magpsf"] {
            assert_eq!(names.resolve(name).expect("a field").0, "candidate.magpsf");
        }
        // There is a candidate.candid too.
        assert_eq!(names.resolve("candid").expect("a field").0, "candid");
    }

    #[test]
    fn an_unknown_or_ambiguous_name_says_what_is_near() {
        let names = ztf();
        let error = names.resolve("magpfs").unwrap_err().to_string();
        assert!(error.starts_with("the alerts have no field `magpfs` (nearest: `candidate.magpsf`"), "{error}");
        let error = names.resolve("stampData").unwrap_err().to_string();
        assert!(error.contains("`cutoutScience.stampData`, `cutoutTemplate.stampData`"), "{error}");
    }
}
