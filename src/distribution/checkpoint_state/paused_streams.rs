//! Pauses of streams, and what they miss: changes of the state that are committed with the checkpoint.

use std::time::Duration;

use super::{CheckpointState, CheckpointStateError, Intervals, Missed, Record};
use crate::distribution::clock::ClockReading;
use crate::timestamp::Timestamp;
use crate::window::Window;

impl CheckpointState {
    /// The time from which on nothing is done: no row written since is on a topic.
    fn done_until(&self) -> Timestamp {
        let newest = self.ledger.newest().map(|newest| newest + Duration::from_millis(1));
        newest.into_iter().chain([self.watermark]).max().unwrap_or(self.watermark)
    }

    /// Pauses the stream `name` at `now`: it misses the alerts written from the time on from which on nothing is done. Returns the records that say
    /// so; `None`: it is paused already. Not to be called during the history lane, which does not publish in the order of time.
    ///
    /// # Errors
    /// A record cannot be written as JSON.
    pub(crate) fn pause(&mut self, name: &str, now: Timestamp) -> Result<Option<Vec<Record>>, CheckpointStateError> {
        match self.missed.pause(name, now, self.done_until())? {
            Some(record) => Ok(Some(vec![record, self.state_record()?])),
            None => Ok(None),
        }
    }

    /// Ends the pause of the stream `name`: it misses no alert written from the time on from which on nothing is done. Returns the records that say so;
    /// `None`: it is not paused. Not to be called during the history lane.
    ///
    /// # Errors
    /// A record cannot be written as JSON.
    pub(crate) fn resume(&mut self, name: &str) -> Result<Option<Vec<Record>>, CheckpointStateError> {
        match self.missed.resume(name, self.done_until())? {
            Some(mut records) => {
                records.push(self.state_record()?);
                Ok(Some(records))
            }
            None => Ok(None),
        }
    }

    /// The stream whose missed alerts are to be read next, and the window, at `now`. Only streams that `is_known` accepts.
    pub(crate) fn next_missed(
        &self,
        now: ClockReading,
        intervals: &Intervals,
        is_known: impl Fn(&str) -> bool,
    ) -> Option<(&str, Window)> {
        // A user may have moved the watermark further, to rows that are not visible yet.
        let complete_until = self.watermark.min(now.steady - intervals.repair);
        self.missed.next(complete_until, is_known)
    }

    /// What streams miss, to start and advance the scan of it.
    pub(crate) fn missed_mut(&mut self) -> &mut Missed {
        &mut self.missed
    }

    /// The records of how far the scan has come. A window whose key ranges are all done is missed no more.
    ///
    /// # Errors
    /// There is no such scan.
    pub(crate) fn missed_records(&mut self, name: &str) -> Result<Vec<Record>, CheckpointStateError> {
        let mut records = self.missed.scan_records(name)?;
        records.push(self.state_record()?);
        Ok(records)
    }
}
