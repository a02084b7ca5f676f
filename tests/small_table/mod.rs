//! The smallest table that a distribution takes: an object and a trigger.

use fink::config::{CompleteRows, ScienceDbSettings, StoreKind};
use fink::science_db::{self, ScienceDb};
use serde_json::json;

use crate::common::Scene;

/// Writes its catalog into the scene's folder.
pub fn write_catalog(scene: &Scene) {
    let catalog = json!({
        "table": {"namespace": "default", "name": scene.name},
        "rowkey": "objectId",
        "columns": {
            "objectId": {"cf": "rowkey", "col": "objectId", "type": "string"},
            "candid": {"cf": "i", "col": "candid", "type": "long"},
        },
    });
    std::fs::write(scene.path("catalog.json"), catalog.to_string()).unwrap();
}

/// A session with the scene's table; `address` says nothing to an embedded one.
pub fn science_db(scene: &Scene, kind: StoreKind, address: &str) -> Box<dyn ScienceDb> {
    let settings = ScienceDbSettings {
        kind,
        addresses: address.split(',').map(str::to_owned).collect(),
        path: scene.path("science.db"),
        catalog: scene.path("catalog.json"),
        table: None,
        trigger: None,
        object_id: None,
        complete_rows: CompleteRows::WhenPartial,
        skip_rows: fink::config::RowPrefixes::default(),
    };
    science_db::open(&settings, &format!("default:{}", scene.name)).unwrap()
}
