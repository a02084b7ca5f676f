//! Rubin's stamps: plain FITS files of three units: the image, its variance (both 32-bit floats) and the point spread function (64-bit).

use crate::simulate::fits::{self, Header};
use crate::simulate::noise::{Noise, point_source};
use crate::simulate::rng::AlertRng;
use crate::simulate::sky::Position;

/// Degrees per pixel.
const SCALE: f64 = 0.2 / 3600.0;
/// Widths of the point spread function to choose from, pixels (σ).
const WIDTHS: [f32; 4] = [1.6, 1.9, 2.2, 2.6];
/// Pixels along a side of the point spread function's image: of an exposure, and of the template.
const PSF_SIDES: [usize; 2] = [41, 45];

/// The content of one stamp.
pub(super) struct Stamp {
    /// pixels along a side
    pub(super) side: usize,
    /// position of the source
    pub(super) at: Position,
    /// position on the detector, pixels
    pub(super) pixel: (f32, f32),
    /// rotation of the image, radians
    pub(super) angle: f64,
    /// flux of the source, nJy
    pub(super) flux: f32,
    /// standard deviation of the flux of a point source, nJy
    pub(super) error: f32,
    /// number of the point spread function, from 0 to 3
    pub(super) seeing: usize,
    /// whether it is the template
    pub(super) is_template: bool,
}

/// Makes stamps.
pub(super) struct Stamps {
    /// the third unit for each side and width
    psf: [[Vec<u8>; WIDTHS.len()]; 2],
}

impl Stamps {
    /// Prepares the point spread functions.
    pub(super) fn new() -> Self {
        Self { psf: PSF_SIDES.map(|side| WIDTHS.map(|width| psf_unit(side, width))) }
    }

    /// Appends a stamp as a FITS file.
    pub(super) fn write(&self, stamp: &Stamp, noise: &Noise, rng: &mut AlertRng, file: &mut Vec<u8>) {
        let (side, pixels) = (stamp.side, stamp.side * stamp.side);
        let sigma = WIDTHS[stamp.seeing];
        // The noise of a pixel, from that of a flux fitted with a Gaussian of this width.
        let spread = stamp.error / (4.0 * std::f32::consts::PI * sigma * sigma).sqrt();
        let peak = stamp.flux / (std::f32::consts::TAU * sigma * sigma);
        let corner = stamp.corner();
        let source = (stamp.pixel.0 - corner.0, stamp.pixel.1 - corner.1);

        header(stamp, corner, source, file);
        for (at, deviate) in noise.take(pixels, rng).iter().enumerate() {
            let value = spread * deviate + peak * point_source(at % side, at / side, source, sigma);
            file.extend_from_slice(&value.to_be_bytes());
        }
        fits::pad(file, pixels * 4);

        Header::image(file, false, -32, side, side)
            .number("PCOUNT", 0)
            .number("GCOUNT", 1)
            .text("UTYPE", "VarianceUncertainty")
            .text("EXTNAME", "UNCERT")
            .end();
        for deviate in noise.take(pixels, rng) {
            file.extend_from_slice(&(spread * spread * (1.0 + 0.02 * deviate)).to_be_bytes());
        }
        fits::pad(file, pixels * 4);
        file.extend_from_slice(&self.psf[usize::from(stamp.is_template)][stamp.seeing]);
    }
}

impl Stamp {
    /// The position on the detector of the stamp's first pixel.
    fn corner(&self) -> (f32, f32) {
        let half = self.side as f32 / 2.0;
        ((self.pixel.0 - half).floor(), (self.pixel.1 - half).floor())
    }
}

/// Writes the image's header; the source is at the pixel `source`, counted from 0.
fn header(stamp: &Stamp, corner: (f32, f32), source: (f32, f32), file: &mut Vec<u8>) {
    let (sine, cosine) = stamp.angle.sin_cos();
    Header::image(file, true, -32, stamp.side, stamp.side)
        .number("EXTEND", "T")
        .number("CUTMINX", corner.0)
        .number("CUTMINY", corner.1)
        .text("BUNIT", "nJy")
        .number("WCSAXES", 2)
        .text("CTYPE1", "RA---TAN")
        .text("CTYPE2", "DEC--TAN")
        .text("CUNIT1", "deg")
        .text("CUNIT2", "deg")
        .real("CRPIX1", f64::from(source.0) + 1.0)
        .real("CRPIX2", f64::from(source.1) + 1.0)
        .real("PC1_1", SCALE * cosine)
        .real("PC1_2", SCALE * sine)
        .real("PC2_1", SCALE * sine)
        .real("PC2_2", -SCALE * cosine)
        .real("CDELT1", 1.0)
        .real("CDELT2", 1.0)
        .real("CRVAL1", stamp.at.ra)
        .real("CRVAL2", stamp.at.dec)
        .real("LATPOLE", 90.0)
        .real("MJDREF", 0.0)
        .end();
}

fn psf_unit(side: usize, sigma: f32) -> Vec<u8> {
    let mut unit = Vec::new();
    Header::image(&mut unit, false, -64, side, side)
        .number("PCOUNT", 0)
        .number("GCOUNT", 1)
        .text("EXTNAME", "PSFIMAGE")
        .end();
    let middle = ((side / 2) as f32, (side / 2) as f32);
    let area = std::f64::consts::TAU * f64::from(sigma * sigma);
    for at in 0..side * side {
        let value = f64::from(point_source(at % side, at / side, middle, sigma)) / area;
        unit.extend_from_slice(&value.to_be_bytes());
    }
    fits::pad(&mut unit, side * side * 8);
    unit
}
