//! What a distribution has done so far, for its status line and its end.

use std::fmt;

use crate::filters::FilterName;
use crate::rules::Condition;

/// What may refuse an alert on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Criterion {
    /// a condition of its rules
    Condition {
        /// the line of the file on which it stands
        line: usize,
        /// it, in short
        text: String,
    },
    /// one of its Python filters, by its full name
    Filter(String),
}

impl From<&Condition> for Criterion {
    fn from(condition: &Condition) -> Self {
        Self::Condition { line: condition.line, text: condition.text.clone() }
    }
}

impl From<&FilterName> for Criterion {
    fn from(name: &FilterName) -> Self {
        Self::Filter(name.to_string())
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Condition { line, text } => write!(f, "line {line}: {text}"),
            Self::Filter(name) => write!(f, "filter {name}"),
        }
    }
}

/// One stream's alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamStats {
    /// sent, and committed
    pub sent: u64,
    /// bytes of their values
    pub bytes: u64,
    /// sent to the rejected topic instead
    pub rejected: u64,
    /// refused by the stream's rules, by condition in the order of the file, then by its filters
    pub refused: Vec<u64>,
    /// what refuses, in the same order
    pub criteria: Vec<Criterion>,
}

impl StreamStats {
    /// Counts one more alert refused by the condition, or filter, of this place.
    pub fn refuse(&mut self, condition: usize) {
        if self.refused.len() <= condition {
            self.refused.resize(condition + 1, 0);
        }
        self.refused[condition] += 1;
    }

    /// What may refuse alerts, and how many each of them did.
    pub fn refused_by(&self) -> impl Iterator<Item = (&Criterion, u64)> {
        let stats = self.refused.iter().copied().chain(std::iter::repeat(0));
        self.criteria.iter().zip(stats)
    }

    /// Adds what `other` counted.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.bytes += other.bytes;
        self.rejected += other.rejected;
        self.refused.resize(self.refused.len().max(other.refused.len()), 0);
        for (all, new) in self.refused.iter_mut().zip(&other.refused) {
            *all += new;
        }
    }
}

/// All counts since the start; only what is committed counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// rows of the science database that a scan returned
    pub rows: u64,
    /// alerts that are done
    pub alerts: u64,
    /// rows that are no alerts (`science_db.skip_rows`), committed or not
    pub skipped: u64,
    /// of the alerts, found by a repair: visible only after the live lane had passed
    pub late: u64,
    /// rows that were stamped ahead of now when it was last looked
    pub ahead: u64,
    /// by stream, in the order of the configuration
    pub streams: Vec<StreamStats>,
    /// key ranges of the history lane: done, and all
    pub ranges: (usize, usize),
    /// what the last look covered: everything visible before this time is done; ms since 1970
    pub seen_until: i64,
    /// everything before this time is done for good; ms since 1970
    pub watermark: i64,
    /// which lane is at work
    pub lane: Lane,
}

/// What a distribution is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lane {
    /// beginning
    #[default]
    Start,
    /// the past, row by row
    History,
    /// fresh rows, with a repair now and then
    Live,
}

impl Stats {
    /// Counts for `streams` streams.
    pub fn new(streams: usize) -> Self {
        Self { streams: vec![StreamStats::default(); streams], ..Self::default() }
    }

    /// Messages sent on all streams.
    pub fn sent(&self) -> u64 {
        self.streams.iter().map(|stream| stream.sent).sum()
    }

    /// Messages rejected on all streams.
    pub fn rejected(&self) -> u64 {
        self.streams.iter().map(|stream| stream.rejected).sum()
    }
}
