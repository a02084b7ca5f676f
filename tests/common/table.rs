//! What stands in a fixture's table, read with the library.

use std::collections::BTreeMap;
use std::sync::Arc;

use fink::alert::{Plan, schema};
use fink::catalog::Catalog;
use fink::config::{CompleteRows, ScienceDbSettings, StoreKind};
use fink::science_db::{Columns, KeyRange, Rows, Scan, ScienceDb, open};
use fink::window::Window;

use super::Fixture;

/// A table that was loaded.
pub struct Table {
    /// its catalog
    pub catalog: Catalog,
    /// where it is
    pub settings: ScienceDbSettings,
    session: Box<dyn ScienceDb>,
}

/// One row: its timestamp and its cells by column.
pub struct Row {
    /// of the newest cell
    pub timestamp: i64,
    /// of the oldest
    pub oldest: i64,
    /// cells by the column's name
    pub cells: BTreeMap<String, Vec<u8>>,
}

impl Table {
    /// The table that the fixture's catalog describes.
    pub fn of(fixture: &Fixture) -> Self {
        let (kind, addresses) = match &fixture.cluster {
            Some(cluster) => {
                (StoreKind::Thrift2, cluster.value("FINK_TEST_THRIFT2").split(',').map(str::to_owned).collect())
            }
            None => (StoreKind::Embedded, Vec::new()),
        };
        let settings = ScienceDbSettings {
            kind,
            addresses,
            path: fixture.path("science.db"),
            catalog: fixture.path("catalog.json"),
            table: None,
            trigger: None,
            object_id: None,
            complete_rows: CompleteRows::WhenPartial,
            skip_rows: fink::config::RowPrefixes::default(),
        };
        let catalog = Catalog::load(&settings.catalog).expect("the catalog that was written");
        let session = open(&settings, &settings.table_of(&catalog)).expect("a session");
        Self { catalog, settings, session }
    }

    /// The first keys of its regions, without that of the first.
    pub fn splits(&mut self) -> Vec<Vec<u8>> {
        let ranges = self.session.key_ranges().expect("regions");
        ranges.into_iter().map(|range| range.start).filter(|start| !start.is_empty()).collect()
    }

    /// All rows by their key.
    pub fn rows(&mut self) -> BTreeMap<String, Row> {
        let all: Vec<usize> = (0..self.catalog.columns.len()).collect();
        let columns = self.columns(&all);
        let names: Vec<String> = {
            let cells = self.catalog.columns.iter().filter(|column| column.family_and_qualifier().is_some());
            cells.map(|column| column.name.clone()).collect()
        };
        let mut found = BTreeMap::new();
        self.scan(&columns, |row| {
            let cells: Vec<_> = (0..columns.len()).filter_map(|slot| Some((slot, row.cell(slot)?))).collect();
            let times = || cells.iter().map(|(_, cell)| cell.timestamp);
            let key = String::from_utf8(row.key.to_vec()).expect("a key of text");
            let (timestamp, oldest) = (times().max().unwrap_or(0), times().min().unwrap_or(0));
            let cells = cells.iter().map(|(slot, cell)| (names[*slot].clone(), cell.value.to_vec())).collect();
            found.insert(key, Row { timestamp, oldest, cells });
        });
        found
    }

    /// All rows as alerts again, in the schema beside the catalog; sorted.
    pub fn alerts(&mut self) -> Vec<Vec<u8>> {
        let schema = schema::load(&self.settings.catalog.with_extension("avsc")).expect("the schema that was written");
        let plan = Plan::new(Arc::new(schema), &self.catalog).expect("a schema that fits the catalog");
        let columns = self.columns(&plan.needed_columns());
        let mut encoder = plan.encoder(&columns).expect("the columns needed");
        let mut alerts = Vec::new();
        self.scan(&columns, |row| {
            let mut datum = Vec::new();
            encoder.encode(&row, &mut datum).expect("an alert");
            alerts.push(datum);
        });
        alerts.sort();
        alerts
    }

    fn columns(&self, wanted: &[usize]) -> Columns {
        let places = wanted.iter().filter_map(|at| self.catalog.columns[*at].family_and_qualifier());
        Columns::new(places.map(|(family, qualifier)| (family.to_owned(), qualifier.to_owned())).collect())
    }

    fn scan(&mut self, columns: &Columns, mut each: impl FnMut(fink::science_db::Row<'_>)) {
        let scan = Scan { keys: KeyRange::default(), window: Window::ALL, columns, page: 100 };
        let (mut rows, mut after) = (Rows::default(), None::<Vec<u8>>);
        loop {
            let more = self.session.scan(&scan, after.as_deref(), &mut rows).expect("a page of rows");
            rows.iter().for_each(&mut each);
            after = rows.last().map(|row| row.key.to_vec());
            if !more {
                return;
            }
        }
    }
}
