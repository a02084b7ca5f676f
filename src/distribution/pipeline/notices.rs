//! Slack notices of alerts: which columns they show, and the notice of a row.

use std::path::Path;
use std::sync::Arc;

use crate::catalog::{Catalog, ColumnType};
use crate::notify::{Channels, Notice, NotifyError};
use crate::row::{BoundColumn, ColumnNotRead, Columns, Row};

/// The object's class, which selects the channel.
const CLASS: &str = "cross_match_alerts_per_batch";
const RA: &str = "candidate_ra";
const DEC: &str = "candidate_dec";

/// Why alerts of this catalog cannot be announced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoticeError {
    #[error(transparent)]
    Notify(#[from] NotifyError),
    #[error(
        "slack notices show the column `{column}`, and in the catalog of {table} {reason}: add it, or leave out slack.channels"
    )]
    Column { column: &'static str, table: String, reason: String },
}

/// The catalog's columns that notices show.
#[derive(Debug)]
pub(crate) struct NoticePlan {
    channels: Channels,
    /// indexes into the catalog's list
    class: usize,
    ra: usize,
    dec: usize,
    /// of `ra` and `dec`
    degrees: [Degrees; 2],
}

/// How a coordinate is stored.
#[derive(Clone, Copy, Debug)]
enum Degrees {
    Float,
    Double,
}

impl NoticePlan {
    /// Reads the file of channels and finds the columns.
    ///
    /// # Errors
    /// The file cannot be read; a column is missing, is part of the row key, or has a type that cannot be shown.
    pub fn new(channels: &Path, catalog: &Catalog) -> Result<Self, NoticeError> {
        let channels = Channels::load(channels)?;
        let error = |column, reason| NoticeError::Column { column, table: catalog.full_name(), reason };
        let find = |name: &'static str| {
            let index = catalog.index_of(name).ok_or_else(|| error(name, catalog.unknown(name)))?;
            let column = &catalog.columns[index];
            match column.family_and_qualifier() {
                Some(_) => Ok((index, &column.kind)),
                None => Err(error(name, "it is a part of the row key".to_owned())),
            }
        };
        let unsupported = |name, kind: &ColumnType| error(name, format!("it is {}", kind.name()));
        let degrees = |name| match find(name)? {
            (index, ColumnType::Float) => Ok((index, Degrees::Float)),
            (index, ColumnType::Double) => Ok((index, Degrees::Double)),
            (_, kind) => Err(unsupported(name, kind)),
        };
        let (class, kind) = find(CLASS)?;
        if *kind != ColumnType::String {
            return Err(unsupported(CLASS, kind));
        }
        let ((ra, ra_degrees), (dec, dec_degrees)) = (degrees(RA)?, degrees(DEC)?);
        Ok(Self { channels, class, ra, dec, degrees: [ra_degrees, dec_degrees] })
    }

    /// The columns to read, as indexes into the catalog's list.
    pub fn needed_columns(&self) -> [usize; 3] {
        [self.class, self.ra, self.dec]
    }

    /// The notices of rows read with `columns`.
    ///
    /// # Errors
    /// A column is not among `columns`.
    pub(super) fn bind(self, catalog: &Catalog, columns: &Columns) -> Result<NoticeBuilder, ColumnNotRead> {
        let [ra, dec] = self.degrees;
        let bind = |column: usize| BoundColumn::new(&catalog.columns[column], catalog.row_key.len(), columns);
        Ok(NoticeBuilder {
            class: bind(self.class)?,
            ra: (bind(self.ra)?, ra),
            dec: (bind(self.dec)?, dec),
            channels: self.channels,
        })
    }
}

/// Builds the notices of rows.
#[derive(Debug)]
pub(super) struct NoticeBuilder {
    channels: Channels,
    class: BoundColumn,
    ra: (BoundColumn, Degrees),
    dec: (BoundColumn, Degrees),
}

impl NoticeBuilder {
    /// The notice of a row; `None` where its class has no channel.
    pub fn build(&self, row: &Row<'_>, object_id: &[u8]) -> Option<Notice> {
        let class = std::str::from_utf8(self.class.stored(row).ok()??).ok()?;
        Some(Notice {
            channel: Arc::clone(self.channels.for_class(class)?),
            object: String::from_utf8_lossy(object_id).into_owned(),
            ra: degrees(row, &self.ra),
            dec: degrees(row, &self.dec),
            class: class.to_owned(),
        })
    }
}

/// A coordinate in degrees. A cell of the wrong width has none to show; the encoder rejects its alert with the reason.
fn degrees(row: &Row<'_>, (column, kind): &(BoundColumn, Degrees)) -> Option<f64> {
    let cell = column.stored(row).ok()??;
    match kind {
        // Through its shortest text: a float of 20.4 is shown as 20.4, not as 20.399999618530273.
        Degrees::Float => cell.try_into().ok().map(f32::from_be_bytes)?.to_string().parse().ok(),
        Degrees::Double => cell.try_into().ok().map(f64::from_be_bytes),
    }
}
