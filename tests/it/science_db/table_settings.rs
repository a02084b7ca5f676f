//! The settings of tables that fink creates, as HBase's own client reads them.

use fink::science_db::NewTable;

use super::stores::{Store, families, hbase, thrift2};
use crate::fixture::cluster::Cluster;

#[test]
fn a_new_table_flushes_all_families_together_and_tiers_its_files_by_date() {
    let create = |store: &Store| {
        let table = store.new_table();
        assert!(store.open_table(&table).create_table(&NewTable { families: families(), splits: Vec::new() }).unwrap());
        table
    };
    let expected = "FlushAllStoresPolicy\nd 1 DateTieredStoreEngine\ni 1 DateTieredStoreEngine\n";
    assert_eq!(describe(&[create(&hbase()), create(&thrift2())]), expected.repeat(2));
}

fn describe(tables: &[String]) -> String {
    let output = Cluster::get().hbase_client("DescribeTables.java").args(tables).output().expect("java");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}
