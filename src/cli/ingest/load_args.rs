//! How alerts are written to the science database, for the commands that do so.

use clap::ValueEnum;

use crate::alert::ListEncoding;
use crate::ingest::{IngestError, IngestOptions};
use crate::units::{MAX_CLOCK_SKEW_MS, future_timestamp_error, parse_timestamp};

/// How alerts are written to the science database.
#[derive(Debug, clap::Args)]
pub struct LoadArgs {
    /// Columns of the row key, which joins them by `_` [default: objectId,candid for ZTF; diaObjectId,diaSourceId for Rubin]
    #[arg(long, value_name = "COL,COL", value_delimiter = ',')]
    row_key: Option<Vec<String>>,
    /// Storage of arrays of records [default: as in the catalog, else avro]
    #[arg(long, value_enum)]
    history: Option<HistoryArg>,
    /// Number of regions of a new table
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000))]
    regions: u16,
    /// Timestamp of the rows: now (clock of the store), milliseconds since 1970, or RFC 3339
    #[arg(long, value_name = "WHEN", default_value = "now", value_parser = timestamp)]
    timestamp: Timestamp,
    /// Maximum alerts per second
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HistoryArg {
    /// as in 2019: a text column for each field; nulls in records replaced; a column `status`
    Text,
    /// lossless: arrays and maps as Avro cells, no cell for null
    Avro,
}

#[derive(Clone, Copy, Debug)]
enum Timestamp {
    Now,
    At(i64),
}

fn timestamp(text: &str) -> Result<Timestamp, String> {
    match text.trim() {
        "now" => Ok(Timestamp::Now),
        text => {
            let ms = parse_timestamp(text)?;
            match future_timestamp_error(ms, jiff::Timestamp::now().as_millisecond(), MAX_CLOCK_SKEW_MS) {
                Some(fault) => Err(format!("{ms} {fault}; such rows would not be distributed before that time")),
                None => Ok(Timestamp::At(ms)),
            }
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| (1e-3..=1e6).contains(rate));
    rate.ok_or_else(|| format!("`{text}` is not a rate: use a number of alerts per second from 0.001 to 1000000"))
}

impl LoadArgs {
    /// Alerts per second.
    pub fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// Whether a flag was given that has no effect without the science database.
    pub fn is_for_database(&self) -> bool {
        self.row_key.is_some() || self.history.is_some() || matches!(self.timestamp, Timestamp::At(_))
    }

    /// The options for the loader.
    pub fn options(&self) -> IngestOptions {
        IngestOptions {
            row_key: self.row_key.clone(),
            history: self.history.map(|history| match history {
                HistoryArg::Text => ListEncoding::Text,
                HistoryArg::Avro => ListEncoding::Avro,
            }),
            regions: self.regions.into(),
            timestamp: match self.timestamp {
                Timestamp::Now => None,
                Timestamp::At(ms) => Some(crate::timestamp::Timestamp::from_millis(ms)),
            },
            skip_existing: false,
            rate: self.rate,
        }
    }
}

/// The error, with the option that corrects it.
pub(crate) fn with_hint(error: IngestError) -> anyhow::Error {
    match error {
        IngestError::RowKey(_) => anyhow::anyhow!("{error} (--row-key COL,COL)"),
        error => error.into(),
    }
}
