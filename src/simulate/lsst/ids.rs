//! Dates, and the identifiers of objects.

use super::minor_planet::Designation;
use crate::simulate::object::{LightCurve, Object};

/// Modified Julian date of the schedule's first day: 2025-11-01.
const FIRST_DAY: f64 = 60_980.0;
/// Julian date less modified Julian date.
pub(super) const JULIAN: f64 = 2_400_000.5;

/// Modified Julian date of a day of the schedule.
pub(super) fn mjd(day: f64) -> f64 {
    FIRST_DAY + day
}

/// The identifiers of an alert's object.
pub(super) struct ObjectIds {
    pub(super) dia_object: Option<i64>,
    pub(super) ss_object: Option<i64>,
}

impl ObjectIds {
    /// The identifiers of `object`, which depend on the pointing of its first alert.
    pub(super) fn of(object: &Object, designation: Option<&Designation>) -> Self {
        let is_lost = matches!(object.light_curve, LightCurve::Artefact { .. }) && object.discovery.index % 40 == 17;
        let number = ((mjd(object.discovery.day()) as i64) << 41) | ((object.discovery.tick() as i64) << 24) | 0x8000;
        let dia_object = designation.is_none() && !is_lost;
        Self {
            dia_object: dia_object.then_some(number | ((object.discovery.lap() as i64) << 16)),
            ss_object: designation.map(Designation::ss_object_id),
        }
    }
}
