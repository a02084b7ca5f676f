//! What the command line asks a distribution to do.

use std::time::Duration;

use super::checkpoint_partition::SERVICE;
use super::error::DistributionError;
use super::stream_control::StreamControl;
use crate::cancel::CancellationToken;
use crate::distribution::settings::{DistributionSettings, Start, StreamSettings};
use crate::suggest::suggestion;
use crate::timestamp::Timestamp;

/// Names that are listed where none is similar to a wrong one.
const MAX_LISTED_STREAMS: usize = 3;

/// What the command line asks a distribution to do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// where to begin; `None`: at `distribution.start`, or at the earliest row for a job
    pub from: Option<Start>,
    /// where to end: this makes it a bounded job
    pub until: Option<Timestamp>,
    /// only these streams; empty: all
    pub streams: Vec<String>,
    /// end after this time
    pub exit_after: Option<Duration>,
    /// read, filter and encode, but send nothing
    pub dry_run: bool,
    /// a child of the token that stops the distribution: where only this one is cancelled, the same process starts the distribution again, with other
    /// settings
    pub restart: Option<CancellationToken>,
    /// which streams are to be paused and resumed
    pub stream_control: StreamControl,
}

/// Why a distribution ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndReason {
    /// the job is done, or the dry run has caught up
    Finished,
    /// `exit_after` is over
    TimeLimit,
    /// the caller cancelled it
    Stopped,
    /// the caller starts it again
    Restart,
}

impl Request {
    /// Whether this is a bounded job, with a checkpoint of its own.
    pub fn is_job(&self) -> bool {
        self.until.is_some()
    }

    /// Why a distribution ended that is not finished.
    pub(super) fn end_reason(&self, stopped: bool) -> EndReason {
        match stopped {
            true => EndReason::Stopped,
            false if self.restart.as_ref().is_some_and(CancellationToken::is_cancelled) => EndReason::Restart,
            false if self.dry_run => EndReason::Finished,
            false => EndReason::TimeLimit,
        }
    }

    /// The requested streams.
    ///
    /// # Errors
    /// There is no stream with one of the names.
    pub fn select_streams(&self, all: &[StreamSettings]) -> Result<Vec<StreamSettings>, DistributionError> {
        let unknown = self.streams.iter().find(|name| all.iter().all(|stream| stream.name != **name));
        match unknown {
            Some(name) => Err(DistributionError::NoStream {
                name: name.clone(),
                count: all.len(),
                suggestion: similar_streams(name, all),
            }),
            None if self.streams.is_empty() => Ok(all.to_vec()),
            None => Ok(all.iter().filter(|stream| self.streams.contains(&stream.name)).cloned().collect()),
        }
    }

    /// Whether it is for all streams: `streams` are the requested ones, `all` is the number of configured ones.
    pub(super) fn is_of_all(&self, streams: &[StreamSettings], all: usize) -> bool {
        if self.is_job() { self.streams.is_empty() } else { streams.len() == all }
    }

    /// The checkpoint name: the keys of its records begin with it. That of the service for all streams is `live`. A job for certain streams has
    /// their names in it, even where these are all streams: it is the same job when streams are added.
    pub(super) fn checkpoint_prefix(&self, streams: &[StreamSettings], all: usize) -> String {
        let names = match self.is_of_all(streams, all) {
            true => String::new(),
            false => {
                let mut names: Vec<&str> = streams.iter().map(|stream| stream.name.as_str()).collect();
                names.sort_unstable();
                format!(":{}", names.join("+"))
            }
        };
        match self.until {
            None => format!("{SERVICE}{names}"),
            Some(until) => format!("job-{}-{until}{names}", self.from.unwrap_or(Start::Earliest)),
        }
    }

    /// The transactional id: `<name>-0` for the service, `<name>-<job>-0` for what may run beside it.
    pub(super) fn transactional_id(&self, settings: &DistributionSettings, prefix: &str) -> String {
        transactional_id_of(&settings.name, prefix)
    }
}

/// The transactional id of the writer with the checkpoint name `prefix` in the distribution `name`.
pub(super) fn transactional_id_of(name: &str, prefix: &str) -> String {
    match prefix {
        SERVICE => format!("{name}-0"),
        _ => format!("{name}-{prefix}-0"),
    }
}

/// A suggestion of streams for a name that does not exist. Without a similar one, the first names.
fn similar_streams(name: &str, all: &[StreamSettings]) -> String {
    let known = all.iter().map(|stream| stream.name.as_str());
    match suggestion(name, known.clone()) {
        none if none.is_empty() => {
            format!(", such as `{}`", known.take(MAX_LISTED_STREAMS).collect::<Vec<_>>().join("`, `"))
        }
        suggestion => suggestion,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams(names: &[&str]) -> Vec<StreamSettings> {
        let stream = |name: &&str| StreamSettings {
            name: (*name).to_owned(),
            topic: format!("fink_{name}"),
            partitions: 1,
            rules: None,
            filters: Vec::new(),
            schema: None,
            encoding: crate::alert::Encoding::Datum,
            key: crate::alert::MessageKey::Schema,
            schema_id: None,
            registry: None,
            transactions: true,
            schema_topic: false,
            durability: crate::kafka::topics::Durability::default(),
        };
        names.iter().map(stream).collect()
    }

    #[test]
    fn a_job_for_a_stream_is_the_same_job_when_there_are_more() {
        let job = |names: &[&str]| Request {
            until: Some(Timestamp::from_millis(9)),
            streams: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Request::default()
        };
        let prefix = |job: &Request, all: &[&str]| {
            let all = streams(all);
            job.checkpoint_prefix(&job.select_streams(&all).expect("streams"), all.len())
        };
        assert_eq!(prefix(&job(&["a"]), &["a"]), "job-earliest-9:a");
        assert_eq!(prefix(&job(&["a"]), &["a", "b"]), "job-earliest-9:a");
        assert_eq!(prefix(&job(&["a", "b"]), &["b", "c", "a"]), prefix(&job(&["b", "a"]), &["a", "b"]));
        assert_eq!(prefix(&job(&[]), &["a", "b"]), "job-earliest-9");
        assert_eq!(prefix(&Request::default(), &["a", "b"]), "live");
    }

    #[test]
    fn a_wrong_name_is_told_with_the_most_similar_ones() {
        let all = streams(&["supernovae", "kilonovae", "microlensing", "solar"]);
        let request = Request { streams: vec!["Kilonova".to_owned()], ..Request::default() };
        let error = request.select_streams(&all).expect_err("no such stream").to_string();
        assert!(
            error.contains("`Kilonova` among the 4 streams of the configuration: did you mean `kilonovae`?"),
            "{error}"
        );
    }
}
