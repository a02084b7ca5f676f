//! Image noise: a pool that is drawn once for each seed. Each image takes a slice at a random offset.

use super::rng::{AlertRng, Purpose};

/// A pool of normal deviates; a power of two, far more than an image has pixels.
const POOL: usize = 1 << 16;

/// A pool of normal deviates.
pub(super) struct Noise(Vec<f32>);

impl Noise {
    /// The pool of a seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = AlertRng::new(seed, Purpose::Noise, u64::MAX, 0);
        Self((0..POOL).map(|_| rng.normal() as f32).collect())
    }

    /// `count` deviates (at most half the pool) from a random offset.
    pub(super) fn take(&self, count: usize, rng: &mut AlertRng) -> &[f32] {
        let start = rng.below((POOL - count) as u64) as usize;
        &self.0[start..start + count]
    }
}

/// The value of a circular Gaussian point source with peak 1 at the pixel (`x`, `y`), for a source at the point `at`.
pub(super) fn point_source(x: usize, y: usize, at: (f32, f32), sigma: f32) -> f32 {
    let (dx, dy) = (x as f32 - at.0, y as f32 - at.1);
    (-(dx * dx + dy * dy) / (2.0 * sigma * sigma)).exp()
}
