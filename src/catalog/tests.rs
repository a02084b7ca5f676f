use serde_json::{Value, json};

use super::{Catalog, Column, ColumnLocation, ColumnType, NestedRecord};

fn error_text(json: &Value) -> String {
    Catalog::parse(&serde_json::to_string_pretty(json).unwrap()).unwrap_err()
}

fn of_2019() -> Value {
    json!({
        "table": {"namespace": "default", "name": "test_catalog"},
        "rowkey": "objectId",
        "columns": {
            "objectId": {"cf": "rowkey", "col": "objectId", "type": "string"},
            "candid": {"cf": "i", "col": "candid", "type": "long"},
            "candidate_ra": {"cf": "i", "col": "candidate_ra", "type": "double"},
            "candidate_fid": {"cf": "i", "col": "candidate_fid", "type": "integer"},
            "cutoutScience_stampData": {"cf": "b", "col": "stamp", "type": "binary"},
            "status": {"cf": "i", "col": "status", "type": "string"}
        }
    })
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut json = of_2019();
    change(&mut json);
    json
}

#[test]
fn object_and_string_that_holds_it_are_the_same_catalog() {
    let object = of_2019().to_string();
    let string = Value::String(object.clone()).to_string();
    let catalog = Catalog::parse(&object).unwrap();
    assert_eq!(catalog, Catalog::parse(&string).unwrap());
    assert_eq!(catalog.full_name(), "default:test_catalog");
    assert_eq!(catalog.families(), ["i", "b"]);
    assert_eq!(catalog.column("candidate_fid").unwrap().kind, ColumnType::Int);
    assert_eq!(catalog.column("candidate_ra").unwrap().field, "candidate.ra");
    assert_eq!(catalog.column("objectId").unwrap().location, ColumnLocation::RowKey { part: 0 });
    let location = ColumnLocation::Cell { family: "b".into(), qualifier: "stamp".into() };
    assert_eq!(catalog.column("cutoutScience_stampData").unwrap().location, location);
    assert_eq!(catalog.records.iter().map(|r| r.path.as_str()).collect::<Vec<_>>(), ["candidate", "cutoutScience"]);
    assert_eq!(Catalog::parse(&catalog.to_json().to_string()).unwrap(), catalog);
}

#[test]
fn namespace_may_be_missing() {
    let catalog = Catalog::parse(&with(|json| json["table"] = json!({"name": "t"})).to_string()).unwrap();
    assert_eq!(catalog.full_name(), "default:t");
}

#[test]
fn errors_name_column_and_line() {
    let wrong = error_text(&with(|json| json["columns"]["candidate_ra"]["type"] = "dubble".into()));
    assert!(wrong.contains("`candidate_ra`") && wrong.contains("dubble") && wrong.contains("line 2"), "{wrong}");
    let missing = error_text(&with(|json| drop(json["columns"]["candid"].as_object_mut().unwrap().remove("cf"))));
    assert!(missing.contains("`candid`") && missing.contains("cf") && missing.contains("line"), "{missing}");
    let key = error_text(&with(|json| json["rowkey"] = "objectID".into()));
    assert!(key.contains("`objectID`"), "{key}");
    let stray = error_text(&with(|json| json["rowkey"] = "candid".into()));
    assert!(stray.contains("`objectId`") && stray.contains("rowkey"), "{stray}");
    let same = error_text(&with(|json| json["columns"]["other"] = json["columns"]["candid"].clone()));
    assert!(same.contains("`candid` and `other`"), "{same}");
    let twice = of_2019().to_string().replace("\"candid\":{", "\"candidate_ra\":{");
    assert!(Catalog::parse(&twice).unwrap_err().contains("`candidate_ra` is a duplicate"));
    let broken = of_2019().to_string().replace("},\"candidate_fid\"", "}\"candidate_fid\"");
    assert!(Catalog::parse(&broken).unwrap_err().contains("column"));
    let file = Catalog::load(std::path::Path::new("no/such/catalog.json")).unwrap_err().to_string();
    assert!(file.starts_with("catalog no/such/catalog.json: "), "{file}");
}

