//! From a pixel's value to a grey; the page does the same in assets/stretch.js.

use super::image::Image;

/// How values are spread over the greys between two limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// evenly
    Linear,
    /// astropy's `AsinhStretch(0.1)`
    Asinh,
}

/// The grey of each value: 0 is black, 1 is white.
#[derive(Clone, Copy, Debug)]
pub struct Greys {
    stretch: Stretch,
    low: f32,
    high: f32,
}

impl Greys {
    /// For science images and templates: the limits of zscale, with asinh.
    pub fn of_sky(image: &Image) -> Self {
        Self { stretch: Stretch::Asinh, low: image.zscale.0, high: image.zscale.1 }
    }

    /// For differences: symmetric about 0, linear.
    pub fn of_difference(image: &Image) -> Self {
        let high = image.zscale.0.abs().max(image.zscale.1.abs());
        Self { stretch: Stretch::Linear, low: -high, high }
    }

    /// The grey of a value.
    pub fn grey(&self, value: f32) -> f32 {
        let span = self.high - self.low;
        let linear = if span > 0.0 { ((value - self.low) / span).clamp(0.0, 1.0) } else { 0.5 };
        match self.stretch {
            Stretch::Linear => linear,
            Stretch::Asinh => (linear / 0.1).asinh() / 10_f32.asinh(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greys_go_from_black_to_white() {
        let image = Image::new(4, 1, vec![-2.0, 0.0, 1.0, 4.0]);
        let sky = Greys::of_sky(&image);
        assert_eq!((sky.grey(-9.0), sky.grey(9.0)), (0.0, 1.0));
        assert!(sky.grey(0.0) > 0.33);
        assert!((Greys::of_difference(&image).grey(0.0) - 0.5).abs() < 1e-6);
    }
}
