//! Which column has a part to play: trigger, object identifier, status.

use super::{Catalog, CatalogError, Column, ColumnLocation, ColumnType};

/// Most suggestions for a wrong name.
const MAX_SUGGESTIONS: usize = 3;

impl Catalog {
    /// The names nearest to one that does not exist, best first.
    pub fn nearest(&self, name: &str) -> Vec<&str> {
        let wanted = name.to_lowercase().replace('.', "_");
        let mut scored: Vec<(f64, &str)> = self
            .columns
            .iter()
            .map(|column| {
                let known = column.name.to_lowercase();
                let ending = known.ends_with(&format!("_{wanted}"));
                (strsim::jaro_winkler(&known, &wanted) + if ending { 1.0 } else { 0.0 }, column.name.as_str())
            })
            .filter(|(score, _)| *score > 0.7)
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        scored.into_iter().take(MAX_SUGGESTIONS).map(|(_, name)| name).collect()
    }

    /// That there is no column `name`, with the nearest names: `there is no column `x` (nearest: `y`, `z`)`.
    pub fn unknown(&self, name: &str) -> String {
        match self.nearest(name) {
            near if near.is_empty() => format!("there is no column `{name}`"),
            near => format!("there is no column `{name}` (nearest: `{}`)", near.join("`, `")),
        }
    }

    fn error(&self, reason: String) -> CatalogError {
        CatalogError { file: format!("of {}", self.full_name()), reason }
    }

    /// The columns named `name` at the top of the alert or within a record, first the one at the top, then those in the records
    /// `preferred`, then the others in their order.
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

    /// The column whose write makes a row an alert: `setting`, else candid, else diaSourceId wherever it is nested, else the first column
    /// that is not in the row key. It always has a cell.
    ///
    /// # Errors
    /// The column asked for is not there or has no cell, or no column has one.
    pub fn trigger_column(&self, setting: Option<&str>) -> Result<&Column, CatalogError> {
        let has_cell = |column: &&Column| matches!(column.location, ColumnLocation::Cell { .. });
        if let Some(name) = setting {
            return match self.column(name) {
                Some(column) if has_cell(&column) => Ok(column),
                Some(_) => Err(self.error(format!(
                    "the trigger column `{name}` is in the row key only, and a key has no timestamp: choose a column with a cell"
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
            .ok_or_else(|| self.error("no column has a cell, so no write can be seen".into()))
    }

    /// The column that says which object an alert is of: `setting`, else objectId, else diaObjectId wherever it is nested (in diaObject
    /// before diaSource before others). `None`: the row key.
    ///
    /// # Errors
    /// The column asked for is not there.
    pub fn object_id_column(&self, setting: Option<&str>) -> Result<Option<&Column>, CatalogError> {
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

    /// The column that says whether an alert was distributed, where the table has one: a string named `status`.
    pub fn status_column(&self) -> Option<&Column> {
        self.column("status")
            .filter(|c| c.kind == ColumnType::String && matches!(c.location, ColumnLocation::Cell { .. }))
    }
}
