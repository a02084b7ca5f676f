//! The partition of an alert: chosen from its object, never from the message's key.
//!
//! All messages of a topic may have the same key (a schema), and would share one partition. The partition is the one that Kafka's default partitioner
//! chooses for the object's identifier as the key: murmur2, the sign bit cleared, modulo the number of partitions. So another producer that uses
//! the identifier as its key writes an object's messages to the same partition.

/// The partition of an object in a topic with `partitions` partitions; 0 where there are none.
///
/// `object` is the identifier as text: UTF-8 for a string, decimal digits for a number, so that the partition does not depend on a store's
/// encoding.
pub fn of_object(object: &[u8], partitions: i32) -> i32 {
    if partitions <= 0 {
        return 0;
    }
    (murmur2(object) & 0x7fff_ffff).cast_signed() % partitions
}

/// MurmurHash 2 (Austin Appleby, public domain), 32 bits, with the seed that Kafka's clients use.
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    const SEED: u32 = 0x9747_b28c;
    // Kafka hashes Java arrays, whose length is an i32; the cast wraps as there.
    let mut h = SEED ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        h ^= tail.iter().rev().fold(0, |k, byte| (k << 8) | u32::from(*byte));
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn murmur2_agrees_with_kafka() {
        let vectors: [(&[u8], i32); 7] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
        ];
        for (data, hash) in vectors {
            assert_eq!(murmur2(data).cast_signed(), hash, "{}", String::from_utf8_lossy(data));
        }
    }

    #[test]
    fn every_partition_is_used_and_an_object_stays() {
        let mut count = [0_usize; 8];
        for i in 0..8000 {
            let name = format!("ZTF18aaa{i:05}");
            let partition = of_object(name.as_bytes(), 8);
            assert_eq!(partition, of_object(name.as_bytes(), 8));
            count[usize::try_from(partition).unwrap()] += 1;
        }
        assert!(count.iter().all(|n| (800..1200).contains(n)), "{count:?}");
        assert_eq!(of_object(b"x", 0), 0);
        assert_eq!(of_object(b"x", 1), 0);
    }
}
