//! The scores of Fink's classifiers.

use super::nature::Nature;
use crate::simulate::rng::AlertRng;

/// A score between 0 and 1 of a classifier for which the object is a case of its class, or not.
pub(super) fn score(is_case: bool, detections: usize, rng: &mut AlertRng) -> f64 {
    // With more detections the classifiers are more often right, and surer.
    let surety = 1.0 - 0.6 / (detections as f64).sqrt();
    let is_right = rng.chance(0.55 + 0.43 * surety);
    let high = rng.between(0.5 + 0.3 * surety, 1.0);
    if is_case == is_right { high } else { 1.0 - high }
}

/// Classes of CATS, the classifier of Rubin's alerts.
pub(super) fn broad_class(nature: Nature, detections: usize) -> i32 {
    match nature {
        _ if detections < 2 => -1,
        Nature::SupernovaIa | Nature::Supernova => 11,
        Nature::Kilonova | Nature::Microlensing => 12,
        Nature::Variable | Nature::YoungStar => 21,
        Nature::Agn | Nature::Blazar | Nature::LensedQuasar => 22,
        Nature::MinorPlanet | Nature::NewMinorPlanet | Nature::Tracklet | Nature::Artefact => 12,
    }
}
