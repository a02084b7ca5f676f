//! Chooses the columns of the row key.

use crate::avro::{Kind, NodeId, Schema};
use crate::catalog::Catalog;

/// Row keys to try if none is given: ZTF's, Rubin's.
const KNOWN_ROW_KEYS: [[&str; 2]; 2] = [["objectId", "candid"], ["diaObjectId", "diaSourceId"]];
/// Records of Rubin's alerts in which an identifier is looked up first.
const PREFERRED_RECORDS: [&str; 2] = ["diaSource", "diaObject"];

/// Maximum number of candidates in a message.
const MAX_CANDIDATES: usize = 8;

/// The column of a scalar field.
struct ScalarColumn {
    name: String,
    /// whether it may identify something: an integer or a string
    is_identifier: bool,
    /// number of records around it
    depth: usize,
}

/// The columns of a schema's scalar fields, including those within records.
fn scalars(schema: &Schema) -> Vec<ScalarColumn> {
    fn walk(schema: &Schema, id: NodeId, path: &str, open: &mut Vec<NodeId>, found: &mut Vec<ScalarColumn>) {
        let id = schema.optional(id).map_or(id, |choice| choice.node);
        match schema.kind(id) {
            Kind::Record { fields, .. } if !open.contains(&id) => {
                open.push(id);
                for field in fields.iter().filter(|field| !field.is_superseded) {
                    let name = if path.is_empty() { field.name.clone() } else { format!("{path}_{}", field.name) };
                    walk(schema, field.node, &name, open, found);
                }
                open.pop();
            }
            Kind::Record { .. } | Kind::Array(_) | Kind::Map(_) | Kind::Union(_) | Kind::Null => {}
            kind => found.push(ScalarColumn {
                name: path.to_owned(),
                is_identifier: matches!(kind, Kind::Int | Kind::Long | Kind::String),
                depth: open.len(),
            }),
        }
    }
    let mut found = Vec::new();
    walk(schema, schema.root(), "", &mut Vec::new(), &mut found);
    found
}

/// The one column that `name` denotes: as it is written, else without regard to case.
fn column<'a>(columns: &'a [ScalarColumn], name: &str) -> Result<&'a str, String> {
    let wanted = name.replace('.', "_");
    let unknown = || format!("the alerts have no scalar field `{name}`{}", candidates(columns));
    let exact = column_by(columns, &wanted, |one, other| one == other);
    exact.or_else(|| column_by(columns, &wanted, str::eq_ignore_ascii_case)).unwrap_or_else(|| Err(unknown()))
}

/// The column that is, or ends with, `wanted`; `None` if there is none.
fn column_by<'a>(
    columns: &'a [ScalarColumn],
    wanted: &str,
    same: impl Fn(&str, &str) -> bool,
) -> Option<Result<&'a str, String>> {
    let is = |whole: &str| columns.iter().map(|column| column.name.as_str()).find(|name| same(name, whole));
    let preferred = || PREFERRED_RECORDS.iter().find_map(|record| is(&format!("{record}_{wanted}")));
    if let Some(column) = is(wanted).or_else(preferred) {
        return Some(Ok(column));
    }
    let end = format!("_{wanted}");
    let ends = |name: &&str| {
        let start = name.len().checked_sub(end.len());
        start.and_then(|start| name.get(start..)).is_some_and(|found| same(found, &end))
    };
    let nested: Vec<&str> = columns.iter().map(|column| column.name.as_str()).filter(ends).collect();
    match nested.as_slice() {
        [] => None,
        [only] => Some(Ok(only)),
        several => Some(Err(format!("`{wanted}` is ambiguous: write `{}`", several.join("` or `")))),
    }
}

/// The end of a message that names the columns that may be those of a row key: those whose names end with `id`, else any integer or string.
fn candidates(columns: &[ScalarColumn]) -> String {
    let is_id = |column: &&ScalarColumn| column.name.to_ascii_lowercase().ends_with("id");
    let identifiers = || columns.iter().filter(|column| column.is_identifier);
    let mut found: Vec<&ScalarColumn> = identifiers().filter(is_id).collect();
    if found.is_empty() {
        found = identifiers().collect();
    }
    found.sort_by_key(|column| column.depth);
    found.truncate(MAX_CANDIDATES);
    let names: Vec<&str> = found.iter().map(|column| column.name.as_str()).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!("; candidates are `{}`", names.join("`, `")),
    }
}

/// The columns of the row key of a new table: the given ones, else those of ZTF's or Rubin's alerts, without regard to case.
pub(super) fn choose(schema: &Schema, asked: Option<&[String]>) -> Result<Vec<String>, String> {
    let columns = scalars(schema);
    let all = |names: &[&str]| names.iter().map(|name| column(&columns, name).map(str::to_owned)).collect();
    match asked {
        Some(names) => all(&names.iter().map(String::as_str).collect::<Vec<_>>()),
        None => KNOWN_ROW_KEYS.iter().map(|names| all(names)).find(Result::is_ok).unwrap_or_else(|| {
            let names = candidates(&columns);
            Err(format!("the alerts are neither ZTF's nor Rubin's: give the columns of the row key{names}"))
        }),
    }
}

