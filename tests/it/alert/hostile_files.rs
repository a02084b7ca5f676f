//! Damaged Avro files: whatever their bytes, reading them ends with data or an error. FINK_FUZZ_TRIALS sets their number.

use std::panic::{AssertUnwindSafe, catch_unwind};

use apache_avro::{Codec, DeflateSettings, Writer, ZstandardSettings};
use fink::avro::container::{Container, KnownSchemas};
use fink::avro::container_reader::ContainerReader;

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

/// Changes some bytes of a file.
fn damage(bad: &mut Vec<u8>, random: &mut Random) {
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
}

/// Bytes of memory that the process has had at most.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn a_damaged_file_is_an_error_or_data() {
    const DAMAGED_OF_A_FILE: u64 = 20;
    let trials: u64 = std::env::var("FINK_FUZZ_TRIALS").ok().and_then(|count| count.parse().ok()).unwrap_or(4_000);
    let (mut damaged, mut read) = (0, 0);
    for seed in 0..trials.div_ceil(DAMAGED_OF_A_FILE) {
        let mut random = Random::new(seed);
        let good = file(&mut random);
        let data = whole(&good);
        assert!(data.is_some() && streamed(&good) == data, "file {seed}");
        for number in 0..DAMAGED_OF_A_FILE {
            let mut bad = good.clone();
            damage(&mut bad, &mut random);
            let both = catch_unwind(AssertUnwindSafe(|| (streamed(&bad), whole(&bad))));
            let (streamed, whole) = both.unwrap_or_else(|_| panic!("file {seed}, damage {number}"));
            // Only what is checked in the header differs.
            if let (Some(streamed), Some(whole)) = (&streamed, &whole) {
                assert_eq!(streamed, whole, "file {seed}, damage {number}");
            }
            damaged += 1;
            read += u64::from(whole.is_some());
        }
    }
    println!("{damaged} damaged files: {} refused, {read} read; at most {} MB", damaged - read, peak_memory() >> 20);
}
