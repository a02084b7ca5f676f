//! How the rows of the table are laid out: as the existing catalog says, or as a new table is best laid out.

use super::error::IngestError;
use super::options::IngestOptions;
use super::row_key;
use crate::alert::{Layout, LayoutOptions, ListEncoding};
use crate::avro::Schema;
use crate::catalog::{Catalog, Column, ColumnType};
use crate::science_db::ScienceDbSettings;

/// Column family of the cells of a new table, as in 2019.
const DEFAULT_FAMILY: &str = "i";
/// Column family of the trigger alone, in a new table that need not look as in 2019. A scan for new rows then reads some hundred bytes a row
/// instead of whole alerts.
const TRIGGER_FAMILY: &str = "t";
/// Name of a new table if nothing else names it.
const DEFAULT_TABLE: &str = "default:alerts";

/// How the rows of the table are laid out.
#[derive(Clone, Debug)]
pub(super) struct TableLayout {
    /// family of all columns but the trigger
    family: String,
    trigger_family: String,
    row_key: Vec<String>,
    history: ListEncoding,
    has_status: bool,
}

impl TableLayout {
    /// The layout of an existing table, to which alerts of `schema` are added.
    pub fn of_catalog(
        settings: &ScienceDbSettings,
        catalog: &Catalog,
        options: &IngestOptions,
        schema: &Schema,
    ) -> Result<Self, IngestError> {
        let mismatch = |reason| IngestError::Mismatch { path: settings.catalog.clone(), reason };
        let asked = options.row_key.as_deref().map(|names| row_key::choose(schema, Some(names))).transpose();
        if let Some(asked) = asked.map_err(IngestError::RowKey)?
            && asked != catalog.row_key
        {
            return Err(mismatch(format!("its row key is {}, not {}", catalog.row_key.join(","), asked.join(","))));
        }
        let history = history_of(catalog, options.history).map_err(mismatch)?;
        let (family, trigger_family) = families_of(catalog, settings.trigger.as_deref());
        let has_status = catalog.status_column().is_some();
        Ok(Self { family, trigger_family, row_key: catalog.row_key.clone(), history, has_status })
    }

    /// The layout of a new table for alerts of `schema`, and its catalog without columns.
    pub fn new_table(
        settings: &ScienceDbSettings,
        options: &IngestOptions,
        schema: &Schema,
    ) -> Result<(Self, Catalog), IngestError> {
        let row_key = row_key::choose(schema, options.row_key.as_deref()).map_err(IngestError::RowKey)?;
        let history = options.history.unwrap_or(ListEncoding::Avro);
        let is_as_in_2019 = history == ListEncoding::Text;
        let name = settings.table.as_deref().unwrap_or(DEFAULT_TABLE);
        let (namespace, table) = name.split_once(':').unwrap_or(("default", name));
        let catalog = Catalog {
            namespace: namespace.to_owned(),
            table: table.to_owned(),
            row_key: row_key.clone(),
            trigger: None,
            columns: Vec::new(),
            records: Vec::new(),
        };
        let layout = Self {
            family: DEFAULT_FAMILY.to_owned(),
            trigger_family: if is_as_in_2019 { DEFAULT_FAMILY } else { TRIGGER_FAMILY }.to_owned(),
            row_key,
            history,
            has_status: is_as_in_2019,
        };
        Ok((layout, catalog))
    }

    /// The columns of alerts of `schema`, and the catalog that describes the rows of these alerts too.
    pub fn extend(
        &self,
        settings: &ScienceDbSettings,
        catalog: &Catalog,
        schema: &Schema,
    ) -> Result<(Layout, Catalog), IngestError> {
        let row_key: Vec<&str> = self.row_key.iter().map(String::as_str).collect();
        let options = LayoutOptions {
            namespace: &catalog.namespace,
            table: &catalog.table,
            family: &self.family,
            row_key: &row_key,
            history: self.history,
            status: self.has_status,
        };
        let mut layout = Layout::extending(schema, &options, catalog)?;
        let trigger_of = |catalog: &Catalog| {
            catalog.trigger_column(settings.trigger.as_deref()).ok().map(|column| column.name.clone())
        };
        let trigger = trigger_of(catalog);
        if trigger.is_none()
            && let Some(new) = trigger_of(layout.catalog())
        {
            layout.set_family(&new, &self.trigger_family);
        }
        let mut extended = catalog.clone();
        extended
            .merge(layout.catalog())
            .map_err(|reason| IngestError::Mismatch { path: settings.catalog.clone(), reason })?;
        // A new column may rank before the present trigger, which must not change: it decides which rows are alerts.
        if settings.trigger.is_none() && trigger.is_some() && trigger_of(&extended) != trigger {
            extended.trigger = trigger;
        }
        Ok((layout, extended))
    }
}

/// The families of an existing table: of all columns but the trigger, and of the trigger.
fn families_of(catalog: &Catalog, trigger: Option<&str>) -> (String, String) {
    let trigger = catalog.trigger_column(trigger).ok();
    let family_of = |column: &Column| column.family_and_qualifier().map(|(family, _)| family.to_owned());
    let others = catalog.columns.iter().filter(|column| trigger.is_none_or(|trigger| trigger.name != column.name));
    let family = others.filter_map(family_of).next();
    let of_trigger = trigger.and_then(family_of);
    let family = family.or_else(|| of_trigger.clone()).unwrap_or_else(|| DEFAULT_FAMILY.to_owned());
    (family.clone(), of_trigger.unwrap_or(family))
}

/// How an existing table stores histories; the two ways must not be mixed.
fn history_of(catalog: &Catalog, asked: Option<ListEncoding>) -> Result<ListEncoding, String> {
    let is_avro = catalog.columns.iter().any(|column| matches!(column.kind, ColumnType::Avro(_)));
    let is_text = catalog.status_column().is_some() && !is_avro;
    match (asked, is_avro, is_text) {
        (Some(ListEncoding::Text), true, _) => {
            Err("its columns hold Avro data, so its histories cannot be stored as text".to_owned())
        }
        (Some(ListEncoding::Avro), _, true) => {
            Err("it has a status column and no Avro data, as in 2019, so its histories cannot be stored as Avro"
                .to_owned())
        }
        (Some(asked), ..) => Ok(asked),
        (None, _, true) => Ok(ListEncoding::Text),
        (None, ..) => Ok(ListEncoding::Avro),
    }
}
