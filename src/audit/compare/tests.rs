//! Compares topics to which random things were done.

use proptest::prelude::*;

use std::num::NonZeroU128;

use super::*;
use crate::timestamp::Timestamp;

/// What was done to one alert.
#[derive(Clone, Copy, Debug)]
enum Scenario {
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

const SCENARIOS: [Scenario; 10] = [
    Scenario::Sent,
    Scenario::SentTwice,
    Scenario::Altered,
    Scenario::Missing,
    Scenario::Rejected,
    Scenario::Unencodable,
    Scenario::Gone,
    Scenario::Unwanted,
    Scenario::Expired,
    Scenario::NotDue,
];

const RETAINED_FROM: i64 = 100;
const DUE: i64 = 10_000;

/// The records of an alert. `has_id`: its messages carry its id.
fn records(number: u64, scenario: Scenario, has_id: bool) -> Vec<Record> {
    let timestamp = match scenario {
        Scenario::Expired => RETAINED_FROM - 1,
        Scenario::NotDue => DUE,
        // Several alerts of one timestamp.
        _ => RETAINED_FROM + (number / 3) as i64,
    };
    let row = Record {
        id: NonZeroU128::new((u128::from(number) << 64) | 7),
        timestamp: Timestamp::from_millis(timestamp),
        value: number,
        identity: number ^ 0xabcd,
        offset: number as i64,
        partition: 0,
        stream: Some(0),
        kind: RecordKind::Expected,
    };
    let message =
        Record { id: row.id.filter(|_| has_id), offset: 1_000_000 + number as i64, kind: RecordKind::Message, ..row };
    let unencodable = Record { kind: RecordKind::Unencodable, value: 0, identity: 0, ..row };
    let rejected = Record { kind: RecordKind::Rejected, value: 0, ..row };
    match scenario {
        Scenario::Sent => vec![row, message],
        Scenario::SentTwice => vec![message, row, Record { offset: message.offset + 500_000, ..message }],
        Scenario::Altered => vec![Record { value: !number, ..message }, row],
        Scenario::Missing | Scenario::Expired | Scenario::NotDue => vec![row],
        Scenario::Rejected => vec![unencodable, rejected],
        Scenario::Unencodable => vec![unencodable],
        Scenario::Gone => vec![message],
        Scenario::Unwanted => vec![Record { stream: None, kind: RecordKind::Refused, ..row }, message],
    }
}

/// How an alert is reported and counted.
fn expected(scenario: Scenario, has_id: bool) -> (Option<DifferenceKind>, Option<Category>) {
    match scenario {
        Scenario::Sent => (None, Some(Category::Matched)),
        Scenario::SentTwice => (Some(DifferenceKind::Duplicated), Some(Category::Duplicated)),
        Scenario::Altered => (Some(DifferenceKind::Altered), Some(Category::Altered)),
        Scenario::Missing | Scenario::Unencodable => (Some(DifferenceKind::Missing), None),
        Scenario::Rejected => (None, Some(Category::Rejected)),
        // A message without an id cannot be matched with a row that no stream keeps.
        Scenario::Unwanted if has_id => (Some(DifferenceKind::Unwanted), Some(Category::Unwanted)),
        Scenario::Gone | Scenario::Unwanted => (None, Some(Category::Superseded)),
        Scenario::Expired => (None, Some(Category::Expired)),
        Scenario::NotDue => (None, Some(Category::NotDue)),
    }
}

fn scope(has_messages_without_id: bool) -> TopicScope {
    TopicScope {
        due: Timestamp::from_millis(DUE),
        partitions: 1,
        retained: vec![Retention::Since(Timestamp::from_millis(RETAINED_FROM))],
        ends: Vec::new(),
        has_messages_without_id,
    }
}

fn compare(all: &[Record]) -> (AuditTotals, Vec<DifferenceRecord>) {
    let mut compared = Records::new(&std::env::temp_dir());
    for record in all {
        compared.push(*record).unwrap();
    }
    let has_messages_without_id = all.iter().any(|record| record.id.is_none());
    let scope = scope(has_messages_without_id);
    let (mut totals, mut found) = (AuditTotals::new(1, 12), Vec::new());
    let mut each = |difference| {
        found.push(difference);
        Ok::<(), AuditError>(())
    };
    compared.compare(&[scope], &mut totals, &mut each).unwrap();
    (totals, found)
}

proptest! {
    // Each case makes hundreds of files.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_alert_is_reported_as_what_happened_to_it(
        scenarios in prop::collection::vec((prop::sample::select(&SCENARIOS[..]), any::<bool>()), 0..300),
    ) {
        let all: Vec<Record> = scenarios
            .iter()
            .enumerate()
            .flat_map(|(number, (scenario, has_id))| records(number as u64, *scenario, *has_id))
            .collect();
        let (totals, mut found) = compare(&all);
        found.sort_by_key(|difference| (difference.key.unwrap_or(-1), difference.id));
        let mut reported = found.iter();
        let mut counts = vec![0_u64; Category::ALL.len()];
        for (number, (scenario, has_id)) in scenarios.iter().enumerate() {
            let (kind, count) = expected(*scenario, *has_id);
            if let Some(count) = count {
                counts[count as usize] += 1;
            }
            if let Some(kind) = kind {
                let difference = reported.next().expect("a difference for each alert that has one");
                prop_assert_eq!((difference.kind, difference.key), (kind, Some(number as i64)));
                prop_assert_eq!(difference.id, NonZeroU128::new((number as u128) << 64 | 7));
                let messages = match scenario { Scenario::SentTwice => 2, Scenario::Altered | Scenario::Unwanted => 1, _ => 0 };
                prop_assert_eq!(difference.messages.len(), messages);
                prop_assert_eq!(difference.is_unencodable, matches!(scenario, Scenario::Unencodable));
            }
        }
        prop_assert_eq!(reported.next(), None);
        for count in Category::ALL {
            prop_assert_eq!(totals.streams()[0].get(count), counts[count as usize], "{:?}", count);
        }
    }
}

#[test]
fn an_alert_sent_by_an_old_version_and_again_by_a_new_one_is_duplicated() {
    let mut all = records(1, Scenario::Sent, true);
    all.push(Record { id: None, offset: 2_000_000, ..all[1] });
    let (_, found) = compare(&all);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].kind, found[0].key), (DifferenceKind::Duplicated, Some(1)));
}

#[test]
fn streams_are_kept_apart() {
    let mut all = records(1, Scenario::Sent, true);
    all.push(Record { stream: Some(1), ..all[0] });
    let mut compared = Records::new(&std::env::temp_dir());
    for record in &all {
        compared.push(*record).unwrap();
    }
    let scope = scope(false);
    let (mut totals, mut found) = (AuditTotals::new(2, 12), Vec::new());
    let mut each = |difference: DifferenceRecord| {
        found.push((difference.kind, difference.stream));
        Ok::<(), AuditError>(())
    };
    compared.compare(&[scope.clone(), scope], &mut totals, &mut each).unwrap();
    assert_eq!(found, [(DifferenceKind::Missing, 1)]);
}
