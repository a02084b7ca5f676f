//! Creates the table and its catalog, and extends the catalog for further schemas.

use std::sync::{Mutex, PoisonError};

use super::catalog_files::CatalogFiles;
use super::error::IngestError;
use super::layout::TableLayout;
use super::options::IngestOptions;
use super::rate_limiter::RateLimiter;
use super::row_mapper::RowMapper;
use super::store_session::{OutagePolicy, SharedOutage, StoreSession};
use super::writer::AlertWriter;
use crate::avro::Schema;
use crate::cancel::CancellationToken;
use crate::catalog::Catalog;
use crate::row::Columns;
use crate::science_db::{self, NewTable, ScienceDbSettings, Sessions, StoreKind, Timeouts};
use crate::timestamp::Timestamp;

/// Sessions that write at the same time, if the store supports several.
const SESSIONS: usize = 4;

/// Alerts of one schema, from which the columns and row keys of a table are derived.
#[derive(Clone, Debug)]
pub struct Sample {
    /// the schema as JSON
    pub schema_json: String,
    /// the schema
    pub schema: Schema,
    /// Avro data of some alerts
    pub data: Vec<Vec<u8>>,
}

/// Loads alerts into one table.
pub struct Loader<'a> {
    settings: &'a ScienceDbSettings,
    table: String,
    layout: TableLayout,
    timestamp: Option<Timestamp>,
    limiter: Option<RateLimiter>,
    /// the column that says whether a row exists
    skip_existing: Option<Columns>,
    outages: OutagePolicy,
    cancel: CancellationToken,
    files: Mutex<CatalogFiles>,
}

impl<'a> Loader<'a> {
    /// Creates the table if it does not exist, and writes the catalog if it lacks columns of the samples. Loading ends early when `cancel`
    /// is cancelled.
    ///
    /// # Errors
    /// There is no sample; the store failed; or the catalog or the row key does not fit the samples and options.
    pub fn open(
        settings: &'a ScienceDbSettings,
        options: &IngestOptions,
        samples: &[Sample],
        cancel: &CancellationToken,
    ) -> Result<Self, IngestError> {
        let Some(first) = samples.first() else { return Err(IngestError::Source("there are no alerts".to_owned())) };
        let existing = match settings.catalog.try_exists() {
            Ok(true) => Some(Catalog::load(&settings.catalog)?),
            Ok(false) => None,
            Err(reason) => return Err(IngestError::Read { path: settings.catalog.clone(), reason }),
        };
        let (layout, mut catalog) = match &existing {
            Some(catalog) => (TableLayout::of_catalog(settings, catalog, options, &first.schema)?, catalog.clone()),
            None => TableLayout::new_table(settings, options, &first.schema)?,
        };
        let table = settings.table_of(&catalog);
        let mut files = CatalogFiles::open(&settings.catalog, existing.as_ref())?;

        let (mut keys, mut first_error) = (Vec::new(), None);
        for sample in samples {
            // A schema that cannot be loaded is reported with its alerts; here only if there is no other.
            let (columns, extended) = match layout.extend(settings, &catalog, &sample.schema) {
                Ok(extended) => extended,
                Err(error) => {
                    first_error.get_or_insert(error);
                    continue;
                }
            };
            files.extend((&catalog, &extended), &columns, &sample.schema_json, &sample.schema);
            catalog = extended;
            let mut mapper = RowMapper::new(&columns);
            keys.extend(sample.data.iter().filter_map(|datum| mapper.key(datum).ok()));
        }
        if let Some(error) = first_error.filter(|_| keys.is_empty()) {
            return Err(error);
        }
        let families = catalog.families().into_iter().map(str::to_owned).collect();
        let splits = splits(keys, options.regions);
        science_db::open(settings, &table)?.create_table(&NewTable { families, splits })?;
        let skip_existing = match options.skip_existing {
            true => Some([catalog.trigger_column(settings.trigger.as_deref())?].into_iter().collect()),
            false => None,
        };
        files.write(catalog)?;
        Ok(Self {
            settings,
            table,
            layout,
            timestamp: options.timestamp,
            limiter: options.rate.and_then(RateLimiter::new),
            skip_existing,
            outages: OutagePolicy::default(),
            // A child, so that the error of one writer ends the others and not the caller's other work.
            cancel: cancel.child(),
            files: Mutex::new(files),
        })
    }

    /// Has writers wait for a science database that is away.
    pub(super) fn wait_for_store(&mut self) {
        self.outages = OutagePolicy::Retry(SharedOutage::default());
    }

    /// The number of writers that [`run_writers`](Self::run_writers) starts.
    pub(super) fn writer_count(&self) -> usize {
        match self.settings.kind {
            StoreKind::Embedded => 1,
            StoreKind::HBase | StoreKind::Thrift1 | StoreKind::Thrift2 => SESSIONS,
        }
    }

    /// The table as `namespace:name`.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Whether loading should end early.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Runs `work` in several threads, each with a writer of its own. The first error ends them all.
    ///
    /// # Errors
    /// The store failed, or `work` did.
    pub fn run_writers(
        &self,
        work: impl Fn(&mut AlertWriter<'_>) -> Result<(), IngestError> + Sync,
    ) -> Result<(), IngestError> {
        let sessions = Sessions::new(self.settings, &self.table, Timeouts::default());
        let run = || {
            let session = StoreSession::new(&sessions, &self.outages, &self.cancel);
            let (skip_rows, limiter) = (&self.settings.skip_rows, self.limiter.as_ref());
            let mut writer =
                AlertWriter::new(session, skip_rows, self.timestamp, limiter, &self.cancel, self.skip_existing.clone());
            work(&mut writer)?;
            writer.flush()?;
            Ok(())
        };
        let first_error = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..self.writer_count() {
                let (run, first_error) = (&run, &first_error);
                scope.spawn(move || {
                    if let Err(error) = run() {
                        self.cancel.cancel();
                        first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                });
            }
        });
        first_error.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// A mapper for alerts of `schema`. If the catalog does not describe their rows, it is written first.
    ///
    /// # Errors
    /// The schema cannot be laid out, it contradicts the catalog, or the catalog cannot be written.
    pub fn row_mapper(&self, schema_json: &str, schema: &Schema) -> Result<RowMapper, IngestError> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let before = files.catalog.clone();
        let (columns, extended) = self.layout.extend(self.settings, &before, schema)?;
        files.extend((&before, &extended), &columns, schema_json, schema);
        files.write(extended)?;
        Ok(RowMapper::new(&columns))
    }
}

/// Keys that split rows like these into `regions` equal parts.
fn splits(mut keys: Vec<Vec<u8>>, regions: usize) -> Vec<Vec<u8>> {
    keys.sort();
    keys.dedup();
    let mut splits: Vec<Vec<u8>> =
        (1..regions).filter_map(|number| keys.get(number * keys.len() / regions)).cloned().collect();
    // A split at the first key would make a region without rows.
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
    fn splits_divide_the_keys_evenly() {
        assert_eq!(splits(keys(100), 4), [b"k0025", b"k0050", b"k0075"]);
        assert_eq!(splits(keys(100), 1), Vec::<Vec<u8>>::new());
        assert_eq!(splits(keys(3), 10), [b"k0001", b"k0002"]);
        assert_eq!(splits(keys(1), 4), Vec::<Vec<u8>>::new());
        assert_eq!(splits(keys(0), 4), Vec::<Vec<u8>>::new());
    }
}
