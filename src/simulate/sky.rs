//! Positions on the sky, in degrees.

use super::rng::AlertRng;

/// Obliquity of the ecliptic at J2000.
const OBLIQUITY: f64 = 23.439_291;
/// The galactic north pole at J2000: right ascension, declination; and the galactic longitude of the celestial pole.
const GALACTIC_POLE: (f64, f64) = (192.859_48, 27.128_25);
const GALACTIC_NODE: f64 = 122.932;

/// A position, J2000.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    /// right ascension, `[0, 360)`
    pub(super) ra: f64,
    /// declination, `[-90, 90]`
    pub(super) dec: f64,
}

impl Position {
    /// Uniform on the sphere between two declinations.
    pub(super) fn draw(rng: &mut AlertRng, dec_min: f64, dec_max: f64) -> Self {
        let ra = rng.between(0.0, 360.0);
        let sine = rng.between(dec_min.to_radians().sin(), dec_max.to_radians().sin());
        Self { ra, dec: sine.asin().to_degrees() }
    }

    /// The position `east` and `north` arc seconds away; both small.
    pub(super) fn offset(self, east: f64, north: f64) -> Self {
        let shrink = self.dec.to_radians().cos().max(1e-3);
        let ra = (self.ra + east / 3600.0 / shrink).rem_euclid(360.0);
        Self { ra: if ra < 360.0 { ra } else { 0.0 }, dec: (self.dec + north / 3600.0).clamp(-90.0, 90.0) }
    }

    /// Ecliptic longitude and latitude.
    pub(super) fn ecliptic(self) -> (f64, f64) {
        let (sin_ra, cos_ra) = self.ra.to_radians().sin_cos();
        let (sin_dec, cos_dec) = self.dec.to_radians().sin_cos();
        let (sin_tilt, cos_tilt) = OBLIQUITY.to_radians().sin_cos();
        let latitude = (sin_dec * cos_tilt - cos_dec * sin_tilt * sin_ra).clamp(-1.0, 1.0).asin();
        let longitude = (sin_ra * cos_dec * cos_tilt + sin_dec * sin_tilt).atan2(cos_ra * cos_dec);
        (longitude.to_degrees().rem_euclid(360.0), latitude.to_degrees())
    }

    /// Galactic longitude and latitude.
    pub(super) fn galactic(self) -> (f64, f64) {
        let (sin_dec, cos_dec) = self.dec.to_radians().sin_cos();
        let (sin_pole, cos_pole) = GALACTIC_POLE.1.to_radians().sin_cos();
        let (sin_ra, cos_ra) = (self.ra - GALACTIC_POLE.0).to_radians().sin_cos();
        let latitude = (sin_dec * sin_pole + cos_dec * cos_pole * cos_ra).clamp(-1.0, 1.0).asin();
        let angle = (cos_dec * sin_ra).atan2(sin_dec * cos_pole - cos_dec * sin_pole * cos_ra);
        ((GALACTIC_NODE - angle.to_degrees()).rem_euclid(360.0), latitude.to_degrees())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close((a, b): (f64, f64), (c, d): (f64, f64)) -> bool {
        (a - c).abs() < 0.01 && (b - d).abs() < 0.01
    }

    #[test]
    fn known_positions_convert() {
        // The galactic centre and the summer solstice.
        assert!(
            close(Position { ra: 266.405, dec: -28.936 }.galactic(), (0.0, 0.0)) || {
                let (longitude, latitude) = Position { ra: 266.405, dec: -28.936 }.galactic();
                close((longitude - 360.0, latitude), (0.0, 0.0))
            }
        );
        assert!(close(Position { ra: 90.0, dec: OBLIQUITY }.ecliptic(), (90.0, 0.0)));
    }

    #[test]
    fn offsets_stay_on_the_sphere() {
        let at = Position { ra: 359.999_99, dec: 89.999_9 }.offset(3.0, 2.0);
        assert!((0.0..360.0).contains(&at.ra) && at.dec <= 90.0);
    }
}
