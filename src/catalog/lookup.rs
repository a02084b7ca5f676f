//! Lookup of columns: by a name that may be wrong, and by their part in the distribution (trigger, object identifier, status).

use super::{Catalog, CatalogError, Column, ColumnLocation, ColumnType};
use crate::suggest::suggestion;

impl Catalog {
    /// The message that there is no column `name`: ``there is no column `x`: did you mean `y`?``
    pub(crate) fn unknown(&self, name: &str) -> String {
        format!("there is no column `{name}`{}", self.suggestion(name))
    }

    /// The end of a message about the unknown column `name`: ``: did you mean `y`?``, or nothing.
    pub(crate) fn suggestion(&self, name: &str) -> String {
        suggestion(name, self.columns.iter().map(|column| column.name.as_str()))
    }

    fn error(&self, reason: String) -> CatalogError {
        CatalogError { file: format!("of {}", self.full_name()), reason }
    }

    /// The columns named `name` at the top of the alert or in a record: first the one at the top, then those in the records `preferred`,
    /// then the others in the order of the catalog.
    fn find_nested(&self, name: &str, preferred: &[&str]) -> Vec<&Column> {
        let mut found: Vec<(usize, &Column)> = self
            .columns
            .iter()
            .filter_map(|column| {
                let record = match column.name.strip_suffix(name)? {
                    "" => return Some((0, column)),
                    before => before.strip_suffix('_')?,
                };
                let rank = preferred.iter().position(|wanted| *wanted == record).unwrap_or(preferred.len());
                Some((1 + rank, column))
            })
            .collect();
        found.sort_by_key(|(rank, _)| *rank);
        found.into_iter().map(|(_, column)| column).collect()
    }

    /// The trigger column, whose cell makes a row an alert: `setting`, else the catalog's `trigger`, else candid, else diaSourceId at any nesting, else the first column
    /// outside the row key. It always has a cell.
    ///
    /// # Errors
    /// The column `setting` does not exist or has no cell, or no column has one.
    pub fn trigger_column(&self, setting: Option<&str>) -> Result<&Column, CatalogError> {
        let has_cell = |column: &&Column| matches!(column.location, ColumnLocation::Cell { .. });
        if let Some(name) = setting.or(self.trigger.as_deref()) {
            return match self.column(name) {
                Some(column) if has_cell(&column) => Ok(column),
                Some(_) => Err(self.error(format!(
                    "the trigger column `{name}` is only in the row key, which has no timestamp: choose a column with a cell"
                ))),
                None => Err(self.error(format!("science_db.trigger: {}", self.unknown(name)))),
            };
        }
        let number = |column: &&Column| has_cell(column) && column.kind == ColumnType::Long;
        let candid = self.column("candid").filter(has_cell);
        let source = || self.find_nested("diaSourceId", &["diaSource"]).into_iter().find(number);
        let first = || self.columns.iter().filter(has_cell).find(|column| !self.row_key.contains(&column.name));
        candid
            .or_else(source)
            .or_else(first)
            .or_else(|| self.columns.iter().find(has_cell))
            .ok_or_else(|| self.error("no column has a cell, so alerts cannot be detected".into()))
    }

    /// The column with the identifier of the alert's object: `setting`, else objectId, else diaObjectId at any nesting (in diaObject, then
    /// diaSource, then others). `None`: the row key.
    ///
    /// # Errors
    /// The column `setting` does not exist.
    pub(crate) fn object_id_column(&self, setting: Option<&str>) -> Result<Option<&Column>, CatalogError> {
        if let Some(name) = setting {
            let column = self.column(name);
            return column.map(Some).ok_or_else(|| self.error(format!("science_db.object_id: {}", self.unknown(name))));
        }
        let object = || {
            let nested = self.find_nested("diaObjectId", &["diaObject", "diaSource"]);
            nested.into_iter().find(|column| column.kind == ColumnType::Long)
        };
        Ok(self.column("objectId").or_else(object))
    }

    /// The column that records that an alert was distributed: a string named `status`.
    pub(crate) fn status_column(&self) -> Option<&Column> {
        self.column("status")
            .filter(|c| c.kind == ColumnType::String && matches!(c.location, ColumnLocation::Cell { .. }))
    }
}
