//! Objects in the sky: their positions and light curves.

use std::f64::consts::TAU;

use super::rng::{AlertRng, Purpose};
use super::schedule::Pointing;
use super::sky::Position;
use super::survey::Survey;

/// How an object's light changes. Magnitudes are AB, times are days of the schedule.
#[derive(Clone, Debug)]
pub(super) enum LightCurve {
    /// a supernova: quadratic rise, exponential decline
    Supernova {
        /// day of the maximum
        peak: f64,
        /// magnitude at the maximum
        magnitude: f64,
        /// days from explosion to maximum
        rise: f64,
        /// days in which the light falls by a factor e
        decline: f64,
    },
    /// a periodic variable star
    Variable {
        /// mean magnitude
        magnitude: f64,
        /// half of peak to peak
        amplitude: f64,
        /// days
        period: f64,
        /// fraction of the period at day 0
        phase: f64,
    },
    /// an active galactic nucleus: a random walk as a sum of slow waves, each slower one higher
    Agn {
        /// mean magnitude
        magnitude: f64,
        /// amplitude, period in days, phase
        waves: [(f64, f64, f64); 5],
    },
    /// a minor planet
    MinorPlanet {
        /// mean magnitude
        magnitude: f64,
        /// half of peak to peak, by rotation
        amplitude: f64,
        /// days
        period: f64,
        /// motion to the east, arc seconds a day
        east: f64,
        /// motion to the north, arc seconds a day
        north: f64,
    },
    /// an artefact of the subtraction, seen once
    Artefact {
        /// magnitude of its difference flux
        magnitude: f64,
    },
}

/// Kinds of [`LightCurve`]; `draw` has the frequency of each.
#[derive(Clone, Copy)]
enum ObjectClass {
    Supernova,
    MinorPlanet,
    Variable,
    Agn,
    Artefact,
}

impl ObjectClass {
    fn draw(rng: &mut AlertRng) -> Self {
        match rng.unit() {
            ..0.10 => Self::Supernova,
            ..0.25 => Self::MinorPlanet,
            ..0.65 => Self::Variable,
            ..0.85 => Self::Agn,
            _ => Self::Artefact,
        }
    }
}

/// An object.
#[derive(Clone, Debug)]
pub(super) struct Object {
    /// the pointing of its first alert
    pub(super) discovery: Pointing,
    /// position on the day of its first alert
    position: Position,
    /// how its light changes
    pub(super) light_curve: LightCurve,
    /// added to the magnitude in each band
    colours: [f64; 6],
}

/// What one visit measured on the difference image. Fluxes are in nJy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measurement {
    /// difference flux; negative where the object is fainter than in the template
    pub(super) flux: f64,
    /// its standard deviation
    pub(super) error: f64,
}

impl Measurement {
    /// Signal to noise ratio, positive.
    pub(super) fn snr(&self) -> f64 {
        (self.flux / self.error).abs()
    }

    /// Whether a survey would call it a detection (5 σ).
    pub(super) fn is_detection(&self) -> bool {
        self.snr() >= 5.0
    }

    /// AB magnitude of the absolute flux.
    pub(super) fn magnitude(&self) -> f64 {
        magnitude(self.flux.abs())
    }

    /// AB magnitude of a flux of 5 σ.
    pub(super) fn limit(&self) -> f64 {
        magnitude(5.0 * self.error)
    }
}

/// AB magnitude of a flux in nJy.
pub(super) fn magnitude(flux: f64) -> f64 {
    31.4 - 2.5 * flux.max(1e-3).log10()
}

/// Flux in nJy of an AB magnitude.
pub(super) fn flux(magnitude: f64) -> f64 {
    10f64.powf((31.4 - magnitude) / 2.5)
}

impl Object {
    /// The object seen in `pointing`.
    pub(super) fn seen_in(pointing: Pointing, seed: u64, survey: Survey) -> Self {
        let discovered = Self::draw(pointing.discovery(seed), seed, survey, None);
        // ZTF identifies an object by its position: a minor planet that has moved on, or another artefact, is a new object.
        match discovered.light_curve {
            LightCurve::MinorPlanet { .. } if survey == Survey::Ztf => {
                Self::draw(pointing, seed, survey, Some(ObjectClass::MinorPlanet))
            }
            LightCurve::Artefact { .. } => Self::draw(pointing, seed, survey, Some(ObjectClass::Artefact)),
            _ => discovered,
        }
    }

