//! The regions of a table and where they are, as the sessions of a process have last heard.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

use prost::Message;

use super::frame::Damaged;
use super::proto::RegionInfo;

/// What HBase writes before a serialized message in `hbase:meta`.
const MAGIC: &[u8] = b"PBUF";

/// A region, and the server that had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    /// `TABLE,START,ID.HASH.`
    pub name: Vec<u8>,
    /// its first key
    pub start: Vec<u8>,
    /// the first key after it; empty: none
    pub end: Vec<u8>,
    /// `host:port`; `None`: it is not assigned
    pub server: Option<String>,
}

impl Region {
    /// The only region of `hbase:meta`, at `server`.
    pub(crate) fn meta(server: String) -> Self {
        Self { name: b"hbase:meta,,1".to_vec(), start: Vec::new(), end: Vec::new(), server: Some(server) }
    }

    /// The region that a row of `hbase:meta` describes: its key, and the columns `info:regioninfo` and `info:server`. `None`: a region
    /// that was split, or a copy of another region.
    pub(crate) fn of_meta_row(name: &[u8], info: &[u8], server: Option<&[u8]>) -> Result<Option<Self>, Damaged> {
        let info = RegionInfo::decode(strip_magic(info))?;
        if info.offline == Some(true) || info.split == Some(true) || info.replica_id.unwrap_or(0) != 0 {
            return Ok(None);
        }
        let server = server.filter(|server| !server.is_empty());
        Ok(Some(Self {
            name: name.to_vec(),
            start: info.start_key.unwrap_or_default(),
            end: info.end_key.unwrap_or_default(),
            server: server.map(|server| String::from_utf8_lossy(server).into_owned()),
        }))
    }

    /// Whether the region has this key.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        key >= self.start.as_slice() && (self.end.is_empty() || key < self.end.as_slice())
    }

    /// The name, to be read by a person.
    pub(crate) fn display_name(&self) -> String {
        self.name.escape_ascii().to_string()
    }
}

/// A message of `hbase:meta` without its magic.
pub(crate) fn strip_magic(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MAGIC).unwrap_or(bytes)
}

/// The regions of one table by their start keys. They do not overlap.
#[derive(Debug, Default)]
pub(crate) struct RegionCache {
    regions: BTreeMap<Vec<u8>, Arc<Region>>,
}

impl RegionCache {
    /// The region of a key, if it is known.
    pub(crate) fn find(&self, key: &[u8]) -> Option<Arc<Region>> {
        let (_, region) = self.regions.range::<[u8], _>((Unbounded, Included(key))).next_back()?;
        region.contains(key).then(|| Arc::clone(region))
    }

    /// Whether no region is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }

    /// Adds a region in the place of those that it overlaps.
    pub(crate) fn insert(&mut self, region: Region) -> Arc<Region> {
        let overlapping: Vec<Vec<u8>> = {
            let start = region.start.as_slice();
            let before = self.regions.range::<[u8], _>((Unbounded, Excluded(start))).next_back();
            let before = before.filter(|(_, other)| other.end.is_empty() || other.end > region.start);
            let after = self.regions.range::<[u8], _>((Included(start), Unbounded));
            let after = after.take_while(|(start, _)| region.end.is_empty() || **start < region.end);
            before.into_iter().chain(after).map(|(start, _)| start.clone()).collect()
        };
        overlapping.iter().for_each(|start| drop(self.regions.remove(start)));
        let region = Arc::new(region);
        self.regions.insert(region.start.clone(), Arc::clone(&region));
        region
    }

    /// Replaces all regions.
    pub(crate) fn replace(&mut self, regions: Vec<Region>) {
        self.regions.clear();
        regions.into_iter().for_each(|region| drop(self.insert(region)));
    }

