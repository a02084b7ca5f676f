//! Positions on the sky, as they are written.

use std::f64::consts::{PI, TAU};

/// Right ascension and declination of the north galactic pole, and the galactic longitude of the north celestial pole (J2000), degrees:
/// ESA SP-1200, volume 1, section 1.5.3.
const GALACTIC_POLE: (f64, f64) = (192.859_48, 27.128_25);
const LONGITUDE_OF_NORTH: f64 = 122.932;

/// A position, J2000, degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// right ascension
    pub ra: f64,
    /// declination
    pub dec: f64,
}

impl Position {
    /// A position on the sky; `None`: numbers that are none.
    pub fn new(ra: f64, dec: f64) -> Option<Self> {
        ((-360.0..=360.0).contains(&ra) && (-90.0..=90.0).contains(&dec))
            .then(|| Self { ra: ra.rem_euclid(360.0), dec })
    }

    /// `14.85852 -7.29179`
    pub fn degrees(self) -> String {
        format!("{:.5} {:+.5}", self.ra, self.dec)
    }

    /// `00:59:26.044 -07:17:30.43`
    pub fn sexagesimal(self) -> String {
        let (hours, degrees) = (sixties(self.ra / 15.0, 3, 24), sixties(self.dec.abs(), 2, u64::MAX));
        let sign = if self.dec.is_sign_negative() { '-' } else { '+' };
        format!("{hours} {sign}{degrees}")
    }

    /// Galactic longitude and latitude, degrees.
    pub fn galactic(self) -> (f64, f64) {
        let (pole_ra, pole_dec) = (GALACTIC_POLE.0.to_radians(), GALACTIC_POLE.1.to_radians());
        let (ra, dec) = (self.ra.to_radians() - pole_ra, self.dec.to_radians());
        let latitude = (dec.sin() * pole_dec.sin() + dec.cos() * pole_dec.cos() * ra.cos()).clamp(-1.0, 1.0).asin();
        let east = dec.cos() * ra.sin();
        let north = dec.sin() * pole_dec.cos() - dec.cos() * pole_dec.sin() * ra.cos();
        let longitude = LONGITUDE_OF_NORTH.to_radians() - east.atan2(north);
        (longitude.rem_euclid(TAU) * 180.0 / PI, latitude.to_degrees())
    }
}

/// `07:17:30.43`: rounded as a whole, so that no field is 60; hours turn over at `turn`.
fn sixties(value: f64, decimals: usize, turn: u64) -> String {
    let unit = 10_u64.pow(decimals as u32);
    let whole = (value * 3600.0 * unit as f64).round() as u64;
    let (seconds, fraction) = (whole / unit, whole % unit);
    format!("{:02}:{:02}:{:02}.{fraction:0decimals$}", seconds / 3600 % turn, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_written_as_astropy_writes_them() {
        // SkyCoord(14.8585157, -7.2917871, unit='deg').to_string('hmsdms', sep=':'), and its .galactic
        let position = Position::new(14.858_515_7, -7.291_787_1).expect("a position");
        assert_eq!(position.degrees(), "14.85852 -7.29179");
        assert_eq!(position.sexagesimal(), "00:59:26.044 -07:17:30.43");
        let (l, b) = position.galactic();
        assert!((l - 128.758_69).abs() < 2e-4 && (b + 70.073_02).abs() < 2e-4, "{l} {b}");
    }

    #[test]
    fn no_field_is_sixty() {
        let position = Position::new(359.999_999_99, -0.999_999_999_9).expect("a position");
        assert_eq!(position.sexagesimal(), "00:00:00.000 -01:00:00.00");
        assert_eq!(Position::new(-10.0, 5.0).map(|position| position.ra), Some(350.0));
        assert_eq!(Position::new(10.0, f64::NAN), None);
    }
}
