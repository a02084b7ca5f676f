//! Writes ZTF alerts.

use std::f64::consts::TAU;

use super::dates::julian;
use super::detection::{self, DetectionHistory};
use super::field_context::FieldContext;
use super::packet::PrvCandidate;
use super::stamps::{Image, Stamps};
use crate::avro::{write_bytes, write_long};
use crate::simulate::alert_identity::AlertIdentity;
use crate::simulate::avro_record::{AvroWriter, Encode};
use crate::simulate::enriched::{Known, ZtfColumns};
use crate::simulate::error::SimulateError;
use crate::simulate::noise::Noise;
use crate::simulate::object::{self, LightCurve, Object};
use crate::simulate::options::SimulatorOptions;
use crate::simulate::rng::{AlertRng, Purpose};
use crate::simulate::schedule::Pointing;
use crate::simulate::survey::Survey;
use crate::simulate::visits;

/// Zero point: counts of a source of this magnitude are 1.
const ZERO_POINT: f64 = 26.2;

/// Writes ZTF alerts.
pub(in crate::simulate) struct Ztf {
    seed: u64,
    options: SimulatorOptions,
    noise: Noise,
    stamps: Stamps,
}

impl Ztf {
    pub(in crate::simulate) fn new(seed: u64, options: SimulatorOptions) -> Result<Self, SimulateError> {
        Ok(Self { seed, options, noise: Noise::new(seed), stamps: Stamps::new(seed)? })
    }

    /// Appends the alert of `pointing`, with `nights` of history; `None`: the usual number. Returns the number too.
    pub(in crate::simulate) fn alert(
        &mut self,
        pointing: Pointing,
        nights: Option<u64>,
        datum: &mut Vec<u8>,
    ) -> Result<(AlertIdentity, u64), SimulateError> {
        let object = Object::seen_in(pointing, self.seed, Survey::Ztf);
        let context = FieldContext::of(&object, self.seed);
        let nights = nights.unwrap_or_else(|| visits::usual_nights(&object, pointing, self.seed, Survey::Ztf));
        let history = visits::before(&object, pointing, nights, self.seed, Survey::Ztf);
        let mut visit = visits::now(&object, pointing, self.seed, Survey::Ztf);
        let rng = &mut AlertRng::new(self.seed, Purpose::Alert, pointing.index, 0);

        let past = DetectionHistory::of(&object, &history, &visit);
        let enriched = self.options.enriched.then(|| {
            let known = Known { seed: self.seed, object: &object, history: &history, now: &visit };
            ZtfColumns::of(&known, julian(0.0), past.first)
        });
        let object_id = object_id(&object);
        let seen = detection::detection(&object, &context, &mut visit, false);
        let (candid, pid) = (seen.candid, seen.exposure.pid);
        let sigma = seen.shape.fwhm.unwrap_or(3.0) / 2.355;

        let out = &mut AvroWriter { bytes: datum, null_first: false };
        "3.3".encode(out);
        // Fink calls itself the publisher of what it distributes.
        if self.options.enriched { "Fink" } else { "ZTF (www.ztf.caltech.edu)" }.encode(out);
        object_id.encode(out);
        candid.encode(out);
        if self.options.fink {
            Some(object.catalogued()).encode(out);
        }
        detection::candidate(seen, &object, &context, &past, rng).encode(out);
        let is_alone =
            history.is_empty() || matches!(object.light_curve, LightCurve::Artefact { .. }) && rng.chance(0.3);
        let history: Vec<PrvCandidate> =
            history.into_iter().map(|visit| detection::earlier(&object, &context, visit)).collect();
        (!is_alone).then_some(history).encode(out);

        // The peak of a Gaussian source is its counts divided by 2πσ².
        let area = TAU * f64::from(sigma).powi(2);
        let peak = |flux: f64| (flux.signum() * counts(flux.abs()) / area) as f32;
        let steady = object.template(visit.band).map_or(0.0, object::flux);
        for (image, flux, name) in [
            (Image::Science, steady + visit.measure.flux, format!("candid{candid}_pid{pid}_targ_sci.fits.gz")),
            (Image::Template, steady, format!("candid{candid}_ref.fits.gz")),
            // ZTF stores the difference of a fainter source times −1.
            (Image::Difference, visit.measure.flux.abs(), format!("candid{candid}_pid{pid}_targ_refmsci.fits.gz")),
        ] {
            // Each stamp is a record in a union whose first branch it is.
            write_long(0, datum);
            write_bytes(name.as_bytes(), datum);
            write_bytes(self.stamps.stamp(image, peak(flux), sigma, &self.noise, rng)?, datum);
        }
        if let Some(columns) = enriched {
            columns.encode(&mut AvroWriter { bytes: datum, null_first: false });
        }
        Ok((AlertIdentity { object: Some(object_id), source: candid, jd: julian(visit.day) }, nights))
    }
}

/// Counts on the detector of a flux in nJy.
fn counts(flux: f64) -> f64 {
    10f64.powf((ZERO_POINT - object::magnitude(flux)) / 2.5)
}

/// `ZTF`, the year of the first alert and seven letters, as ZTF names objects.
fn object_id(object: &Object) -> String {
    const SIX_LETTERS: u64 = 26u64.pow(6);
    let year = 2020 + (object.discovery.day() / 365.25) as u64;
    let (lap, number) = (object.discovery.index / SIX_LETTERS, object.discovery.index % SIX_LETTERS);
    // Multiplying by a number that shares no factor with 26 reaches every name once.
    let mut rest = lap % 26 * SIX_LETTERS + number * 192_616_031 % SIX_LETTERS;
    let mut letters = *b"aaaaaaa";
    for letter in letters.iter_mut().rev() {
        *letter += (rest % 26) as u8;
        rest /= 26;
    }
    format!("ZTF{:02}{}", year % 100, String::from_utf8_lossy(&letters))
}
