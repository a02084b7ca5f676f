//! The night and the time of each alert.
//!
//! The alerts are ordered by time: [`POINTINGS_PER_NIGHT`] alerts a night, each from its own exposure, 6.3 minutes apart. The pointings of a
//! night are repeated in the next night at the same times, so the alerts of one object are a multiple of `POINTINGS_PER_NIGHT` apart. After
//! [`NIGHTS_PER_PASS`] nights the survey starts again at its first night, with each exposure a moment later than in the pass before.

use super::rng::{AlertRng, Purpose};

/// Alerts in a night.
const POINTINGS_PER_NIGHT: u64 = 100;
/// Nights in a pass (5.5 years).
const NIGHTS_PER_PASS: u64 = 2000;
/// Probability that an alert is of a new object.
const NEW_OBJECT_PROBABILITY: f64 = 0.45;
/// Time between two exposures, in hundred-thousandths of a day.
const EXPOSURE_INTERVAL: u64 = 440;
/// Time of the first exposure in a night, in hundred-thousandths of a day.
const FIRST_EXPOSURE: u64 = 12_000;

/// The pointing of one alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointing {
    /// number of the alert
    pub(super) index: u64,
    /// nights since the first of the pass
    pub(super) night: u64,
    /// number of the pointing within the night
    pub(super) number: u64,
    /// number of passes before this one
    pub(super) pass: u64,
}

impl Pointing {
    /// The pointing of the alert `index`.
    pub(super) fn of(index: u64) -> Self {
        let (night, number) = (index / POINTINGS_PER_NIGHT, index % POINTINGS_PER_NIGHT);
        Self { index, night: night % NIGHTS_PER_PASS, number, pass: night / NIGHTS_PER_PASS }
    }

    /// Time of the exposure within its day, in hundred-thousandths of a day (the resolution of ZTF's ids).
    pub(super) fn tick(self) -> u64 {
        FIRST_EXPOSURE + self.number * EXPOSURE_INTERVAL + self.pass % EXPOSURE_INTERVAL
    }

    /// Number of times that the passes have used up all times of day. No two alerts of one lap have the same time.
    pub(super) fn lap(self) -> u64 {
        self.pass / EXPOSURE_INTERVAL
    }

    /// Time of the exposure in days since the start of the pass's first day.
    pub(super) fn day(self) -> f64 {
        self.night as f64 + self.tick() as f64 / 1e5
    }

    /// The same pointing `nights` earlier.
    pub(super) fn earlier(self, nights: u64) -> Option<Self> {
        let night = self.night.checked_sub(nights)?;
        Some(Self { index: self.index - nights * POINTINGS_PER_NIGHT, night, ..self })
    }

    /// The pointing that discovered the object of this pointing.
    pub(super) fn discovery(self, seed: u64) -> Self {
        let is_new =
            |pointing: Self| AlertRng::new(seed, Purpose::Discovery, pointing.index, 0).chance(NEW_OBJECT_PROBABILITY);
        let mut pointing = self;
        while !is_new(pointing) {
            match pointing.earlier(1) {
                Some(before) => pointing = before,
                None => break,
            }
        }
        pointing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_seen_in_the_same_place_on_following_nights() {
        let discovered = Pointing::of(1_234).discovery(7);
        let mut later = discovered;
        while Pointing::of(later.index + POINTINGS_PER_NIGHT).discovery(7) == discovered {
            later = Pointing::of(later.index + POINTINGS_PER_NIGHT);
            assert_eq!(later.number, discovered.number);
            assert_eq!((later.day() - discovered.day()).fract(), 0.0);
        }
        let repeated = (0..10_000).filter(|index| Pointing::of(*index).discovery(7).index != *index).count();
        assert!((4_500..6_500).contains(&repeated), "{repeated} of 10,000 alerts are of objects seen before");
    }

    #[test]
    fn no_two_alerts_of_many_passes_share_night_and_time() {
        let pointings = [0, 1, 99, 100, 199_999, 200_000, 200_001, 400_000, 87_999_999];
        let times: std::collections::BTreeSet<_> =
            pointings.iter().map(|index| (Pointing::of(*index).night, Pointing::of(*index).tick())).collect();
        assert_eq!(times.len(), pointings.len());
    }
}
