//! The visits to an object, and what each measured.

use super::object::{self, LightCurve, Measurement, Object};
use super::rng::{AlertRng, Purpose};
use super::schedule::Pointing;
use super::sky::Position;
use super::survey::Survey;

/// One visit to an object.
pub(super) struct Visit {
    /// day of the schedule; negative before its first day
    pub(super) day: f64,
    /// 0 = u, 1 = g … 5 = y
    pub(super) band: usize,
    /// the alert of this visit; `None` if it made none
    pub(super) alert: Option<Pointing>,
    /// what was measured
    pub(super) measure: Measurement,
    /// position of the object
    pub(super) position: Position,
    /// random numbers for all other properties of this visit
    pub(super) rng: AlertRng,
}

impl Visit {
    /// Whether the object was detected.
    pub(super) fn is_detection(&self) -> bool {
        self.alert.is_some() || self.measure.is_detection()
    }
}

/// The visit that made the alert of `pointing`.
pub(super) fn now(object: &Object, pointing: Pointing, seed: u64, survey: Survey) -> Visit {
    visit_on(object, pointing.night as i64, pointing.day(), Some(pointing), seed, survey)
}

/// The visits in the `nights` before `pointing`, in the order of time. They include all earlier alerts of the object in these nights.
pub(super) fn before(object: &Object, pointing: Pointing, nights: u64, seed: u64, survey: Survey) -> Vec<Visit> {
    let clear = match survey {
        Survey::Ztf => 0.45,
        Survey::Lsst => 0.6,
    };
    let mut visits = Vec::new();
    for back in (1..=nights).rev() {
        match pointing.earlier(back).filter(|earlier| earlier.night >= object.discovery.night) {
            Some(earlier) => visits.push(now(object, earlier, seed, survey)),
            None => {
                let night = pointing.night as i64 - back as i64;
                let mut weather = AlertRng::new(seed, Purpose::Weather, object.discovery.index, night);
                if weather.chance(clear) {
                    let day = night as f64 + (pointing.tick() as f64 + 220.0) / 1e5;
                    visits.push(visit_on(object, night, day, None, seed, survey));
                }
            }
        }
    }
    visits
}

/// The number of nights of history of an alert whose size is not given.
pub(super) fn usual_nights(object: &Object, pointing: Pointing, seed: u64, survey: Survey) -> u64 {
    let mut rng = AlertRng::new(seed, Purpose::Weather, object.discovery.index, i64::MIN);
    let before_discovery = match (survey, &object.light_curve) {
        (Survey::Ztf, _) => return 30,
        (Survey::Lsst, LightCurve::MinorPlanet { .. }) => return 0,
        (Survey::Lsst, LightCurve::Artefact { .. }) => 0,
        (Survey::Lsst, LightCurve::Supernova { .. }) => 10 + rng.below(30),
        (Survey::Lsst, LightCurve::Variable { .. } | LightCurve::Agn { .. }) => rng.below(60),
    };
    before_discovery + (pointing.night - object.discovery.night)
}

fn visit_on(object: &Object, night: i64, day: f64, alert: Option<Pointing>, seed: u64, survey: Survey) -> Visit {
    let mut rng = AlertRng::new(seed, Purpose::Visit, object.discovery.index, night);
    let (band, limit) = match survey {
        Survey::Ztf => {
            (if rng.chance(0.03) { 3 } else { 1 + night.rem_euclid(2) as usize }, rng.normal() * 0.35 + 20.3)
        }
        Survey::Lsst => (rng.below(6) as usize, rng.normal() * 0.25 + 23.6),
    };
    let error = object::flux(limit) / 5.0;
    let measure = object.measure(day, band, error, alert.is_some(), &mut rng);
    let centroid = 0.3 / measure.snr().max(5.0);
    let position = object.position(day).offset(centroid * rng.normal(), centroid * rng.normal());
    Visit { day, band, alert, measure, position, rng }
}
