//! The columns that Fink's science modules add to the alerts of a survey, with plausible values.
//!
//! Names, types and order are those of fink-broker (`fink_broker/ztf/science.py`, `fink_broker/rubin/science.py` as of November 2026). What an
//! object is, and where catalogues know it, is the same in all its alerts; scores grow surer with the number of detections.

mod catalogs;
mod column;
mod features;
mod lsst;
mod nature;
mod scores;
mod ztf;

pub(super) use lsst::LsstColumns;
pub(super) use ztf::ZtfColumns;

use serde_json::Value;

use super::object::Object;
use super::rng::{AlertRng, Purpose};
use super::survey::Survey;
use super::visits::Visit;

/// What Fink knows of an alert: its object, and the visits that the alert contains.
pub(super) struct Known<'a> {
    pub(super) seed: u64,
    pub(super) object: &'a Object,
    /// in the order of time
    pub(super) history: &'a [Visit],
    pub(super) now: &'a Visit,
}

impl Known<'_> {
    /// The detections, of which the present one is the last.
    fn detections(&self) -> impl Iterator<Item = &Visit> {
        self.history.iter().filter(|visit| visit.is_detection()).chain([self.now])
    }

    /// Random numbers that are the same in all alerts of the object.
    fn object_rng(&self) -> AlertRng {
        AlertRng::new(self.seed, Purpose::Enrichment, self.object.discovery.index, i64::MIN)
    }

    /// Random numbers of this alert.
    fn alert_rng(&self) -> AlertRng {
        let number = self.now.alert.map_or(0, |pointing| pointing.index);
        AlertRng::new(self.seed, Purpose::Enrichment, number, 0)
    }
}

/// The fields that are added at the end of the schema of a survey.
pub(super) fn schema_fields(survey: Survey) -> Vec<Value> {
    match survey {
        Survey::Ztf => ZtfColumns::schema_fields(false),
        Survey::Lsst => LsstColumns::schema_fields(true),
    }
}

/// A moment as Spark writes a timestamp that is cast to a string; `julian` is a Julian date in UTC.
fn timestamp(julian: f64) -> String {
    let ms = ((julian - 2_440_587.5) * 86_400_000.0).round() as i64;
    let moment = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    moment.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}
