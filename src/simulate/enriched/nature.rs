//! What an object is, more exactly than its light curve tells.

use super::Known;
use crate::simulate::object::LightCurve;

/// Kinds of objects that Fink's filters look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    SupernovaIa,
    /// another supernova
    Supernova,
    Kilonova,
    Microlensing,
    YoungStar,
    /// another variable star
    Variable,
    Blazar,
    LensedQuasar,
    /// another active galactic nucleus
    Agn,
    /// known to the Minor Planet Center
    MinorPlanet,
    /// not yet known there
    NewMinorPlanet,
    /// a satellite or a piece of debris
    Tracklet,
    Artefact,
}

impl Nature {
    pub(super) fn of(known: &Known<'_>) -> Self {
        let draw = known.object_rng().unit();
        match known.object.light_curve {
            LightCurve::Supernova { .. } => match draw {
                ..0.6 => Self::SupernovaIa,
                ..0.9 => Self::Supernova,
                _ => Self::Kilonova,
            },
            LightCurve::Variable { period, .. } => match draw {
                ..0.04 => Self::Microlensing,
                ..0.4 if period > 30.0 => Self::YoungStar,
                _ => Self::Variable,
            },
            LightCurve::Agn { .. } => match draw {
                ..0.2 => Self::Blazar,
                ..0.25 => Self::LensedQuasar,
                _ => Self::Agn,
            },
            LightCurve::MinorPlanet { .. } if draw < 0.15 => Self::NewMinorPlanet,
            LightCurve::MinorPlanet { .. } => Self::MinorPlanet,
            LightCurve::Artefact { .. } if draw < 0.15 => Self::Tracklet,
            LightCurve::Artefact { .. } => Self::Artefact,
        }
    }

    pub(super) fn is_transient(self) -> bool {
        matches!(self, Self::SupernovaIa | Self::Supernova | Self::Kilonova)
    }

    pub(super) fn is_nucleus(self) -> bool {
        matches!(self, Self::Agn | Self::Blazar | Self::LensedQuasar)
    }

    pub(super) fn is_star(self) -> bool {
        matches!(self, Self::Variable | Self::YoungStar | Self::Microlensing)
    }
}
