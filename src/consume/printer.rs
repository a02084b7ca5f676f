//! Alerts on stdout, as a table or as lines of JSON.

use std::io::{self, Write};

use super::error::ConsumeError;
use super::ndjson::NdjsonWriter;
use super::observation::ObservationReader;
use super::table::AlertTable;
use crate::kafka::Message;
use crate::messages::Alert;

/// What is held back until the next flush, bytes: a pipe takes no more at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// How alerts are printed.
#[derive(Debug)]
pub enum PrintFormat {
    /// columns
    Table(AlertTable),
    /// JSON
    Ndjson(Box<NdjsonWriter>),
}

/// Prints alerts.
#[derive(Debug)]
pub struct Printer {
    format: PrintFormat,
    observations: ObservationReader,
    has_heading: bool,
    buffer: Vec<u8>,
}

impl Printer {
    /// Prints in this format.
    pub fn new(format: PrintFormat) -> Self {
        Self { format, observations: ObservationReader::default(), has_heading: false, buffer: Vec::new() }
    }

    /// Takes an alert; it is on stdout after the next [`flush`](Self::flush).
    ///
    /// # Errors
    /// A field that the alerts do not have, or stdout fails.
    pub fn add(&mut self, message: &Message, alert: &Alert<'_>) -> Result<(), ConsumeError> {
        match &mut self.format {
            PrintFormat::Table(table) => {
                if !std::mem::replace(&mut self.has_heading, true) {
                    self.buffer.extend_from_slice(table.heading().as_bytes());
                    self.buffer.push(b'\n');
                }
                let observation = self.observations.read(&alert.decoder, &alert.datum);
                let observation = observation.map_err(|error| ConsumeError::Format(error.to_string()))?;
                let now = jiff::Timestamp::now().as_millisecond();
                self.buffer.extend_from_slice(table.line(&observation, message, now).as_bytes());
                self.buffer.push(b'\n');
            }
            PrintFormat::Ndjson(writer) => {
                writer.write(message, &alert.decoder, &alert.datum, &mut self.buffer)?;
            }
        }
        match self.buffer.len() >= BUFFER_BYTES {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Writes what is held back.
    ///
    /// # Errors
    /// Stdout fails.
    pub fn flush(&mut self) -> Result<(), ConsumeError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        out.write_all(&self.buffer).and_then(|()| out.flush()).map_err(ConsumeError::Stdout)?;
        self.buffer.clear();
        Ok(())
    }
}
