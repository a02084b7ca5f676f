//! The stores under test: how to open them, and a table in each.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use fink::config::{ScienceDbSettings, StoreKind};
use fink::science_db::{NewTable, ScienceDb, open};

use crate::fixture::cluster::{Cluster, science_db_settings};

/// The column families of the tables under test.
pub const FAMILIES: [&str; 2] = ["d", "i"];

/// A store, a table in it that other tests use as well, and a prefix of row keys that no other test uses.
pub struct Store {
    settings: ScienceDbSettings,
    table: String,
    pub prefix: String,
    _folder: Option<tempfile::TempDir>,
}

impl Store {
    pub fn kind(&self) -> StoreKind {
        self.settings.kind
    }

    pub fn open(&self) -> Box<dyn ScienceDb> {
        self.open_table(&self.table)
    }

    pub fn open_table(&self, table: &str) -> Box<dyn ScienceDb> {
        open(&self.settings, table).expect("a session")
    }

    /// The name of a table that is not there, in a namespace that is not there either where the store can make one.
    pub fn new_table(&self) -> String {
        let namespace = if self.kind() == StoreKind::Thrift1 { "default" } else { "db_test" };
        format!("{namespace}:db_{}", unique())
    }
}

/// Something that no other test, run or process has called itself.
pub fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos();
    format!("{now:x}_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

pub fn families() -> Vec<String> {
    FAMILIES.map(String::from).to_vec()
}

pub fn embedded() -> Store {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = science_db_settings(StoreKind::Embedded, Vec::new(), folder.path());
    store(settings, "default:db_test", Some(folder))
}

pub fn hbase() -> Store {
    static CREATED: OnceLock<()> = OnceLock::new();
    let settings = science_db_settings(StoreKind::HBase, Cluster::get().hbase(), Path::new(""));
    let store = store(settings, "default:db_test_native", None);
    CREATED.get_or_init(|| create(&store));
    store
}

pub fn hbase_over_tls() -> Store {
    static CREATED: OnceLock<()> = OnceLock::new();
    let cluster = Cluster::get();
    let plain = science_db_settings(StoreKind::HBase, cluster.hbase(), Path::new(""));
    let store = store(ScienceDbSettings { tls: cluster.hbase_tls(), ..plain }, "default:db_test_tls", None);
    CREATED.get_or_init(|| create(&store));
    store
}

pub fn thrift2() -> Store {
    static CREATED: OnceLock<()> = OnceLock::new();
    let settings = science_db_settings(StoreKind::Thrift2, Cluster::get().thrift2(), Path::new(""));
    let store = store(settings, "default:db_test_2", None);
    CREATED.get_or_init(|| create(&store));
    store
}

pub fn thrift1() -> Store {
    static CREATED: OnceLock<()> = OnceLock::new();
    let settings = science_db_settings(StoreKind::Thrift1, Cluster::get().thrift1(), Path::new(""));
    let store = store(settings, "default:db_test_1", None);
    CREATED.get_or_init(|| create(&store));
    store
}

fn store(settings: ScienceDbSettings, table: &str, folder: Option<tempfile::TempDir>) -> Store {
    let is_embedded = settings.kind == StoreKind::Embedded;
    let store = Store { settings, table: table.to_owned(), prefix: format!("{}/", unique()), _folder: folder };
    if is_embedded {
        create(&store);
    }
    store
}

fn create(store: &Store) {
    let table = NewTable { families: families(), splits: Vec::new() };
    store.open().create_table(&table).expect("the table of the tests");
}
