//! What a distribution has done so far, for the status line and the summary.

use std::fmt;
use std::time::{Duration, Instant};

use super::verdict::RejectClass;
use crate::filters::FilterName;
use crate::rules::Condition;
use crate::timestamp::Timestamp;

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
    /// its name
    pub name: String,
    /// its topic
    pub topic: String,
    /// published and committed
    pub sent: u64,
    /// when it was paused; `None`: it receives new alerts
    pub paused_at: Option<Timestamp>,
    /// the timestamp of the oldest alert that it may miss, because it is paused or was
    pub missed_from: Option<Timestamp>,
    /// bytes of their message values
    pub bytes: u64,
    /// that went to the rejected topic instead, by the index of their class
    pub rejected_by: [u64; RejectClass::ALL.len()],
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

    /// Counts an alert that went to the rejected topic.
    pub fn reject(&mut self, class: RejectClass) {
        self.rejected_by[class.index()] += 1;
    }

    /// How many went to the rejected topic.
    pub fn rejected(&self) -> u64 {
        self.rejected_by.iter().sum()
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
        for (all, new) in self.rejected_by.iter_mut().zip(&other.rejected_by) {
            *all += new;
        }
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
    /// alerts of the open transaction
    pub uncommitted: u64,
    /// rows whose keys have a prefix of `science_db.skip_rows`
    pub skipped: u64,
    /// alerts that only a repair found: they became visible after the live lane had passed
    pub late: u64,
    /// rows that HBase pushed before a scan found them
    pub pushed: u64,
    /// time from the write of the last row that HBase pushed to its arrival, ms
    pub push_lag: u64,
    /// rows with timestamps in the future, when last scanned
    pub ahead: u64,
    /// by stream, in the order of the configuration
    pub streams: Vec<StreamStats>,
    pub history: HistoryStats,
    /// the time before which everything that was visible is published, over all lanes; `None`: not known yet, or a job
    pub published_until: Option<Timestamp>,
    pub watermark: Timestamp,
    pub lane: Lane,
    /// when the checkpoint was committed last; `None`: not yet, or a dry run
    pub checkpoint_at: Option<Instant>,
    /// alerts that the ledger lists
    pub ledger_alerts: u64,
    /// bytes of memory of the ledger
    pub ledger_bytes: u64,
}

/// How far the history lane has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HistoryStats {
    /// key ranges: how many are done, of how many
    pub ranges: (usize, usize),
    /// rows that were read since the lane started or resumed
    pub rows: u64,
    /// rows to be read in all; `None`: not counted yet
    pub total: Option<u64>,
}

impl HistoryStats {
    /// Rows that are left to read; `None`: not known yet, or no more, because more rows have come than were counted.
    pub fn left(&self) -> Option<u64> {
        self.total?.checked_sub(self.rows)
    }

    /// 0 to 1; `None` as for [`left`](Self::left).
    pub fn progress(&self) -> Option<f64> {
        let total = self.left()? + self.rows;
        Some(if total == 0 { 1.0 } else { self.rows as f64 / total as f64 })
    }
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

    /// Rows from `oldest` on were found, and are not published yet.
    pub fn limit_published_until(&mut self, oldest: Option<Timestamp>) {
        if let (Some(until), Some(oldest)) = (&mut self.published_until, oldest) {
            *until = oldest.min(*until);
        }
    }

    /// The lag at `now`: now minus the time before which everything that was visible is published. `None`: not known yet, a job, or a service
    /// that begins at the beginning of the table and reads the past.
    pub fn lag(&self, now: Timestamp) -> Option<Duration> {
        self.published_until.filter(|until| *until > Timestamp::EPOCH).map(|until| now.since(until))
    }

    /// Messages sent on all streams.
    pub fn sent(&self) -> u64 {
        self.streams.iter().map(|stream| stream.sent).sum()
    }

    /// Messages rejected on all streams.
    pub fn rejected(&self) -> u64 {
        self.streams.iter().map(StreamStats::rejected).sum()
    }
}
