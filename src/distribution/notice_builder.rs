//! Which columns a notice shows, and the notice of a row.

use std::path::Path;
use std::sync::Arc;

use crate::catalog::{Catalog, ColumnType};
use crate::notify::{Channels, Notice, NotifyError};
use crate::row::Row;

/// The class, which chooses the channel.
const CLASS: &str = "cross_match_alerts_per_batch";
const RA: &str = "candidate_ra";
const DEC: &str = "candidate_dec";

/// Why alerts of this catalog cannot be announced.
#[derive(Debug, thiserror::Error)]
pub enum NoticeError {
    /// the channels cannot be read, or there is no token
    #[error(transparent)]
    Notify(#[from] NotifyError),
    /// a column is missing
    #[error(
        "slack notices show the column `{column}`, and in the catalog of {table} {reason}: add it, or leave out slack.channels"
    )]
    Column {
        /// the column
        column: &'static str,
        /// namespace:name
        table: String,
        /// what is wrong with it
        reason: String,
    },
}

/// A number of degrees, by the column's type.
#[derive(Clone, Copy, Debug)]
enum AngleColumn {
    Float(usize),
    Double(usize),
}

impl AngleColumn {
    fn column(self) -> usize {
        match self {
            Self::Float(column) | Self::Double(column) => column,
        }
    }

    fn at(self, slot: usize) -> Self {
        match self {
            Self::Float(_) => Self::Float(slot),
            Self::Double(_) => Self::Double(slot),
        }
    }

    /// A cell of a wrong width has no number to show; its alert says more, on the rejected topic.
    fn read(self, row: &Row<'_>) -> Option<f64> {
        match self {
            Self::Float(slot) => {
                // Through its shortest text: 20.4 as a float is 20.4 to whoever reads it, not 20.399999618530273.
                row.cell(slot)?.value.try_into().ok().map(f32::from_be_bytes)?.to_string().parse().ok()
            }
            Self::Double(slot) => row.cell(slot)?.value.try_into().ok().map(f64::from_be_bytes),
        }
    }
}

/// Makes notices of rows.
#[derive(Clone, Debug)]
pub struct NoticeBuilder {
    channels: Arc<Channels>,
    /// indexes into the catalog's columns; once bound, slots of the rows
    class: usize,
    ra: AngleColumn,
    dec: AngleColumn,
}

impl NoticeBuilder {
    /// Reads the file of channels and finds the columns.
    ///
    /// # Errors
    /// The file cannot be read; a column is missing or of a type that cannot be shown.
    pub fn new(channels: &Path, catalog: &Catalog) -> Result<Self, NoticeError> {
        let channels = Arc::new(Channels::load(channels)?);
        let find = |column: &'static str| {
            let wrong = |reason: String| NoticeError::Column { column, table: catalog.full_name(), reason };
            let at = catalog.index_of(column).ok_or_else(|| wrong(catalog.unknown(column)))?;
            match catalog.columns[at].family_and_qualifier() {
                Some(_) => Ok((at, &catalog.columns[at].kind)),
                None => Err(wrong("it is a part of the row key".to_owned())),
            }
        };
        let misfit = |column: &'static str, kind: &ColumnType| NoticeError::Column {
            column,
            table: catalog.full_name(),
            reason: format!("it is {}", kind.name()),
        };
        let degrees = |column: &'static str| match find(column)? {
            (at, ColumnType::Float) => Ok(AngleColumn::Float(at)),
            (at, ColumnType::Double) => Ok(AngleColumn::Double(at)),
            (_, kind) => Err(misfit(column, kind)),
        };
        let (class, kind) = find(CLASS)?;
        if *kind != ColumnType::String {
            return Err(misfit(CLASS, kind));
        }
        Ok(Self { channels, class, ra: degrees(RA)?, dec: degrees(DEC)? })
    }

    /// The columns that are read, as indexes into the catalog's columns.
    pub fn needed_columns(&self) -> [usize; 3] {
        [self.class, self.ra.column(), self.dec.column()]
    }

    /// These notices for rows whose slot of a column `slot` tells.
    pub fn bound(self, slot: impl Fn(usize) -> usize) -> Self {
        let (ra, dec) = (self.ra.at(slot(self.ra.column())), self.dec.at(slot(self.dec.column())));
        Self { class: slot(self.class), ra, dec, ..self }
    }

    /// The notice of a row, where its class has a channel.
    pub fn notice(&self, row: &Row<'_>, object: &[u8]) -> Option<Notice> {
        let class = std::str::from_utf8(row.cell(self.class)?.value).ok()?;
        let channel = Arc::clone(self.channels.for_class(class)?);
        let object = String::from_utf8_lossy(object).into_owned();
        Some(Notice { channel, object, ra: self.ra.read(row), dec: self.dec.read(row), class: class.to_owned() })
    }
}