#[test]
fn avro_columns_name_their_schema() {
    let list = json!({"type": "array", "items": "double"});
    let column = |avro: Value| json!({"cf": "i", "col": "h", "type": "avro", "avro": avro});
    let named = with(|json| {
        json["schemas"] = json!({ "history": list });
        json["columns"]["h"] = column("history".into());
    });
    let inline = with(|json| json["columns"]["h"] = column(list.clone()));
    let (named, inline) = (Catalog::parse(&named.to_string()).unwrap(), Catalog::parse(&inline.to_string()).unwrap());
    assert_eq!(named, inline);
    assert!(matches!(named.column("h").unwrap().kind, ColumnType::Avro(_)));
    let unknown = error_text(&with(|json| json["columns"]["h"] = column("hystory".into())));
    assert!(unknown.contains("`h`") && unknown.contains("`hystory`"), "{unknown}");
    let none = error_text(&with(|json| json["columns"]["h"] = json!({"cf": "i", "col": "h", "type": "avro"})));
    assert!(none.contains("`h`"), "{none}");
}

#[test]
fn records_decide_the_fields() {
    let json = with(|json| {
        json["records"] = json!({"candidate": {"nullable": true}});
        json["columns"]["candidate"] = json!({"cf": "i", "col": "candidate", "type": "boolean"});
        json["columns"]["candidate_count"] = json!({"cf": "i", "col": "n", "type": "int", "field": "candidate_count"});
    });
    let catalog = Catalog::parse(&json.to_string()).unwrap();
    assert_eq!(catalog.column("candidate_count").unwrap().field, "candidate_count");
    assert_eq!(catalog.column("cutoutScience_stampData").unwrap().field, "cutoutScience_stampData");
    assert_eq!(catalog.column("candidate").unwrap().field, "candidate");
    assert_eq!(Catalog::parse(&catalog.to_json().to_string()).unwrap().columns, {
        let mut columns = catalog.columns.clone();
        columns.iter_mut().filter(|c| c.name == "candidate_count").for_each(|c| {
            c.location = ColumnLocation::Cell { family: "i".into(), qualifier: "n".into() };
        });
        columns
    });
    let marker = error_text(&with(|json| {
        json["records"] = json!({"candid": {}});
    }));
    assert!(marker.contains("`candid`") && marker.contains("boolean"), "{marker}");
    let parent = error_text(&with(|json| json["records"] = json!({"a.b": {}})));
    assert!(parent.contains("`a.b`"), "{parent}");
}

#[test]
fn key_parts_may_have_cells_of_their_own() {
    let json = with(|json| json["rowkey"] = "objectId:candid".into());
    let catalog = Catalog::parse(&json.to_string()).unwrap();
    assert_eq!(catalog.row_key, ["objectId", "candid"]);
    assert!(matches!(catalog.column("candid").unwrap().location, ColumnLocation::Cell { .. }));
    assert_eq!(catalog.trigger_column(None).unwrap().name, "candid");
    let binary = error_text(&with(|json| {
        json["rowkey"] = "objectId:candid".into();
        json["columns"]["candid"] = json!({"cf": "rowkey", "col": "candid", "type": "binary"});
    }));
    assert!(binary.contains("`candid`"), "{binary}");
}

fn catalog(names: &[(&str, ColumnType)]) -> Catalog {
    let columns = names.iter().map(|(name, kind)| Column::cell("i", name, kind.clone())).collect();
    Catalog::new("default", "t", &[names[0].0], columns, Vec::new())
}

#[test]
fn trigger_is_found_or_explained() {
    let ztf = Catalog::parse(&of_2019().to_string()).unwrap();
    assert_eq!(ztf.trigger_column(None).unwrap().name, "candid");
    assert!(ztf.trigger_column(Some("objectId")).unwrap_err().to_string().contains("row key"));
    assert!(ztf.trigger_column(Some("candidat_ra")).unwrap_err().to_string().contains("`candidate_ra`"));
    let rubin = catalog(&[
        ("prvDiaSources_diaSourceId", ColumnType::String),
        ("other_diaSourceId", ColumnType::Long),
        ("diaSource_diaSourceId", ColumnType::Long),
    ]);
    assert_eq!(rubin.trigger_column(None).unwrap().name, "diaSource_diaSourceId");
    let plain = catalog(&[("k", ColumnType::Int), ("v", ColumnType::Int)]);
    assert_eq!(plain.trigger_column(None).unwrap().name, "v");
}

