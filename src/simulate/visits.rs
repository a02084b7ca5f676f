//! When an object was looked at, and what was measured then.

use super::Survey;
use super::dice::{Dice, Purpose};
use super::object::{self, Measure, Nature, Object};
use super::schedule::Slot;
use super::sky::Position;

/// One look at an object.
pub(super) struct Visit {
    /// day of the schedule; negative before its first day
    pub(super) day: f64,
    /// 0 = u, 1 = g … 5 = y
    pub(super) band: usize,
    /// the alert that this look made; `None` where the stream has none of it
    pub(super) alert: Option<Slot>,
    /// what was measured
    pub(super) measure: Measure,
    /// where the object was
    pub(super) position: Position,
    /// for whatever else is to be known about this look
    pub(super) dice: Dice,
}

impl Visit {
    /// Whether the object was detected.
    pub(super) fn is_detection(&self) -> bool {
        self.alert.is_some() || self.measure.is_detection()
    }
}

/// The look that made the alert in `slot`.
pub(super) fn now(object: &Object, slot: Slot, seed: u64, survey: Survey) -> Visit {
    look(object, slot.night as i64, slot.day(), Some(slot), seed, survey)
}

/// The looks at the object in the `nights` before `slot`, in the order of time. Every alert of the object is among them.
pub(super) fn before(object: &Object, slot: Slot, nights: u64, seed: u64, survey: Survey) -> Vec<Visit> {
    let clear = match survey {
        Survey::Ztf => 0.45,
        Survey::Lsst => 0.6,
    };
    let mut visits = Vec::new();
    for back in (1..=nights).rev() {
        match slot.earlier(back).filter(|earlier| earlier.night >= object.birth.night) {
            Some(earlier) => visits.push(now(object, earlier, seed, survey)),
            None => {
                let night = slot.night as i64 - back as i64;
                let mut weather = Dice::new(seed, Purpose::Weather, object.birth.index, night);
                if weather.chance(clear) {
                    let day = night as f64 + (slot.tick() as f64 + 220.0) / 1e5;
                    visits.push(look(object, night, day, None, seed, survey));
                }
            }
        }
    }
    visits
}

/// How many nights of history an alert has, unless its size is asked for.
pub(super) fn usual_nights(object: &Object, slot: Slot, seed: u64, survey: Survey) -> u64 {
    let mut dice = Dice::new(seed, Purpose::Weather, object.birth.index, i64::MIN);
    let before_birth = match (survey, &object.nature) {
        (Survey::Ztf, _) => return 30,
        (Survey::Lsst, Nature::Moving { .. }) => return 0,
        (Survey::Lsst, Nature::Artefact { .. }) => 0,
        (Survey::Lsst, Nature::Supernova { .. }) => 10 + dice.below(30),
        (Survey::Lsst, Nature::Variable { .. } | Nature::Nucleus { .. }) => dice.below(60),
    };
    before_birth + (slot.night - object.birth.night)
}

fn look(object: &Object, night: i64, day: f64, alert: Option<Slot>, seed: u64, survey: Survey) -> Visit {
    let mut dice = Dice::new(seed, Purpose::Visit, object.birth.index, night);
    let (band, limit) = match survey {
        Survey::Ztf => {
            (if dice.chance(0.03) { 3 } else { 1 + night.rem_euclid(2) as usize }, dice.normal() * 0.35 + 20.3)
        }
        Survey::Lsst => (dice.below(6) as usize, dice.normal() * 0.25 + 23.6),
    };
    let error = object::flux(limit) / 5.0;
    let measure = object.measure(day, band, error, alert.is_some(), &mut dice);
    let centroid = 0.3 / measure.snr().max(5.0);
    let position = object.position(day).offset(centroid * dice.normal(), centroid * dice.normal());
    Visit { day, band, alert, measure, position, dice }
}
