//! An image, and the limits between which it is shown.

use super::wcs::Wcs;
use super::zscale::zscale;

/// A unit of a FITS file that is an image.
#[derive(Clone, Debug)]
pub struct Unit {
    /// `image`, or the name of the extension
    pub name: String,
    /// the unit of the pixels: `DN`, `nJy`, or empty
    pub counts: String,
    /// its pixels
    pub image: Image,
    /// how pixels stand on the sky
    pub wcs: Option<Wcs>,
}

/// Values larger than this stand for none: ZTF fills the parts of a reference image that were never exposed with the least float.
const NO_VALUE: f32 = 1e30;

/// Pixels, row by row, the first row first.
#[derive(Clone, Debug)]
pub struct Image {
    /// pixels in a row
    pub width: usize,
    /// rows
    pub height: usize,
    /// the pixels; NaN: without a value
    pub pixels: Vec<f32>,
    /// what stands for pixels without a value
    pub median: f32,
    /// the limits of `zscale` with contrast 0.25
    pub zscale: (f32, f32),
    /// the least and the greatest value
    pub extremes: (f32, f32),
}

impl Image {
    /// An image with its limits. `pixels` has `width * height` values.
    pub fn new(width: usize, height: usize, mut pixels: Vec<f32>) -> Self {
        for value in pixels.iter_mut().filter(|value| value.abs() > NO_VALUE) {
            *value = f32::NAN;
        }
        let finite: Vec<f32> = pixels.iter().copied().filter(|value| value.is_finite()).collect();
        let mut sorted = finite.clone();
        sorted.sort_by(f32::total_cmp);
        let middle = |at: usize| sorted.get(at).copied().unwrap_or(0.0);
        let half = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => (middle(half.saturating_sub(1)) + middle(half)) / 2.0,
            _ => middle(half),
        };
        let extremes = (middle(0), middle(sorted.len().saturating_sub(1)));
        Self { width, height, pixels, median, zscale: zscale(&finite), extremes }
    }

    /// The value of a pixel, counted from 0; the median where it has none, `None` outside of the image.
    pub fn value(&self, x: i64, y: i64) -> Option<f32> {
        let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
        let value = (x < self.width && y < self.height).then(|| self.pixels.get(y * self.width + x)).flatten()?;
        Some(if value.is_finite() { *value } else { self.median })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_without_a_value_are_the_median() {
        let image = Image::new(3, 2, vec![1.0, f32::NAN, 5.0, 3.0, f32::MIN, 9.0]);
        assert_eq!((image.median, image.extremes), (4.0, (1.0, 9.0)));
        assert_eq!(
            (image.value(1, 0), image.value(2, 1), image.value(3, 0), image.value(0, -1)),
            (Some(4.0), Some(9.0), None, None)
        );
        let empty = Image::new(1, 1, vec![f32::NAN]);
        assert_eq!((empty.median, empty.zscale), (0.0, (0.0, 0.0)));
    }
}
