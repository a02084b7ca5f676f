//! The table and its catalog: made, and kept up with the alerts' schemas.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::rate_limiter::RateLimiter;
use super::row_key;
use super::writer::{AlertWriter, RowMapper};
use super::{IngestError, IngestOptions};
use crate::alert::{Layout, LayoutOptions, ListEncoding};
use crate::atomic_file;
use crate::avro::Schema;
use crate::catalog::{Catalog, Column, ColumnType};
use crate::config::{ScienceDbSettings, StoreKind};
use crate::science_db::{Cancel, NewTable, Sessions, Timeouts, open_session};
use crate::signals::Stop;

/// Column family of the cells of a new table, as in 2019.
const DEFAULT_FAMILY: &str = "i";
/// Family that the trigger has to itself in a new table that need not look as in 2019: a look at what is new then walks files of some hundred
/// bytes a row instead of whole alerts.
const TRIGGER_FAMILY: &str = "t";
/// A new table's name, where nothing else names it.
const DEFAULT_TABLE: &str = "default:alerts";

/// How many sessions load at the same time, where the store takes several.
const SESSIONS: usize = 4;

/// Alerts to learn the columns and keys from.
#[derive(Clone, Debug)]
pub struct Sample {
    /// their schema, as JSON
    pub schema_json: String,
    /// their schema
    pub schema: Schema,
    /// some of them
    pub data: Vec<Vec<u8>>,
}

/// Loads alerts into one table.
pub struct Loader<'a> {
    settings: &'a ScienceDbSettings,
    table: String,
    family: String,
    trigger_family: String,
    row_key: Vec<String>,
    history: ListEncoding,
    status: bool,
    timestamp: Option<i64>,
    limiter: Option<RateLimiter>,
    stop: Stop,
    catalog: Mutex<Catalog>,
}

impl<'a> Loader<'a> {
    /// Makes the table, where it is not there, and the catalog, or adds to it what it lacks; a catalog that lacks nothing stays untouched.
    ///
    /// # Errors
    /// The store, a catalog that does not fit the alerts or the options, a row key that cannot be, or no sample.
    pub fn open(
        settings: &'a ScienceDbSettings,
        options: &IngestOptions,
        samples: &[Sample],
        stop: Stop,
    ) -> Result<Self, IngestError> {
        let Some(first) = samples.first() else { return Err(IngestError::Source("there are no alerts".to_owned())) };
        let existing = match settings.catalog.try_exists() {
            Ok(true) => Some(Catalog::load(&settings.catalog)?),
            Ok(false) => None,
            Err(reason) => return Err(IngestError::Read { path: settings.catalog.clone(), reason }),
        };
        let mismatch = |reason| IngestError::Mismatch { path: settings.catalog.clone(), reason };
        let chosen = options.row_key.as_deref();
        let (row_key, (family, trigger_family), history, status, name) = match &existing {
            Some(catalog) => {
                let asked = chosen.map(|names| row_key::choose(&first.schema, Some(names))).transpose();
                if let Some(asked) = asked.map_err(IngestError::RowKey)?
                    && asked != catalog.row_key
                {
                    let reason = format!("its row key is {}, not {}", catalog.row_key.join(","), asked.join(","));
                    return Err(mismatch(reason));
                }
                let history = kept_history(catalog, options.history).map_err(mismatch)?;
                let name = format!("{}:{}", catalog.namespace, catalog.table);
                let families = families(catalog, settings.trigger.as_deref());
                (catalog.row_key.clone(), families, history, catalog.status_column().is_some(), name)
            }
            None => {
                let row_key = row_key::choose(&first.schema, chosen).map_err(IngestError::RowKey)?;
                let history = options.history.unwrap_or(ListEncoding::Avro);
                let name = settings.table.clone().unwrap_or_else(|| DEFAULT_TABLE.to_owned());
                let trigger_family = if history == ListEncoding::Text { DEFAULT_FAMILY } else { TRIGGER_FAMILY };
                let families = (DEFAULT_FAMILY.to_owned(), trigger_family.to_owned());
                (row_key, families, history, history == ListEncoding::Text, name)
            }
        };
        let (namespace, table) = name.split_once(':').unwrap_or(("default", &name));
        let empty = Catalog {
            namespace: namespace.to_owned(),
            table: table.to_owned(),
            row_key: row_key.clone(),
            columns: Vec::new(),
            records: Vec::new(),
        };
        let mut loader = Self {
            table: settings.table_of(existing.as_ref().unwrap_or(&empty)),
            settings,
            family,
            trigger_family,
            row_key,
            history,
            status,
            timestamp: options.timestamp,
            limiter: options.rate.and_then(RateLimiter::new),
            stop,
            catalog: Mutex::new(existing.clone().unwrap_or(empty)),
        };

        let (mut keys, mut covering, mut refused) = (Vec::new(), None, None);
        let mut catalog = loader.lock().clone();
        for sample in samples {
            // What cannot be loaded is said when its turn comes; here only if there is nothing else.
            let (layout, extended) = match loader.extend_catalog(&catalog, &sample.schema) {
                Ok(both) => both,
                Err(error) => {
                    refused.get_or_insert(error);
                    continue;
                }
            };
            if extended.columns.len() == layout.catalog().columns.len() {
                covering = Some(sample.schema_json.as_str());
            }
            catalog = extended;
            let mut mapper = RowMapper::new(&layout);
            keys.extend(sample.data.iter().filter_map(|datum| mapper.key(datum).ok()));
        }
        if let Some(error) = refused.filter(|_| keys.is_empty()) {
            return Err(error);
        }
        let families = catalog.families().into_iter().map(str::to_owned).collect();
        let splits = splits(keys, options.regions);
        open_session(settings, &loader.table, 0)?.create_table(&NewTable { families, splits })?;
        if existing.as_ref() != Some(&catalog) {
            write_catalog(&settings.catalog, &catalog, covering)?;
        }
        loader.catalog = Mutex::new(catalog);
        Ok(loader)
    }

