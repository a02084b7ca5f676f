//! The settings of tables that fink creates, as HBase's own client reads them.

use std::path::Path;
use std::process::Command;

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
    let cluster = Cluster::get();
    let classpath = std::fs::read_to_string(cluster.value("FINK_TEST_HBASE_CLASSPATH")).expect("a file");
    let port = cluster.value("FINK_TEST_ZOOKEEPER").rsplit(':').next().expect("a port");
    let mut java = Command::new("java");
    java.args(["-Xmx256m", "--add-opens", "java.base/java.nio=ALL-UNNAMED", "-cp", classpath.trim()]);
    java.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/java/DescribeTables.java")).arg(port).args(tables);
    let output = java.output().expect("java");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}
