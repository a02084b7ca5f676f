//! A row's page with the cells of one alert.

use fink::alert::FlatAlert;
use fink::catalog::Catalog;
use fink::row::{Columns, Rows};

/// The columns that a scan must read for these of the catalog's.
pub fn columns(catalog: &Catalog, wanted: &[usize]) -> Columns {
    wanted.iter().map(|at| &catalog.columns[*at]).collect()
}

/// Puts an alert's cells into `rows` as its only row.
pub fn fill(catalog: &Catalog, columns: &Columns, cells: FlatAlert<'_>, rows: &mut Rows) {
    let mut page = rows.refill(columns.len());
    page.row(cells.key());
    for (column, bytes) in cells.iter() {
        let (family, qualifier) = catalog.columns[column].family_and_qualifier().expect("it is a cell");
        if let Some(slot) = columns.slot(family.as_bytes(), qualifier.as_bytes(), &mut 0) {
            page.cell(slot, bytes, 1);
        }
    }
}