#[test]
fn object_id_is_found_or_is_the_key() {
    let ztf = Catalog::parse(&of_2019().to_string()).unwrap();
    assert_eq!(ztf.object_id_column(None).unwrap().unwrap().name, "objectId");
    let rubin = catalog(&[
        ("diaSource_diaObjectId", ColumnType::Long),
        ("diaObject_diaObjectId", ColumnType::Long),
        ("diaSource_ra", ColumnType::Double),
    ]);
    assert_eq!(rubin.object_id_column(None).unwrap().unwrap().name, "diaObject_diaObjectId");
    assert_eq!(rubin.unknown("ra"), "there is no column `ra`: did you mean `diaSource_ra`?");
    let plain = catalog(&[("k", ColumnType::Int), ("v", ColumnType::Int)]);
    assert_eq!(plain.object_id_column(None).unwrap(), None);
    assert!(plain.object_id_column(Some("x")).is_err());
    assert!(ztf.status_column().is_some() && plain.status_column().is_none());
}

#[test]
fn catalogs_of_two_versions_merge_unless_they_conflict() {
    let mut first = catalog(&[("k", ColumnType::Int), ("v", ColumnType::Int)]);
    let mut second = catalog(&[("k", ColumnType::Int), ("w", ColumnType::Float)]);
    second.records = vec![NestedRecord { path: "r".into(), nullable: true }];
    first.merge(&second).unwrap();
    assert_eq!(first.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["k", "v", "w"]);
    assert_eq!(first.records, second.records);
    let before = first.clone();
    for kind in [ColumnType::String, ColumnType::Float] {
        let error = first.merge(&catalog(&[("k", ColumnType::Int), ("v", kind)])).unwrap_err();
        assert!(error.contains("`v` is int in the catalog but "), "{error}");
        assert_eq!(first, before);
    }
    // Wider, and then narrower again: neither loses the other's cells.
    let widened =
        |catalog: &Catalog| (catalog.column("v").unwrap().kind.clone(), catalog.column("v").unwrap().narrower.clone());
    for kind in [ColumnType::Long, ColumnType::Short, ColumnType::Int] {
        first.merge(&catalog(&[("k", ColumnType::Int), ("v", kind)])).unwrap();
    }
    assert_eq!(widened(&first), (ColumnType::Long, vec![ColumnType::Int, ColumnType::Short]));
    assert_eq!(Catalog::parse(&first.to_json().to_string()).unwrap(), first);
    // The double has the size of the long.
    assert!(first.merge(&catalog(&[("k", ColumnType::Int), ("v", ColumnType::Double)])).is_err());
}

#[test]
fn catalog_beyond_its_limits_is_rejected() {
    let of = |columns: &str, more: &str| {
        let text = format!(
            r#"{{"table": {{"name": "t"}}, "rowkey": "k", "columns": {{
            "k": {{"cf": "rowkey", "col": "k", "type": "string"}}{columns}}}{more}}}"#
        );
        Catalog::parse(&text)
    };
    let many = |count: usize, kind: &str| -> String {
        (0..count).map(|at| format!(r#","c{at}": {{"cf": "i", "col": "c{at}", {kind}}}"#)).collect()
    };
    assert_eq!(of(&many(super::MAX_COLUMNS - 1, r#""type": "int""#), "").unwrap().columns.len(), super::MAX_COLUMNS);
    let error = of(&many(super::MAX_COLUMNS, r#""type": "int""#), "").unwrap_err();
    assert!(error.contains("more than 10000 columns"), "{error}");
    let fields: Vec<String> = (0..1000).map(|at| format!(r#"{{"name": "x{at}", "type": "int"}}"#)).collect();
    let schemas =
        format!(r#", "schemas": {{"s": {{"type": "record", "name": "s", "fields": [{}]}}}}"#, fields.join(","));
    let error = of(&many(500, r#""type": "avro", "avro": "s""#), &schemas).unwrap_err();
    assert!(error.contains("column `c199`") && error.contains("more than 200000 nodes"), "{error}");
    let error = of(&format!(r#","{}": {{"cf": "i", "col": "x", "type": "int"}}"#, "n".repeat(2000)), "").unwrap_err();
    assert!(error.contains("1024") && error.len() < 300, "{error}");
}
