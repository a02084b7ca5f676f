//! Damaged Avro files: whatever their bytes, reading them ends with data or an error. PROPTEST_CASES sets the number of files; each is damaged
//! in 20 ways.

use apache_avro::{Codec, DeflateSettings, Writer, ZstandardSettings};
use fink::avro::container::{Container, KnownSchemas};
use fink::avro::container_reader::ContainerReader;
use proptest::prelude::{ProptestConfig, any, proptest};
use proptest::{prop_assert, prop_assert_eq};

use super::random_avro::Random;

/// A file of some blocks.
fn file(random: &mut Random) -> Vec<u8> {
    let schema = apache_avro::Schema::parse(&random.alert()).unwrap();
    let codec = match random.below(4) {
        0 => Codec::Deflate(DeflateSettings::default()),
        1 => Codec::Snappy,
        2 => Codec::Zstandard(ZstandardSettings::default()),
        _ => Codec::Null,
    };
    let mut writer = Writer::with_codec(&schema, Vec::new(), codec).unwrap();
    for _ in 0..random.below(4) {
        writer.append_value(random.value(&schema)).unwrap();
        writer.flush().unwrap();
    }
    writer.into_inner().unwrap()
}

/// The data of a file that is read as a stream, or `None` if it is damaged.
fn streamed(file: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut reader = ContainerReader::open(file, &mut KnownSchemas::default()).ok()?;
    let mut data = Vec::new();
    while let Some(blocks) = reader.next_blocks(1).ok()? {
        data.extend(blocks.read().ok()?.data().map(<[u8]>::to_vec));
    }
    Some(data)
}

fn whole(file: &[u8]) -> Option<Vec<Vec<u8>>> {
    Some(Container::read(file).ok()?.data().map(<[u8]>::to_vec).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_is_an_error_or_data(seed in any::<u64>()) {
        let mut random = Random::new(seed);
        let good = file(&mut random);
        let data = whole(&good);
        prop_assert!(data.is_some());
        prop_assert_eq!(&streamed(&good), &data);
        for _ in 0..20 {
            let mut bad = good.clone();
            for _ in 0..1 + random.below(3) {
                let at = random.below(bad.len());
                match random.below(5) {
                    0 => bad.truncate(at.max(1)),
                    1 => bad[at] = random.below(256) as u8,
                    2 => bad[at] ^= 1 << random.below(8),
                    3 => bad.insert(at, random.below(256) as u8),
                    _ => drop(bad.splice(at..at, [0xff; 9])),
                }
            }
            // Only what is checked in the header differs.
            if let (Some(streamed), Some(whole)) = (streamed(&bad), whole(&bad)) {
                prop_assert_eq!(streamed, whole);
            }
        }
    }
}
