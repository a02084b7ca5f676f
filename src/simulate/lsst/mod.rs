//! Rubin alerts.

mod minor_planet;
mod packet;
mod source;
mod stamps;

use minor_planet::Designation;
use source::VisitIds;
use stamps::{Stamp, Stamps};

use super::avro_record::{AvroWriter, Encode};
use super::noise::Noise;
use super::object::{self, LightCurve, Object};
use super::rng::{AlertRng, Purpose};
use super::schedule::Pointing;
use super::visits;
use super::{AlertIdentity, SimulatorOptions, Survey};
use crate::avro::{write_bytes, write_long};

/// Modified Julian date of the schedule's first day: 2025-11-01.
const FIRST_DAY: f64 = 60_980.0;
/// Julian date less modified Julian date.
const JULIAN: f64 = 2_400_000.5;

fn mjd(day: f64) -> f64 {
    FIRST_DAY + day
}

/// What an alert's object is called.
struct ObjectIds {
    dia_object: Option<i64>,
    ss_object: Option<i64>,
}

impl ObjectIds {
    /// Objects are numbered by the pointing of their first alert.
    fn of(object: &Object, designation: Option<&Designation>) -> Self {
        let is_lost = matches!(object.light_curve, LightCurve::Artefact { .. }) && object.discovery.index % 40 == 17;
        let number = ((mjd(object.discovery.day()) as i64) << 41) | ((object.discovery.tick() as i64) << 24) | 0x8000;
        let dia_object = designation.is_none() && !is_lost;
        Self {
            dia_object: dia_object.then_some(number | ((object.discovery.lap() as i64) << 16)),
            ss_object: designation.map(Designation::ss_object_id),
        }
    }
}

/// Writes Rubin alerts.
pub(super) struct Lsst {
    seed: u64,
    options: SimulatorOptions,
    noise: Noise,
    stamps: Stamps,
    stamp: Vec<u8>,
}

impl Lsst {
    pub(super) fn new(seed: u64, options: SimulatorOptions) -> Self {
        Self { seed, options, noise: Noise::new(seed), stamps: Stamps::new(), stamp: Vec::new() }
    }

    /// Appends the alert in `pointing`, with `nights` of history or as many as are usual; also tells how many.
    pub(super) fn alert(
        &mut self,
        pointing: Pointing,
        nights: Option<u64>,
        datum: &mut Vec<u8>,
    ) -> (AlertIdentity, u64) {
        let object = Object::seen_in(pointing, self.seed, Survey::Lsst);
        let usual = visits::usual_nights(&object, pointing, self.seed, Survey::Lsst);
        let has_history = matches!(
            object.light_curve,
            LightCurve::Supernova { .. } | LightCurve::Variable { .. } | LightCurve::Agn { .. }
        );
        let nights = nights.filter(|_| has_history).unwrap_or(usual);
        let history = visits::before(&object, pointing, nights, self.seed, Survey::Lsst);
        let mut visit = visits::now(&object, pointing, self.seed, Survey::Lsst);
        let rng = &mut AlertRng::new(self.seed, Purpose::Alert, pointing.index, 0);

        let designation = object.is_minor_planet().then(|| Designation::number(object.discovery.index));
        let ids = ObjectIds::of(&object, designation.as_ref());
        let visit_ids = VisitIds::of(&mut visit);
        let source = source::dia_source(&object, &ids, &visit_ids, &mut visit);
        let (dia_source, pixel) = (source.diaSourceId, (source.x, source.y));
        // Forced photometry goes back before the first detection.
        let (mut forced, mut earlier) = (Vec::with_capacity(history.len()), Vec::new());
        for mut visit in history {
            let visit_ids = VisitIds::of(&mut visit);
            if let Some(id) = ids.dia_object {
                forced.push(source::forced_source(&object, id, &visit_ids, &visit));
            }
            if visit.is_detection() {
                earlier.push(source::dia_source(&object, &ids, &visit_ids, &mut visit));
            }
        }
        let dia_object = ids.dia_object.map(|id| {
            let all: Vec<_> = earlier.iter().chain([&source]).collect();
            source::dia_object(&object, id, &all)
        });

        let out = &mut AvroWriter { bytes: datum, null_first: true };
        dia_source.encode(out);
        if self.options.fink {
            Some(object.catalogued()).encode(out);
        }
        Some(rng.one_of(&["science", "pairs_i_30.0", "template_blob_gr_33.0", "ddf_cosmos"])).encode(out);
        rng.chance(0.3).then(|| "lowdust".to_owned()).encode(out);
        source.encode(out);
        (!earlier.is_empty()).then_some(earlier).encode(out);
        ids.dia_object.map(|_| forced).encode(out);
        dia_object.encode(out);
        let ss_source = designation
            .as_ref()
            .map(|name| minor_planet::ss_source(dia_source, name, &object, visit.position, visit.day, rng));
        ss_source.encode(out);
        let orbit = designation.filter(|_| !rng.chance(0.05)).map(|name| {
            let rng = &mut AlertRng::new(self.seed, Purpose::Object, object.discovery.index, 1);
            minor_planet::orbit(name, object.discovery.index, &object, rng)
        });
        orbit.encode(out);

        let side = if rng.chance(0.15) { 40 } else { 30 };
        let (angle, seeing) = (rng.between(0.0, std::f64::consts::TAU), rng.below(4) as usize);
        let steady = object.template(visit.band).map_or(0.0, object::flux);
        let measure = visit.measure;
        for (flux, error, is_template) in [
            (measure.flux, measure.error, false),
            (steady + measure.flux, measure.error * 0.9, false),
            (steady, measure.error * 0.3, true),
        ] {
            let stamp = Stamp {
                side,
                at: visit.position,
                pixel,
                angle,
                flux: flux as f32,
                error: error as f32,
                seeing,
                is_template,
            };
            self.stamp.clear();
            self.stamps.write(&stamp, &self.noise, rng, &mut self.stamp);
            // The second branch of the union: not null.
            write_long(1, datum);
            write_bytes(&self.stamp, datum);
        }
        let object = ids.dia_object.or(ids.ss_object).map(|id| id.to_string());
        (AlertIdentity { object, source: dia_source, jd: JULIAN + mjd(visit.day) }, nights)
    }
}

/// The fields that are written of each record.
#[cfg(test)]
pub(super) fn records() -> Vec<(&'static str, Vec<String>)> {
    vec![
        ("diaSource", packet::DiaSource::fields()),
        ("diaForcedSource", packet::DiaForcedSource::fields()),
        ("diaObject", packet::DiaObject::fields()),
        ("ssSource", packet::SsSource::fields()),
        ("mpc_orbits", packet::MpcOrbits::fields()),
    ]
}
