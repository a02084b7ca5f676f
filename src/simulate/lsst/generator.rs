//! Writes Rubin alerts.

use super::ids::{JULIAN, ObjectIds, mjd};
use super::minor_planet::{self, Designation};
use super::source::{self, VisitIds};
use super::stamps::{Stamp, Stamps};
use crate::avro::{write_bytes, write_long};
use crate::simulate::alert_identity::AlertIdentity;
use crate::simulate::avro_record::{AvroWriter, Encode};
use crate::simulate::enriched::{Known, LsstColumns};
use crate::simulate::noise::Noise;
use crate::simulate::object::{self, LightCurve, Object};
use crate::simulate::options::SimulatorOptions;
use crate::simulate::rng::{AlertRng, Purpose};
use crate::simulate::schedule::Pointing;
use crate::simulate::survey::Survey;
use crate::simulate::visits;

/// Writes Rubin alerts.
pub(in crate::simulate) struct Lsst {
    seed: u64,
    options: SimulatorOptions,
    noise: Noise,
    stamps: Stamps,
    stamp: Vec<u8>,
}

impl Lsst {
    pub(in crate::simulate) fn new(seed: u64, options: SimulatorOptions) -> Self {
        Self { seed, options, noise: Noise::new(seed), stamps: Stamps::new(), stamp: Vec::new() }
    }

    /// Appends the alert of `pointing`, with `nights` of history; `None`: the usual number. Returns the number too.
    pub(in crate::simulate) fn alert(
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

        let enriched = self.options.enriched.then(|| {
            let known = Known { seed: self.seed, object: &object, history: &history, now: &visit };
            LsstColumns::of(&known, mjd(0.0))
        });
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
        if let Some(columns) = enriched {
            columns.encode(&mut AvroWriter { bytes: datum, null_first: true });
        }
        let object = ids.dia_object.or(ids.ss_object).map(|id| id.to_string());
        (AlertIdentity { object, source: dia_source, jd: JULIAN + mjd(visit.day) }, nights)
    }
}