/// The row keys of Rubin's alerts of solar-system objects, which have no diaObject: the ssObjectId replaces the diaObjectId.
#[derive(Clone, Copy, Debug)]
pub(super) struct SsObjectKey {
    /// index of the column `ssObjectId`
    column: usize,
}

impl SsObjectKey {
    /// For a catalog whose row key begins with a diaObjectId.
    pub(super) fn of(catalog: &Catalog) -> Option<Self> {
        let [first, _, ..] = catalog.row_key.as_slice() else { return None };
        first.ends_with("diaObjectId").then_some(())?;
        let names = ["diaSource_ssObjectId", "ssSource_ssObjectId", "ssObject_ssObjectId"];
        names.iter().find_map(|name| catalog.index_of(name)).map(|column| Self { column })
    }

    /// The key to use instead of `key` if its first part is missing or 0 and the alert has an ssObject. Keys remain unique: their last part
    /// identifies the detection.
    pub(super) fn replace<'a>(self, key: &[u8], mut cells: impl Iterator<Item = (usize, &'a [u8])>) -> Option<Vec<u8>> {
        let end = key.iter().position(|byte| *byte == b'_')?;
        let (object, rest) = key.split_at(end);
        if !matches!(object, b"" | b"0") {
            return None;
        }
        let (_, number) = cells.find(|(column, _)| *column == self.column)?;
        let number = i64::from_be_bytes(number.try_into().ok()?);
        (number != 0).then(|| [number.to_string().as_bytes(), rest].concat())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rubin() -> Schema {
        Schema::parse(include_str!("../../conf/schemas/lsst.avsc")).unwrap()
    }

    #[test]
    fn known_alerts_have_a_row_key() {
        let ztf = Schema::parse(include_str!("../../conf/schemas/ztf.avsc")).unwrap();
        assert_eq!(choose(&ztf, None), Ok(vec!["objectId".into(), "candid".into()]));
        assert_eq!(choose(&rubin(), None), Ok(vec!["diaSource_diaObjectId".into(), "diaSourceId".into()]));
    }

    #[test]
    fn names_may_be_short_dotted_or_whole() {
        let asked = |name: &str| choose(&rubin(), Some(&[name.to_owned()]));
        for name in ["diaSource.visit", "diaSource_visit", "visit"] {
            assert_eq!(asked(name), Ok(vec!["diaSource_visit".into()]));
        }
        assert_eq!(asked("earth_moid"), Ok(vec!["mpc_orbits_earth_moid".into()]));
        assert!(asked("nothing").unwrap_err().contains("no scalar field `nothing`"));
        assert!(asked("designation").unwrap_err().contains("`ssSource_designation` or `mpc_orbits_designation`"));
        assert!(asked("prvDiaSources").is_err());
    }

    #[test]
    fn other_alerts_need_a_given_row_key() {
        let other = r#"{"type": "record", "name": "a", "fields": [{"name": "ra", "type": "double"},
            {"name": "s", "type": {"type": "record", "name": "s", "fields": [{"name": "source_id", "type": "string"}]}},
            {"name": "id", "type": "long"}]}"#;
        let other = Schema::parse(other).unwrap();
        let error = choose(&other, None).unwrap_err();
        assert!(error.contains("neither ZTF's nor Rubin's"), "{error}");
        assert!(error.ends_with("candidates are `id`, `s_source_id`"), "{error}");
        assert_eq!(choose(&other, Some(&["id".to_owned()])), Ok(vec!["id".into()]));
        let error = choose(&other, Some(&["oid".to_owned()])).unwrap_err();
        assert_eq!(error, "the alerts have no scalar field `oid`; candidates are `id`, `s_source_id`");
    }

    #[test]
    fn case_does_not_matter_unless_it_distinguishes() {
        let of = |names: &[&str]| {
            let fields: Vec<_> = names.iter().map(|name| json!({"name": name, "type": "long"})).collect();
            Schema::from_json(&json!({"type": "record", "name": "a", "fields": fields})).unwrap()
        };
        assert_eq!(choose(&of(&["objectid", "candid"]), None), Ok(vec!["objectid".into(), "candid".into()]));
        let both = of(&["ID", "id"]);
        assert_eq!(choose(&both, Some(&["id".to_owned()])), Ok(vec!["id".into()]));
        assert_eq!(choose(&both, Some(&["ID".to_owned()])), Ok(vec!["ID".into()]));
    }

    #[test]
    fn ss_object_id_replaces_missing_dia_object_id() {
        let ss_object_key = SsObjectKey { column: 7 };
        let cell = 42i64.to_be_bytes();
        let replaced = |key: &[u8], column| ss_object_key.replace(key, [(column, cell.as_slice())].into_iter());
        assert_eq!(replaced(b"_9", 7), Some(b"42_9".to_vec()));
        assert_eq!(replaced(b"0_9", 7), Some(b"42_9".to_vec()));
        assert_eq!(replaced(b"5_9", 7), None);
        assert_eq!(replaced(b"_9", 6), None);
        assert_eq!(ss_object_key.replace(b"_9", [(7, [0; 8].as_slice())].into_iter()), None);
    }
}
