//! The alerts that are looked at, in memory: the newest of them, up to a number.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use serde_json::Value;

use super::light_curve::by_name;
use super::survey::Survey;
use crate::alert::decoder::{BytesFormat, Decoder, Scalar};
use crate::avro::Malformed;
use crate::consume::observation::{Observation, ObservationReader};

/// What [`Survey::of`] looks at.
const SURVEY_FIELDS: [&str; 6] =
    ["objectId", "publisher", "candidate.fid", "candidate.jd", "diaSource.psfFlux", "diaSource.midpointMjdTai"];

/// Where an alert comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// a file
    File(PathBuf),
    /// a message
    Message {
        /// its topic
        topic: String,
        /// its partition
        partition: i32,
        /// its offset
        offset: i64,
        /// when the row was written to the science database, ms since 1970
        written: Option<i64>,
        /// when the message was received here, ms since 1970
        received: i64,
    },
}

/// An alert.
#[derive(Debug)]
pub struct StoredAlert {
    /// counts the alerts from 1 as they come
    pub number: u64,
    /// for its schema
    pub decoder: Arc<Decoder>,
    /// a whole datum of that schema
    pub datum: Vec<u8>,
    /// what the list shows of it
    pub observation: Observation,
    /// the survey
    pub survey: Survey,
    /// where it comes from
    pub origin: Origin,
}

impl StoredAlert {
    /// The whole alert as JSON, without its bytes.
    ///
    /// # Errors
    /// The datum is damaged.
    pub fn json(&self) -> Result<Value, Malformed> {
        self.decoder.value(&self.datum, BytesFormat::Null)
    }
}

/// An alert that is not stored yet.
#[derive(Debug)]
pub struct NewAlert {
    /// for its schema
    pub decoder: Arc<Decoder>,
    /// a whole datum of that schema
    pub datum: Vec<u8>,
    /// where it comes from
    pub origin: Origin,
}

/// Reads what the list shows.
#[derive(Debug, Default)]
pub struct AlertReader {
    observations: ObservationReader,
}

impl AlertReader {
    /// What an alert says of its detection, and the survey.
    ///
    /// # Errors
    /// The datum is damaged.
    pub fn read(&mut self, alert: &NewAlert) -> Result<(Observation, Survey), Malformed> {
        let mut observation = self.observations.read(&alert.decoder, &alert.datum)?;
        let survey = survey(alert)?;
        if survey == Survey::Other {
            let json = alert.decoder.value(&alert.datum, BytesFormat::Null)?;
            by_name::complete(&json, &mut observation);
        }
        Ok((observation, survey))
    }
}

/// The fields that tell surveys apart, without the rest of the alert.
fn survey(alert: &NewAlert) -> Result<Survey, Malformed> {
    let mut json = serde_json::json!({});
    for field in SURVEY_FIELDS.into_iter().filter(|field| alert.decoder.has_field(field)) {
        let Ok(projection) = alert.decoder.projection(&[field]) else { continue };
        let value = match projection.read(&alert.datum)?.first() {
            Some(Scalar::Text(text)) => Value::from(*text),
            _ => Value::Null,
        };
        match field.split_once('.') {
            Some((record, field)) => json[record][field] = value,
            None => json[field] = value,
        }
    }
    Ok(Survey::of(&json))
}

/// The newest alerts, up to a number.
#[derive(Debug)]
pub struct AlertStore {
    alerts: RwLock<Alerts>,
    capacity: usize,
}

/// The alerts and what is known of those that are not among them.
#[derive(Debug, Default)]
pub struct Alerts {
    /// oldest first
    alerts: VecDeque<Arc<StoredAlert>>,
    /// how many have come
    count: u64,
    /// files or messages that could not be decoded
    broken: u64,
    /// the last fault, in words
    problem: Option<String>,
}

impl AlertStore {
    /// Without alerts.
    pub fn new(capacity: usize) -> Self {
        Self { alerts: RwLock::default(), capacity }
    }

    /// Adds an alert, and drops the oldest where there are too many.
    pub fn push(&self, alert: NewAlert, observation: Observation, survey: Survey) {
        let mut alerts = self.alerts.write().unwrap_or_else(PoisonError::into_inner);
        alerts.count += 1;
        let NewAlert { decoder, datum, origin } = alert;
        let number = alerts.count;
        alerts.alerts.push_back(Arc::new(StoredAlert { number, decoder, datum, observation, survey, origin }));
        if alerts.alerts.len() > self.capacity {
            alerts.alerts.pop_front();
        }
    }

    /// Counts a file or message that cannot be decoded.
    pub fn count_broken(&self) {
        self.alerts.write().unwrap_or_else(PoisonError::into_inner).broken += 1;
    }

    /// Says why no alerts come at the moment; `None`: they do.
    pub fn set_problem(&self, problem: Option<String>) {
        self.alerts.write().unwrap_or_else(PoisonError::into_inner).problem = problem;
    }

    /// The alerts as they are now; none is added meanwhile.
    pub fn read(&self) -> RwLockReadGuard<'_, Alerts> {
        self.alerts.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The alert with this number, if it is still there.
    pub fn get(&self, number: u64) -> Option<Arc<StoredAlert>> {
        let alerts = self.read();
        let first = alerts.alerts.front()?.number;
        let at = usize::try_from(number.checked_sub(first)?).ok()?;
        alerts.alerts.get(at).cloned()
    }

    /// The other alerts of the same object.
    pub fn others(&self, alert: &StoredAlert) -> Vec<Arc<StoredAlert>> {
        let Some(object) = &alert.observation.object else { return Vec::new() };
        let alerts = self.read();
        let same = alerts.iter().filter(|other| {
            other.number != alert.number
                && other.survey == alert.survey
                && other.observation.object.as_ref() == Some(object)
        });
        same.cloned().collect()
    }
}

impl Alerts {
    /// Oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<StoredAlert>> {
        self.alerts.iter()
    }

    /// How many have come, those that are dropped included.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many files or messages could not be decoded.
    pub fn broken(&self) -> u64 {
        self.broken
    }

    /// Why no alerts come at the moment.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro::Schema;

    #[test]
    fn the_oldest_alerts_are_dropped_and_numbers_stay() {
        let schema = r#"{"type":"record","name":"a","fields":[{"name":"objectId","type":"string"}]}"#;
        let decoder = Arc::new(Decoder::new(Schema::parse(schema).expect("a schema")));
        let (store, mut reader) = (AlertStore::new(2), AlertReader::default());
        for object in ["a", "b", "b"] {
            let mut datum = Vec::new();
            crate::avro::write_bytes(object.as_bytes(), &mut datum);
            let alert = NewAlert { decoder: Arc::clone(&decoder), datum, origin: Origin::File("f".into()) };
            let (observation, survey) = reader.read(&alert).expect("a datum");
            store.push(alert, observation, survey);
        }
        assert!(store.get(1).is_none() && store.get(4).is_none() && store.get(0).is_none());
        let third = store.get(3).expect("an alert");
        assert_eq!(store.others(&third).iter().map(|alert| alert.number).collect::<Vec<_>>(), [2]);
        assert_eq!((store.read().count(), third.json().expect("JSON")["objectId"].as_str()), (3, Some("b")));
    }
}