    /// Forgets a region, unless it was replaced in the meantime.
    pub(crate) fn forget(&mut self, region: &Arc<Region>) {
        if self.regions.get(&region.start).is_some_and(|known| Arc::ptr_eq(known, region)) {
            self.regions.remove(&region.start);
        }
    }

    /// Forgets the regions at a server.
    pub(crate) fn forget_server(&mut self, server: &str) {
        self.regions.retain(|_, region| region.server.as_deref() != Some(server));
    }

    /// Records that a region is at another server now.
    pub(crate) fn moved(&mut self, region: &Arc<Region>, server: &str) {
        if self.regions.get(&region.start).is_some_and(|known| Arc::ptr_eq(known, region)) {
            let moved = Region { server: Some(server.to_owned()), ..Region::clone(region) };
            self.regions.insert(region.start.clone(), Arc::new(moved));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::proto::TableName;
    use super::*;

    fn region(start: &str, end: &str) -> Region {
        Region {
            name: format!("t,{start},{end}").into_bytes(),
            start: start.into(),
            end: end.into(),
            server: Some(String::from("a:1")),
        }
    }

    fn name(cache: &RegionCache, key: &str) -> Option<String> {
        cache.find(key.as_bytes()).map(|region| region.display_name())
    }

    #[test]
    fn regions_are_found_by_key() {
        let mut cache = RegionCache::default();
        cache.replace(vec![region("", "g"), region("m", "")]);
        assert_eq!(name(&cache, "").as_deref(), Some("t,,g"));
        assert_eq!(name(&cache, "f").as_deref(), Some("t,,g"));
        assert_eq!(name(&cache, "g"), None);
        assert_eq!(name(&cache, "m").as_deref(), Some("t,m,"));
        assert_eq!(name(&cache, "zz").as_deref(), Some("t,m,"));
    }

    #[test]
    fn daughters_and_merged_regions_replace_what_they_overlap() {
        let mut cache = RegionCache::default();
        cache.replace(vec![region("", "g"), region("g", "")]);
        cache.insert(region("k", "p"));
        assert_eq!(name(&cache, "h"), None, "the parent is gone");
        assert_eq!(name(&cache, "k").as_deref(), Some("t,k,p"));
        cache.insert(region("", ""));
        assert_eq!(name(&cache, "a").as_deref(), Some("t,,"));
        assert_eq!(name(&cache, "k").as_deref(), Some("t,,"));
    }

    #[test]
    fn outdated_news_of_a_region_changes_nothing() {
        let mut cache = RegionCache::default();
        let old = cache.insert(region("", ""));
        cache.moved(&old, "b:1");
        assert_eq!(cache.find(b"x").unwrap().server.as_deref(), Some("b:1"));
        cache.forget(&old);
        cache.moved(&old, "c:1");
        assert_eq!(cache.find(b"x").unwrap().server.as_deref(), Some("b:1"));
        cache.forget_server("b:1");
        assert!(cache.is_empty());
    }

    #[test]
    fn split_parents_and_copies_are_not_regions() {
        let info = |offline, replica_id| {
            let table_name = TableName { namespace: b"default".to_vec(), qualifier: b"t".to_vec() };
            let info = RegionInfo {
                region_id: 1,
                table_name,
                start_key: Some(b"a".to_vec()),
                end_key: None,
                offline: Some(offline),
                split: Some(offline),
                replica_id: Some(replica_id),
            };
            [MAGIC, &info.encode_to_vec()].concat()
        };
        let parse = |info: &[u8]| Region::of_meta_row(b"t,a,1.x.", info, Some(b"host:1")).unwrap();
        let found = parse(&info(false, 0)).unwrap();
        assert_eq!((found.start.as_slice(), found.server.as_deref()), (b"a".as_slice(), Some("host:1")));
        assert_eq!(parse(&info(true, 0)), None);
        assert_eq!(parse(&info(false, 1)), None);
        assert!(Region::of_meta_row(b"t", b"PBUF\xff", None).is_err());
    }
}
