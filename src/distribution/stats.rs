//! What a distribution has done so far, for the status line and the summary.

use std::fmt;

use crate::filters::FilterName;
use crate::rules::Condition;

/// Something that may refuse an alert on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Criterion {
    /// a condition of its rules, with its line in the rules file
    Condition { line: usize, text: String },
    /// a Python filter, as `package.module:function`
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

/// The alerts of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamStats {
    /// published and committed
    pub sent: u64,
    /// bytes of their message values
    pub bytes: u64,
    /// that went to the rejected topic instead
    pub rejected: u64,
    /// how many each criterion refused; shorter than `criteria` where the last ones refused none
    pub refused: Vec<u64>,
    /// the conditions of the stream's rules, then its filters
    pub criteria: Vec<Criterion>,
}

impl StreamStats {
    /// Counts an alert that the criterion of this index refused.
    pub fn refuse(&mut self, criterion: usize) {
        if self.refused.len() <= criterion {
            self.refused.resize(criterion + 1, 0);
        }
        self.refused[criterion] += 1;
    }

    /// The criteria, and how many alerts each of them refused.
    pub fn refused_by(&self) -> impl Iterator<Item = (&Criterion, u64)> {
        let stats = self.refused.iter().copied().chain(std::iter::repeat(0));
        self.criteria.iter().zip(stats)
    }

    /// Adds the counts of `other`.
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

/// Counts since the start; except for `skipped`, of committed alerts only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    /// rows that scans returned
    pub rows: u64,
    pub alerts: u64,
    /// rows whose keys have a prefix of `science_db.skip_rows`
    pub skipped: u64,
    /// alerts that only a repair found: they became visible after the live lane had passed
    pub late: u64,
    /// rows with timestamps in the future, when last scanned
    pub ahead: u64,
    /// by stream, in the order of the configuration
    pub streams: Vec<StreamStats>,
    /// key ranges of the history lane: how many are done, of how many
    pub ranges: (usize, usize),
    /// end of the last live scan, ms since 1970: rows before it are done if they were visible
    pub seen_until: i64,
    /// ms since 1970
    pub watermark: i64,
    pub lane: Lane,
}

/// What a distribution does at present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lane {
    /// starting
    #[default]
    Start,
    /// scanning the window before `now - repair`, in row order
    History,
    /// scanning for new rows
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