    /// The table as `namespace:name`.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Whether the work is to end early.
    pub fn stopped(&self) -> bool {
        self.stop.requested()
    }

    /// Runs `work` in several sessions at the same time, as many as the store is good for. The first error ends it all.
    ///
    /// # Errors
    /// The store, or what `work` gives.
    pub fn run_writers(
        &self,
        work: impl Fn(&mut AlertWriter<'_>) -> Result<(), IngestError> + Sync,
    ) -> Result<(), IngestError> {
        let sessions = match self.settings.kind {
            StoreKind::Embedded => 1,
            StoreKind::Thrift1 | StoreKind::Thrift2 => SESSIONS,
        };
        let opener = Sessions::new(self.settings, &self.table, Timeouts::default());
        let never: Cancel = Arc::new(|| false);
        let session = || {
            let session = opener.open(&never)?;
            let mut writer =
                AlertWriter::new(session, &self.settings.skip_rows, self.timestamp, self.limiter.as_ref(), &self.stop);
            work(&mut writer)?;
            writer.flush()
        };
        let first_error = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..sessions {
                let (session, first_error) = (&session, &first_error);
                scope.spawn(move || {
                    if let Err(error) = session() {
                        self.stop.request();
                        first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                });
            }
        });
        first_error.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// How alerts of a schema are laid out. The catalog is extended by what they have more, and written before the first of them is.
    ///
    /// # Errors
    /// They cannot be laid out, they contradict the catalog, or it cannot be written.
    pub fn row_mapper(&self, schema_json: &str, schema: &Schema) -> Result<RowMapper, IngestError> {
        let mut catalog = self.lock();
        let (layout, extended) = self.extend_catalog(&catalog, schema)?;
        let path = &self.settings.catalog;
        if extended != *catalog {
            log::info!(
                "{} columns are new: added to {}",
                extended.columns.len() - catalog.columns.len(),
                path.display()
            );
            let covering = (extended.columns.len() == layout.catalog().columns.len()).then_some(schema_json);
            write_catalog(path, &extended, covering)?;
            *catalog = extended;
        }
        Ok(RowMapper::new(&layout))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trigger_of<'c>(&self, catalog: &'c Catalog) -> Option<&'c str> {
        catalog.trigger_column(self.settings.trigger.as_deref()).ok().map(|column| column.name.as_str())
    }