    fn draw(discovery: Pointing, seed: u64, survey: Survey, class: Option<ObjectClass>) -> Self {
        let rng = &mut AlertRng::new(seed, Purpose::Object, discovery.index, 0);
        let (magnitude_offset, south, north) = match survey {
            Survey::Ztf => (0.0, -30.0, 88.0),
            Survey::Lsst => (3.0, -72.0, 12.0),
        };
        let position = Position::draw(rng, south, north);
        let drawn = ObjectClass::draw(rng);
        let light_curve = match class.unwrap_or(drawn) {
            ObjectClass::Supernova => LightCurve::Supernova {
                peak: discovery.day() + rng.between(-35.0, 12.0),
                magnitude: rng.between(16.5, 19.3) + magnitude_offset,
                rise: rng.between(14.0, 20.0),
                decline: rng.between(18.0, 45.0),
            },
            ObjectClass::MinorPlanet => LightCurve::MinorPlanet {
                magnitude: rng.between(16.5, 20.0) + magnitude_offset,
                amplitude: rng.between(0.02, 0.4),
                period: rng.between(0.1, 1.2),
                east: rng.between(-1300.0, 1300.0),
                north: rng.between(-400.0, 400.0),
            },
            ObjectClass::Variable => LightCurve::Variable {
                magnitude: rng.between(13.5, 19.0) + magnitude_offset,
                amplitude: rng.between(0.1, 0.9),
                period: 10f64.powf(rng.between(-0.8, 2.3)),
                phase: rng.unit(),
            },
            ObjectClass::Agn => LightCurve::Agn {
                magnitude: rng.between(16.5, 19.5) + magnitude_offset,
                waves: std::array::from_fn(|wave| {
                    let period = 6.0 * 3f64.powi(wave as i32) * rng.between(0.8, 1.25);
                    (0.02 * period.sqrt() * rng.between(0.5, 1.0), period, rng.unit())
                }),
            },
            ObjectClass::Artefact => LightCurve::Artefact { magnitude: rng.between(17.0, 20.0) + magnitude_offset },
        };
        let red = rng.between(-0.1, 0.35);
        let colours = std::array::from_fn(|band| -red * (band as f64 - 1.0));
        Self { discovery, position, light_curve, colours }
    }

    /// Position on a day.
    pub(super) fn position(&self, day: f64) -> Position {
        match self.light_curve {
            LightCurve::MinorPlanet { east, north, .. } => {
                let days = day - self.discovery.day();
                self.position.offset(east * days, north * days)
            }
            _ => self.position,
        }
    }

    /// Whether it is a minor planet.
    pub(super) fn is_minor_planet(&self) -> bool {
        matches!(self.light_curve, LightCurve::MinorPlanet { .. })
    }

    /// Mean magnitude; `None` for supernovae and artefacts.
    pub(super) fn mean_magnitude(&self) -> Option<f64> {
        match self.light_curve {
            LightCurve::Variable { magnitude, .. }
            | LightCurve::Agn { magnitude, .. }
            | LightCurve::MinorPlanet { magnitude, .. } => Some(magnitude),
            LightCurve::Supernova { .. } | LightCurve::Artefact { .. } => None,
        }
    }

    /// Its type in catalogues, by SIMBAD's short names.
    pub(super) fn catalogued(&self) -> &'static str {
        match self.light_curve {
            LightCurve::Variable { period, .. } => match period {
                ..1.0 => "RRLyr",
                ..30.0 => "EB*",
                ..100.0 => "LPV*",
                _ => "Star",
            },
            LightCurve::Agn { magnitude, .. } if magnitude < 18.5 => "QSO",
            LightCurve::Agn { .. } => "AGN",
            _ => "Unknown",
        }
    }

    /// The magnitude of the steady light in the template, in a band (0 = u … 5 = y); `None` if there is none.
    pub(super) fn template(&self, band: usize) -> Option<f64> {
        match self.light_curve {
            LightCurve::Variable { magnitude, .. } | LightCurve::Agn { magnitude, .. } => {
                Some(magnitude + self.colours[band])
            }
            _ => None,
        }
    }

    /// Difference flux on a day, in nJy.
    pub(super) fn flux(&self, day: f64, band: usize) -> f64 {
        let colour = self.colours[band];
        match &self.light_curve {
            LightCurve::Supernova { peak, magnitude, rise, decline } => {
                let since = day - peak;
                let shape = match since {
                    ..0.0 => (1.0 + since / rise).max(0.0).powi(2),
                    _ => (-since / decline).exp(),
                };
                flux(magnitude + colour) * shape
            }
            LightCurve::Variable { magnitude, amplitude, period, phase } => {
                let now = amplitude * (TAU * (day / period + phase)).sin();
                flux(magnitude + colour + now) - flux(magnitude + colour)
            }
            LightCurve::Agn { magnitude, waves } => {
                let now: f64 = waves.iter().map(|(a, period, phase)| a * (TAU * (day / period + phase)).sin()).sum();
                flux(magnitude + colour + now) - flux(magnitude + colour)
            }
            // Before its first alert a minor planet was elsewhere, and an artefact did not exist.
            LightCurve::MinorPlanet { .. } | LightCurve::Artefact { .. } if day < self.discovery.day() => 0.0,
            LightCurve::MinorPlanet { magnitude, amplitude, period, .. } => {
                flux(magnitude + colour + amplitude * (TAU * day / period).sin())
            }
            LightCurve::Artefact { magnitude } => flux(*magnitude),
        }
    }

    /// What a visit measures with noise of `error` nJy; `alert`: the visit made an alert, so the result is a detection, whatever the noise.
    pub(super) fn measure(&self, day: f64, band: usize, error: f64, alert: bool, rng: &mut AlertRng) -> Measurement {
        let flux = self.flux(day, band) + error * rng.normal();
        let floor = error * rng.between(5.1, 7.0);
        let flux = if alert && flux.abs() < floor { floor.copysign(flux) } else { flux };
        Measurement { flux, error }
    }
}
