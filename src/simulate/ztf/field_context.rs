//! The position of an object on the camera, and its neighbours in catalogues.

use std::f64::consts::TAU;

use crate::simulate::object::{LightCurve, Object};
use crate::simulate::rng::{AlertRng, Purpose};
use crate::simulate::sky::Position;

/// What is the same in all visits to an object.
pub(super) struct FieldContext {
    /// number of the survey's field
    pub(super) field: i32,
    /// readout channel, 0 to 63
    pub(super) rcid: i32,
    /// position on the readout channel, pixels
    pub(super) x: f64,
    /// position on the readout channel, pixels
    pub(super) y: f64,
    /// the nearest source in the reference image
    pub(super) reference: Neighbour,
    /// its position
    pub(super) reference_position: Position,
    /// the nearest sources in PS1, nearest first; those within 30 arc seconds
    pub(super) neighbours: [Option<Neighbour>; 3],
}

/// A source of a catalogue.
#[derive(Clone, Copy)]
pub(super) struct Neighbour {
    /// number in the catalogue
    pub(super) id: i64,
    /// r magnitude
    pub(super) magnitude: f64,
    /// 1: surely a star, 0: surely a galaxy
    pub(super) star: f64,
    /// arc seconds
    pub(super) distance: f64,
}

impl FieldContext {
    /// The context of an object on the day of its first alert.
    pub(super) fn of(object: &Object, seed: u64) -> Self {
        let rng = &mut AlertRng::new(seed, Purpose::Object, object.discovery.index, 1);
        let at = object.position(object.discovery.day());
        // The star itself, or the host galaxy of the nucleus or supernova.
        let own = match object.light_curve {
            LightCurve::Supernova { .. } => {
                Some((rng.between(0.2, 8.0), rng.between(15.0, 21.0), rng.between(0.0, 0.3)))
            }
            LightCurve::Variable { magnitude, .. } => Some((rng.between(0.02, 0.4), magnitude, rng.between(0.9, 1.0))),
            LightCurve::Agn { magnitude, .. } => Some((rng.between(0.02, 0.5), magnitude, rng.between(0.0, 0.9))),
            LightCurve::MinorPlanet { .. } | LightCurve::Artefact { .. } => None,
        };
        // PS1 numbers its objects by zones of declination, then right ascension.
        let zone = ((at.dec + 90.0) * 120.0) as i64 * 10_000_000_000_000 + (at.ra * 1e6) as i64 * 10_000;
        let mut farther = 0.0;
        let mut next = |own: Option<(f64, f64, f64)>| {
            let (distance, magnitude, star) =
                own.unwrap_or_else(|| (farther + rng.between(1.0, 14.0), rng.between(17.0, 22.5), rng.unit()));
            farther = distance;
            Neighbour { id: zone + rng.below(10_000) as i64, magnitude, star, distance }
        };
        let found = [next(own), next(None), next(None)];
        let angle = rng.between(0.0, TAU);
        let reference = found[0];
        Self {
            field: 245 + ((at.dec + 31.5) / 7.0).max(0.0) as i32 * 50 + (at.ra / 7.2) as i32,
            rcid: rng.below(64) as i32,
            x: rng.between(10.0, 3062.0),
            y: rng.between(10.0, 3070.0),
            reference,
            reference_position: at.offset(reference.distance * angle.sin(), reference.distance * angle.cos()),
            neighbours: found.map(|source| (source.distance < 30.0).then_some(source)),
        }
    }
}