    /// How alerts of a schema are laid out, and the catalog with the columns that they have more.
    fn extend_catalog(&self, catalog: &Catalog, schema: &Schema) -> Result<(Layout, Catalog), IngestError> {
        let row_key: Vec<&str> = self.row_key.iter().map(String::as_str).collect();
        let options = LayoutOptions {
            namespace: &catalog.namespace,
            table: &catalog.table,
            family: &self.family,
            row_key: &row_key,
            history: self.history,
            status: self.status,
        };
        let mut layout = Layout::new(schema, &options)?;
        let trigger = [catalog, layout.catalog()].into_iter().find_map(|catalog| self.trigger_of(catalog));
        if let Some(trigger) = trigger.map(str::to_owned) {
            layout.set_family(&trigger, &self.trigger_family);
        }
        let mut extended = catalog.clone();
        extended
            .merge(layout.catalog())
            .map_err(|reason| IngestError::Mismatch { path: self.settings.catalog.clone(), reason })?;
        Ok((layout, extended))
    }
}

/// The families of an existing table's cells: of all but the trigger, and of the trigger.
fn families(catalog: &Catalog, trigger: Option<&str>) -> (String, String) {
    let trigger = catalog.trigger_column(trigger).ok();
    let family_of = |column: &Column| column.family_and_qualifier().map(|(family, _)| family.to_owned());
    let others = catalog.columns.iter().filter(|column| trigger.is_none_or(|trigger| trigger.name != column.name));
    let family = others.filter_map(family_of).next();
    let of_trigger = trigger.and_then(family_of);
    let family = family.or_else(|| of_trigger.clone()).unwrap_or_else(|| DEFAULT_FAMILY.to_owned());
    (family.clone(), of_trigger.unwrap_or(family))
}

/// How an existing table keeps histories, which is not to be mixed.
fn kept_history(catalog: &Catalog, asked: Option<ListEncoding>) -> Result<ListEncoding, String> {
    let is_avro = catalog.columns.iter().any(|column| matches!(column.kind, ColumnType::Avro(_)));
    let is_text = catalog.status_column().is_some() && !is_avro;
    match (asked, is_avro, is_text) {
        (Some(ListEncoding::Text), true, _) => {
            Err("its columns hold Avro data, so --history text does not fit it".to_owned())
        }
        (Some(ListEncoding::Avro), _, true) => {
            Err("it has a status column and no Avro data, as 2019's, so --history avro does not fit it".to_owned())
        }
        (Some(asked), ..) => Ok(asked),
        (None, _, true) => Ok(ListEncoding::Text),
        (None, ..) => Ok(ListEncoding::Avro),
    }
}

/// Writes the catalog and, where one schema has all its columns, that schema beside it.
fn write_catalog(path: &Path, catalog: &Catalog, schema_json: Option<&str>) -> Result<(), IngestError> {
    let json = format!("{:#}\n", catalog.to_json());
    replace_file(path, json.as_bytes())?;
    let beside = path.with_extension("avsc");
    match schema_json {
        Some(schema) => replace_file(&beside, format!("{}\n", schema.trim_end()).as_bytes()),
        None => {
            log::warn!(
                "no alert so far has all the columns of {}: {} stays as it is",
                path.display(),
                beside.display()
            );
            Ok(())
        }
    }
}

/// Replaces a file as a whole, and creates its directory.
fn replace_file(path: &Path, content: &[u8]) -> Result<(), IngestError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |reason| IngestError::Write { path, reason }
    };
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory).map_err(failed(directory))?;
    }
    atomic_file::replace(path, content).map_err(failed(path))
}

/// Keys that part others like these into `regions` equal parts.
fn splits(mut keys: Vec<Vec<u8>>, regions: usize) -> Vec<Vec<u8>> {
    keys.sort();
    keys.dedup();
    let mut splits: Vec<Vec<u8>> =
        (1..regions).filter_map(|number| keys.get(number * keys.len() / regions)).cloned().collect();
    // The first key of all parts nothing off.
    splits.retain(|split| Some(split) != keys.first());
    splits.dedup();
    splits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: u32) -> Vec<Vec<u8>> {
        (0..count).rev().map(|number| format!("k{number:04}").into_bytes()).collect()
    }

    #[test]
    fn splits_part_the_keys_evenly() {
        assert_eq!(splits(keys(100), 4), [b"k0025", b"k0050", b"k0075"]);
        assert_eq!(splits(keys(100), 1), Vec::<Vec<u8>>::new());
        assert_eq!(splits(keys(3), 10), [b"k0001", b"k0002"]);
        assert_eq!(splits(keys(1), 4), Vec::<Vec<u8>>::new());
        assert_eq!(splits(keys(0), 4), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/catalog.json");
        replace_file(&path, b"one").unwrap();
        replace_file(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
