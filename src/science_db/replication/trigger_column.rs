//! The column whose cells are wanted.

use crate::row::Columns;

/// The trigger column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TriggerColumn {
    /// as in the WAL: without the namespace `default`
    table: Vec<u8>,
    /// the trigger alone
    column: Columns,
}

impl TriggerColumn {
    /// The trigger `column` of `table` (`namespace:name`).
    pub fn new(table: &str, column: &Columns) -> Self {
        let table = table.strip_prefix("default:").unwrap_or(table);
        Self { table: table.into(), column: column.clone() }
    }

    /// Whether this is the column's table. `table`: as in the WAL.
    pub fn is_of_table(&self, table: &[u8]) -> bool {
        self.table == table
    }

    /// Whether a column of the table is this one.
    pub fn is(&self, family: &[u8], qualifier: &[u8]) -> bool {
        self.column.slot(family, qualifier, &mut 0).is_some()
    }
}

#[cfg(test)]
impl TriggerColumn {
    /// `t:candid` of `table`.
    pub fn for_test(table: &str) -> Self {
        Self::new(table, &Columns::new(vec![("t".to_owned(), "candid".to_owned())]))
    }
}
