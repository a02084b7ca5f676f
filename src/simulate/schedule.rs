//! Which place of which night an alert belongs to.
//!
//! The simulated stream is in the order of time: [`PLACES`] alerts a night, each from an exposure of its own, 6.3 minutes apart. A place is
//! pointed at anew every night at the same hour, so an object that shines on for some nights gives alerts that are `PLACES` apart. After
//! [`NIGHTS`] nights the survey begins again from its first night, each exposure a moment later than in the pass before.

use super::dice::{Dice, Purpose};

/// Alerts in a night.
const PLACES: u64 = 100;
/// Nights in a pass (5.5 years).
const NIGHTS: u64 = 2000;
/// Chance that a night's alert in some place is of a new object.
const NEW_OBJECT: f64 = 0.45;
/// Time between two exposures, in hundred-thousandths of a day.
const STEP: u64 = 440;
/// Time of the first exposure in a night, in hundred-thousandths of a day.
const DUSK: u64 = 12_000;

/// One alert's place in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// which alert
    pub(super) index: u64,
    /// nights since the first of the pass
    pub(super) night: u64,
    /// which place
    pub(super) place: u64,
    /// how often the survey has begun again
    pub(super) pass: u64,
}

impl Slot {
    /// The slot of the alert `index`.
    pub(super) fn of(index: u64) -> Self {
        let (night, place) = (index / PLACES, index % PLACES);
        Self { index, night: night % NIGHTS, place, pass: night / NIGHTS }
    }

    /// Time of the exposure within its day, in hundred-thousandths of a day (the resolution of ZTF's ids).
    pub(super) fn tick(self) -> u64 {
        DUSK + self.place * STEP + self.pass % STEP
    }

    /// How often the times of day of the passes have begun again: alerts of one lap have times of their own.
    pub(super) fn lap(self) -> u64 {
        self.pass / STEP
    }

    /// Time of the exposure in days since the start of the pass's first day.
    pub(super) fn day(self) -> f64 {
        self.night as f64 + self.tick() as f64 / 1e5
    }

    /// The same place `nights` earlier.
    pub(super) fn earlier(self, nights: u64) -> Option<Self> {
        let night = self.night.checked_sub(nights)?;
        Some(Self { index: self.index - nights * PLACES, night, ..self })
    }

    /// Where the object that is seen in this slot was seen first.
    pub(super) fn birth(self, seed: u64) -> Self {
        let is_new = |slot: Self| Dice::new(seed, Purpose::Birth, slot.index, 0).chance(NEW_OBJECT);
        let mut slot = self;
        while !is_new(slot) {
            match slot.earlier(1) {
                Some(before) => slot = before,
                None => break,
            }
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_seen_in_the_same_place_on_following_nights() {
        let born = Slot::of(1_234).birth(7);
        let mut later = born;
        while Slot::of(later.index + PLACES).birth(7) == born {
            later = Slot::of(later.index + PLACES);
            assert_eq!(later.place, born.place);
            assert_eq!((later.day() - born.day()).fract(), 0.0);
        }
        let repeated = (0..10_000).filter(|index| Slot::of(*index).birth(7).index != *index).count();
        assert!((4_500..6_500).contains(&repeated), "{repeated} of 10,000 alerts are of objects seen before");
    }

    #[test]
    fn no_two_alerts_of_many_passes_share_night_and_time() {
        let slots = [0, 1, 99, 100, 199_999, 200_000, 200_001, 400_000, 87_999_999];
        let times: std::collections::BTreeSet<_> =
            slots.iter().map(|index| (Slot::of(*index).night, Slot::of(*index).tick())).collect();
        assert_eq!(times.len(), slots.len());
    }
}
