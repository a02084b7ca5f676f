//! The comparison against what was done to a topic, chosen at random.

use proptest::prelude::*;

use super::*;

/// What happened to one alert.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Sent,
    SentTwice,
    Altered,
    Missing,
    Rejected,
    Unencodable,
    Gone,
    Unwanted,
    Expired,
    NotDue,
}

const FATES: [Fate; 10] = [
    Fate::Sent,
    Fate::SentTwice,
    Fate::Altered,
    Fate::Missing,
    Fate::Rejected,
    Fate::Unencodable,
    Fate::Gone,
    Fate::Unwanted,
    Fate::Expired,
    Fate::NotDue,
];

const HELD_FROM: i64 = 100;
const DUE: i64 = 10_000;

/// The records of an alert. `has_id`: its messages carry its id.
fn records(number: u64, fate: Fate, has_id: bool) -> Vec<Record> {
    let timestamp = match fate {
        Fate::Expired => HELD_FROM - 1,
        Fate::NotDue => DUE,
        // Several alerts of one timestamp.
        _ => HELD_FROM + (number / 3) as i64,
    };
    let row = Record {
        id: (u128::from(number) << 64) | 7,
        timestamp,
        value: number,
        identity: number ^ 0xabcd,
        place: number as i64,
        partition: 0,
        stream: 0,
        side: Side::Expected,
    };
    let message =
        Record { id: if has_id { row.id } else { 0 }, place: 1_000_000 + number as i64, side: Side::Message, ..row };
    let unencodable = Record { side: Side::Unencodable, value: 0, identity: 0, ..row };
    let rejected = Record { side: Side::Rejected, value: 0, ..row };
    match fate {
        Fate::Sent => vec![row, message],
        Fate::SentTwice => vec![message, row, Record { place: message.place + 500_000, ..message }],
        Fate::Altered => vec![Record { value: !number, ..message }, row],
        Fate::Missing | Fate::Expired | Fate::NotDue => vec![row],
        Fate::Rejected => vec![unencodable, rejected],
        Fate::Unencodable => vec![unencodable],
        Fate::Gone => vec![message],
        Fate::Unwanted => vec![Record { stream: u32::MAX, side: Side::Refused, ..row }, message],
    }
}

/// What an alert is reported as.
fn expected(fate: Fate, has_id: bool) -> (Option<Kind>, Option<Count>) {
    match fate {
        Fate::Sent => (None, Some(Count::Matched)),
        Fate::SentTwice => (Some(Kind::Duplicated), Some(Count::Duplicated)),
        Fate::Altered => (Some(Kind::Altered), Some(Count::Altered)),
        Fate::Missing | Fate::Unencodable => (Some(Kind::Missing), None),
        Fate::Rejected => (None, Some(Count::Rejected)),
        // Without an id it cannot be told that the row is there and refused.
        Fate::Unwanted if has_id => (Some(Kind::Unwanted), Some(Count::Unwanted)),
        Fate::Gone | Fate::Unwanted => (None, Some(Count::Superseded)),
        Fate::Expired => (None, Some(Count::Expired)),
        Fate::NotDue => (None, Some(Count::NotDue)),
    }
}

fn compare(all: &[Record]) -> (Tally, Vec<Difference>) {
    let mut compared = Records::new(&std::env::temp_dir());
    for record in all {
        compared.push(*record).unwrap();
    }
    let has_unnumbered = all.iter().any(|record| record.id == 0);
    let scope = Scope { due: DUE, held_from: vec![HELD_FROM], ends: Vec::new(), has_unnumbered };
    let (mut tally, mut found) = (Tally::new(1, 12), Vec::new());
    let mut each = |difference| {
        found.push(difference);
        Ok::<(), AuditError>(())
    };
    compared.compare(&[scope], &mut tally, &mut each).unwrap();
    (tally, found)
}

proptest! {
    // Each case makes hundreds of files.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_alert_is_reported_as_what_happened_to_it(
        fates in prop::collection::vec((prop::sample::select(&FATES[..]), any::<bool>()), 0..300),
    ) {
        let all: Vec<Record> = fates
            .iter()
            .enumerate()
            .flat_map(|(number, (fate, has_id))| records(number as u64, *fate, *has_id))
            .collect();
        let (tally, mut found) = compare(&all);
        found.sort_by_key(|difference| (difference.key.unwrap_or(-1), difference.id));
        let mut reported = found.iter();
        let mut counts = vec![0_u64; Count::ALL.len()];
        for (number, (fate, has_id)) in fates.iter().enumerate() {
            let (kind, count) = expected(*fate, *has_id);
            if let Some(count) = count {
                counts[count as usize] += 1;
            }
            if let Some(kind) = kind {
                let difference = reported.next().expect("a difference for each alert that has one");
                prop_assert_eq!((difference.kind, difference.key), (kind, Some(number as i64)));
                prop_assert_eq!(difference.id, (number as u128) << 64 | 7);
                let messages = match fate { Fate::SentTwice => 2, Fate::Altered | Fate::Unwanted => 1, _ => 0 };
                prop_assert_eq!(difference.messages.len(), messages);
                prop_assert_eq!(difference.is_unencodable, matches!(fate, Fate::Unencodable));
            }
        }
        prop_assert_eq!(reported.next(), None);
        for count in Count::ALL {
            prop_assert_eq!(tally.streams()[0].get(count), counts[count as usize], "{:?}", count);
        }
    }
}

#[test]
fn an_alert_sent_by_an_old_version_and_again_by_a_new_one_is_duplicated() {
    let mut all = records(1, Fate::Sent, true);
    all.push(Record { id: 0, place: 2_000_000, ..all[1] });
    let (_, found) = compare(&all);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].kind, found[0].key), (Kind::Duplicated, Some(1)));
}

#[test]
fn streams_are_kept_apart() {
    let mut all = records(1, Fate::Sent, true);
    all.push(Record { stream: 1, ..all[0] });
    let mut compared = Records::new(&std::env::temp_dir());
    for record in &all {
        compared.push(*record).unwrap();
    }
    let scope = Scope { due: DUE, held_from: vec![HELD_FROM], ends: Vec::new(), has_unnumbered: false };
    let (mut tally, mut found) = (Tally::new(2, 12), Vec::new());
    let mut each = |difference: Difference| {
        found.push((difference.kind, difference.stream));
        Ok::<(), AuditError>(())
    };
    compared.compare(&[scope.clone(), scope], &mut tally, &mut each).unwrap();
    assert_eq!(found, [(Kind::Missing, 1)]);
}
