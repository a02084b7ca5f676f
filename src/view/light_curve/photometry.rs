//! Magnitudes and fluxes.

use super::Measured;

/// 2.5 / ln 10: the error of a magnitude is this times the relative error of the flux.
const POGSON: f64 = 1.085_736_204_758_129_6;
/// The flux of AB magnitude 0.
const AB_ZERO_MICROJANSKY: f64 = 3631.0e6;
/// The AB magnitude of 1 nJy.
const AB_OF_NANOJANSKY: f64 = 31.4;

/// A magnitude as flux in µJy.
pub fn microjansky(magnitude: Measured) -> Measured {
    let value = AB_ZERO_MICROJANSKY * 10_f64.powf(-0.4 * magnitude.value);
    Measured { value, error: magnitude.error.map(|error| error / POGSON * value) }
}

/// A flux in µJy as AB magnitude; `None`: it is not positive.
pub fn magnitude_of_microjansky(flux: Measured) -> Option<Measured> {
    magnitude(flux, 2.5 * AB_ZERO_MICROJANSKY.log10())
}

/// A flux in nJy as AB magnitude; `None`: it is not positive.
pub fn magnitude_of_nanojansky(flux: Measured) -> Option<Measured> {
    magnitude(flux, AB_OF_NANOJANSKY)
}

/// A flux as magnitude with this zero point; `None`: it is not positive.
pub fn magnitude(flux: Measured, zero_point: f64) -> Option<Measured> {
    match flux.value > 0.0 {
        true => {
            Measured::new(zero_point - 2.5 * flux.value.log10(), flux.error.map(|error| POGSON * error / flux.value))
        }
        false => None,
    }
}

/// The sum or the difference of two fluxes with independent errors.
pub fn add(reference: Measured, difference: Measured, is_negative: bool) -> Measured {
    let sign = if is_negative { -1.0 } else { 1.0 };
    let error = match (reference.error, difference.error) {
        (Some(one), Some(other)) => Some(one.hypot(other)),
        (one, other) => one.or(other),
    };
    Measured { value: reference.value + sign * difference.value, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magnitudes_and_fluxes_are_inverse() {
        let magnitude = Measured { value: 18.25, error: Some(0.05) };
        let flux = microjansky(magnitude);
        // (18.25 * u.ABmag).to(u.uJy)
        assert!((flux.value - 181.981_085).abs() < 1e-5, "{flux:?}");
        let back = magnitude_of_microjansky(flux).expect("positive");
        assert!((back.value - 18.25).abs() < 1e-12 && (back.error.expect("an error") - 0.05).abs() < 1e-12);
        let nano = magnitude_of_nanojansky(Measured { value: 1000.0, error: None }).expect("positive");
        assert!((nano.value - 23.9).abs() < 1e-9);
        assert_eq!(magnitude_of_nanojansky(Measured { value: -5.0, error: None }), None);
    }
}
