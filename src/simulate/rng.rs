//! Random numbers that depend only on the seed and on their purpose.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What random numbers are for. Numbers for different purposes are independent.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(super) enum Purpose {
    /// whether a pointing discovers a new object
    Discovery = 1,
    /// an object's light curve
    Object,
    /// one visit to an object
    Visit,
    /// whether a night had a visit
    Weather,
    /// one alert
    Alert,
    /// a piece of image noise
    Noise,
    /// what Fink adds to an alert
    Enrichment,
}

/// A stream of random numbers.
pub(super) struct AlertRng(ChaCha8Rng);

impl AlertRng {
    /// The stream for one purpose, one object, alert or image (`id`) and one part of it.
    pub(super) fn new(seed: u64, purpose: Purpose, id: u64, part: i64) -> Self {
        let mut key = [0; 32];
        for (place, word) in key.chunks_exact_mut(8).zip([seed, purpose as u64, id, part as u64]) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in `[0, 1)`.
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `[low, high)`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Normal with mean 0 and standard deviation 1 (Box–Muller).
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in `0..bound`; `bound` is far below 2⁶⁴, so the bias of the remainder is negligible.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound
    }

    /// One of the choices.
    pub(super) fn one_of<T: Copy, const N: usize>(&mut self, choices: &[T; N]) -> T {
        choices[self.below(N as u64) as usize]
    }
}
