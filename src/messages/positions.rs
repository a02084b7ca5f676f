//! How far a consumer is in each of its partitions, what of that is committed, and where it ends.

use std::collections::BTreeMap;

/// A partition: topic and number.
pub type Place = (String, i32);

#[derive(Clone, Copy, Debug, Default)]
struct Position {
    /// the offset after the last one read
    read: Option<i64>,
    /// the offset to read next after a restart: everything before is dealt with
    next: Option<i64>,
    committed: Option<i64>,
    /// where the partition ended when it was first assigned
    end: Option<i64>,
}

impl Position {
    fn reaches_end(&self, next: Option<i64>) -> bool {
        match (next, self.end) {
            (Some(next), Some(end)) => next >= end,
            (None, Some(end)) => end == 0,
            (_, None) => false,
        }
    }
}

/// Positions by partition.
#[derive(Clone, Debug, Default)]
pub struct Positions(BTreeMap<Place, Position>);

impl Positions {
    /// A partition is read from now on. `end` is the offset after its last readable message.
    pub fn assign(&mut self, place: Place, end: Option<i64>) {
        let known = self.0.entry(place).or_default();
        known.end = known.end.or(end);
    }

    /// A partition is not read any more.
    pub fn revoke(&mut self, place: &Place) {
        self.0.remove(place);
    }

    /// Everything before `next` is dealt with.
    pub fn advance(&mut self, topic: &str, partition: i32, next: i64) {
        if let Some(position) = self.0.get_mut(&(topic.to_owned(), partition)) {
            position.next = Some(position.next.map_or(next, |known| known.max(next)));
        }
    }

    /// Everything before `next` is read.
    pub fn mark_read(&mut self, topic: &str, partition: i32, next: i64) {
        if let Some(position) = self.0.get_mut(&(topic.to_owned(), partition)) {
            position.read = Some(next);
        }
    }

    /// Everything from `next` on is read again.
    pub fn rewind(&mut self, place: &Place, next: i64) {
        if let Some(position) = self.0.get_mut(place) {
            position.next = Some(next);
        }
    }

    /// What is to be committed. `unsaved` says from which offset on alerts of a partition are not safe yet.
    pub fn uncommitted(&self, unsaved: impl Fn(&Place) -> Option<i64>) -> Vec<(String, i32, i64)> {
        let of_place = |(place, position): (&Place, &Position)| {
            let (topic, partition) = place;
            let next = position.next.map(|next| unsaved(place).map_or(next, |unsaved| next.min(unsaved)));
            let next = next.filter(|next| position.committed.is_none_or(|committed| committed < *next))?;
            Some((topic.clone(), *partition, next))
        };
        self.0.iter().filter_map(of_place).collect()
    }

    /// These offsets are committed.
    pub fn mark_committed(&mut self, offsets: &[(String, i32, i64)]) {
        for (topic, partition, offset) in offsets {
            if let Some(position) = self.0.get_mut(&(topic.clone(), *partition)) {
                position.committed = Some(*offset);
            }
        }
    }

    /// Whether everything is dealt with up to where each partition ended when it was assigned.
    pub fn has_ended(&self) -> bool {
        self.0.values().all(|position| position.reaches_end(position.next))
    }

    /// Whether everything is read up to there.
    pub fn is_read_to_end(&self) -> bool {
        self.0.values().all(|position| position.reaches_end(position.read))
    }

    /// How many partitions there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The partitions with the offset to read next.
    pub fn iter(&self) -> impl Iterator<Item = (&Place, Option<i64>)> {
        self.0.iter().map(|(place, position)| (place, position.next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_moved_is_committed() {
        let mut positions = Positions::default();
        let place = |partition| ("t".to_owned(), partition);
        positions.assign(place(0), Some(5));
        positions.assign(place(1), Some(0));
        assert!(positions.uncommitted(|_| None).is_empty() && !positions.has_ended());
        positions.advance("t", 0, 3);
        positions.advance("t", 9, 3);
        assert_eq!(positions.uncommitted(|_| None), [("t".to_owned(), 0, 3)]);
        assert_eq!(positions.uncommitted(|place| (place.1 == 0).then_some(2)), [("t".to_owned(), 0, 2)]);
        positions.mark_committed(&[("t".to_owned(), 0, 3)]);
        assert!(positions.uncommitted(|_| None).is_empty());
        positions.advance("t", 0, 5);
        assert!(positions.has_ended());
        positions.rewind(&place(0), 4);
        assert!(!positions.has_ended());
        assert_eq!(positions.uncommitted(|_| None), [("t".to_owned(), 0, 4)]);
    }
}
