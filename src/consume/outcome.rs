//! The results that an output returns.

use crate::messages::Place;

/// What a flush has made safe.
#[derive(Debug, Default)]
pub struct Flushed {
    /// files that are new
    pub files: u64,
    /// their bytes
    pub bytes: u64,
    /// partitions of which nothing was kept, to be read again from these offsets: another process has saved them meanwhile
    pub rewind: Vec<(Place, i64)>,
}

/// What became of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// it is printed or saved with the next flush
    New,
    /// a file has it already
    Known,
}

/// What is to be flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// what was taken
    Flush,
    /// nothing; commit the offsets of files that are already in place
    Commit,
}
