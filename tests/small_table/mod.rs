//! The smallest table that a distribution takes: an object and a trigger.

use fink::config::{CompleteRows, ScienceDbSettings, StoreKind};
use fink::science_db::{self, ScienceDb};
use serde_json::json;

use crate::common::Fixture;

/// Writes its catalog into the fixture's folder.
pub fn write_catalog(fixture: &Fixture) {
    let catalog = json!({
        "table": {"namespace": "default", "name": fixture.name},
        "rowkey": "objectId",
        "columns": {
            "objectId": {"cf": "rowkey", "col": "objectId", "type": "string"},
            "candid": {"cf": "i", "col": "candid", "type": "long"},
        },
    });
    std::fs::write(fixture.path("catalog.json"), catalog.to_string()).unwrap();
}

/// A session with the fixture's table; `address` says nothing to an embedded one.
pub fn science_db(fixture: &Fixture, kind: StoreKind, address: &str) -> Box<dyn ScienceDb> {
    let settings = ScienceDbSettings {
        kind,
        addresses: address.split(',').map(str::to_owned).collect(),
        path: fixture.path("science.db"),
        catalog: fixture.path("catalog.json"),
        table: None,
        trigger: None,
        object_id: None,
        complete_rows: CompleteRows::WhenPartial,
        skip_rows: fink::config::RowPrefixes::default(),
    };
    science_db::open(&settings, &format!("default:{}", fixture.name)).unwrap()
}
