//! Telescopes' own alerts through the table and back. The folder with the `.avro` files is named by `FINK_TEST_ALERTS`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fink::alert::{Cells, Encoder, History, Layout, LayoutOptions, Plan};
use fink::avro::container::Container;
use fink::catalog::{Catalog, Place};
use fink::science_db::{Columns, Rows};

/// The files, or nothing where no folder is named: they are not part of the project.
fn files() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("FINK_TEST_ALERTS") else {
        eprintln!("FINK_TEST_ALERTS is not set: no real alert was tried");
        return Vec::new();
    };
    let mut found = Vec::new();
    walk(Path::new(&folder), &mut found);
    found.sort();
    assert!(!found.is_empty(), "FINK_TEST_ALERTS={} holds no .avro file", folder.display());
    found
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension() {
            _ if path.is_dir() => walk(&path, found),
            Some(extension) if extension == "avro" => found.push(path),
            _ => {}
        }
    }
}

fn layout(alerts: &Container, history: History) -> Layout {
    let names = alerts.schema.to_string();
    let row_key: &[&str] = match names.contains("objectId\"") && names.contains("\"candid\"") {
        true => &["objectId", "candid"],
        false => &["diaObject_diaObjectId", "diaSource_diaSourceId"],
    };
    let options = LayoutOptions {
        namespace: "default",
        table: "alerts",
        family: "i",
        row_key,
        history,
        status: history == History::Text,
    };
    Layout::new(&alerts.schema, &options).unwrap()
}

fn columns(catalog: &Catalog, wanted: &[usize]) -> Columns {
    let name = |at: &usize| match &catalog.columns[*at].place {
        Place::Cell { family, qualifier } => Some((family.clone(), qualifier.clone())),
        Place::RowKey { .. } => None,
    };
    Columns::new(wanted.iter().filter_map(name).collect())
}

fn row(catalog: &Catalog, columns: &Columns, cells: Cells<'_>, rows: &mut Rows) {
    let mut page = rows.refill(columns.len());
    page.row(cells.key());
    for (column, bytes) in cells.iter() {
        let (family, qualifier) = catalog.columns[column].family_and_qualifier().unwrap();
        if let Some(slot) = columns.slot(family.as_bytes(), qualifier.as_bytes(), &mut 0) {
            page.cell(slot, bytes, 1);
        }
    }
}

fn encoder(layout: &Layout, alerts: &Container) -> (Encoder, Columns) {
    let plan = Plan::new(Arc::new(alerts.schema.clone()), layout.catalog()).unwrap();
    assert_eq!(plan.warnings(), &[] as &[String]);
    let columns = columns(layout.catalog(), &plan.needed_columns());
    (plan.encoder(&columns).unwrap(), columns)
}

#[test]
fn avro_layout_returns_every_byte() {
    let (mut rows, mut out, mut count) = (Rows::default(), Vec::new(), 0);
    for file in files() {
        let alerts = Container::read(&std::fs::read(&file).unwrap()).unwrap();
        let layout = layout(&alerts, History::Avro);
        let read_back = Catalog::parse(&layout.catalog().to_json().to_string()).unwrap();
        assert_eq!(read_back, *layout.catalog());
        let (mut encoder, columns) = encoder(&layout, &alerts);
        let mut flattener = layout.flattener();
        for datum in alerts.data() {
            row(layout.catalog(), &columns, flattener.flatten(datum).unwrap(), &mut rows);
            out.clear();
            encoder.encode(&rows.row(0), &mut out).unwrap();
            assert!(out == datum, "{} differs", file.display());
            count += 1;
        }
    }
    eprintln!("{count} alerts came back byte for byte");
}
