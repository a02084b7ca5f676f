//! What the user asked a distribution to do.

use std::time::Duration;

use super::DistributionError;
use super::checkpoint_state::{CheckpointState, Record};
use super::offset_file;
use crate::config::{DistributionSettings, Start, StreamSettings};
use crate::suggest::suggestion;
use crate::timestamp::Timestamp;
use crate::window::Window;

/// Names that are listed where none is similar to a wrong one.
const MAX_LISTED_STREAMS: usize = 3;

/// The command line's part of a distribution.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// where to begin; `None`: `distribution.start`
    pub from: Option<Start>,
    /// a bounded job: where to end
    pub until: Option<Timestamp>,
    /// only these streams; empty: all
    pub streams: Vec<String>,
    /// end after this time
    pub exit_after: Option<Duration>,
    /// read, judge and encode, but send nothing
    pub dry_run: bool,
}

/// How a distribution came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// the job has done all it was asked to, or a dry run has caught up
    Finished,
    /// `exit_after` is over
    TimeLimit,
    /// it was told to stop
    Stopped,
}

impl Request {
    /// Whether this is a bounded job, with a checkpoint of its own.
    pub fn is_job(&self) -> bool {
        self.until.is_some()
    }

    /// How a distribution that was not finished ended.
    pub(super) fn ended(&self, stopped: bool) -> EndReason {
        match stopped {
            true => EndReason::Stopped,
            false if self.dry_run => EndReason::Finished,
            false => EndReason::TimeLimit,
        }
    }

    /// The streams asked for.
    ///
    /// # Errors
    /// There is no stream of a name.
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

    /// Whether it sends all of the `all` streams that there are; `streams`: those that it sends.
    pub(super) fn is_of_all(&self, streams: &[StreamSettings], all: usize) -> bool {
        if self.is_job() { self.streams.is_empty() } else { streams.len() == all }
    }

    /// The name of this distribution's records in the checkpoint: the service of all streams is `live`. A job for certain streams bears
    /// their names even where they are all there are: it is the same job when there are more.
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
            None => format!("live{names}"),
            Some(until) => match self.from {
                None | Some(Start::Earliest) => format!("job-earliest-{until}{names}"),
                Some(Start::Latest) => format!("job-latest-{until}{names}"),
                Some(Start::Now) => format!("job-now-{until}{names}"),
                Some(Start::At(from)) => format!("job-{from}-{until}{names}"),
            },
        }
    }

    /// The transactional id: `<name>-0` for the service, `<name>-<job>-0` for what may run beside it.
    pub(super) fn transactional_id(&self, settings: &DistributionSettings, prefix: &str) -> String {
        match prefix {
            "live" => format!("{}-0", settings.name),
            _ => format!("{}-{prefix}-0", settings.name),
        }
    }

    /// Where to begin, given what the checkpoint holds; and what deletes records that are outdated by that.
    ///
    /// `--from` and `start` say where a *new* checkpoint begins. A service that is started again with the same words resumes at its
    /// checkpoint, so that a supervisor may restart it at any time; other words move it. `now`: the moment of the command.
    ///
    /// # Errors
    /// The offset file cannot be read; the job's window holds no instant.
    pub(super) fn begin(
        &self,
        found: Option<CheckpointState>,
        prefix: &str,
        settings: &DistributionSettings,
        now: Timestamp,
    ) -> Result<(CheckpointState, Vec<Record>), DistributionError> {
        let start = self.from.unwrap_or(if self.is_job() { Start::Earliest } else { settings.start });
        let from = || -> Result<Timestamp, DistributionError> {
            match start {
                Start::Earliest => Ok(Timestamp::EPOCH),
                Start::Now => Ok(now),
                Start::At(from) => Ok(Timestamp::from_millis(from)),
                Start::Latest => Ok(settings
                    .offset_file
                    .as_deref()
                    .map_or(Ok(None), |path| offset_file::read(path, now))?
                    .unwrap_or(Timestamp::EPOCH)),
            }
        };
        if let Some(until) = self.until {
            return match found {
                Some(progress) => Ok((progress, Vec::new())),
                None => {
                    let from = from()?;
                    let window = Window::new(from, until).ok_or(DistributionError::EmptyWindow { from, until })?;
                    Ok((CheckpointState::job(prefix, window), Vec::new()))
                }
            };
        }
        let origin = match start {
            Start::Earliest => "earliest".to_owned(),
            Start::Latest => "latest".to_owned(),
            Start::Now => "now".to_owned(),
            Start::At(from) => from.to_string(),
        };
        match found {
            Some(progress) if start == Start::Latest || progress.origin() == origin => Ok((progress, Vec::new())),
            Some(progress) => {
                let from = from()?;
                log::warn!(
                    "the checkpoint stood at {} and was begun with `{}`; told to start from `{origin}`, it moves to {from}",
                    progress.watermark(),
                    progress.origin()
                );
                Ok(progress.moved_to(&origin, from))
            }
            None => Ok((CheckpointState::service(prefix, &origin, from()?), Vec::new())),
        }
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

    fn settings() -> DistributionSettings {
        DistributionSettings {
            name: "fink".to_owned(),
            start: Start::Latest,
            poll: Duration::from_millis(500),
            settle: Duration::ZERO,
            overlap: Duration::from_secs(30),
            repair: Duration::from_secs(600),
            repair_every: Duration::from_secs(60),
            status: true,
            offset_file: None,
            memory: 1 << 28,
            rejected_topic: "fink_rejected".to_owned(),
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn begin(request: &Request, found: Option<CheckpointState>) -> i64 {
        request.begin(found, "live", &settings(), at(5000)).expect("a place to begin").0.watermark().as_millis()
    }

    fn from(start: Start) -> Request {
        Request { from: Some(start), ..Request::default() }
    }

    #[test]
    fn a_restart_with_the_same_words_goes_on_where_it_stood() {
        let stood = || Some(CheckpointState::service("live", "now", at(77)));
        assert_eq!(begin(&from(Start::Now), stood()), 77);
        assert_eq!(begin(&Request::default(), stood()), 77);
        assert_eq!(begin(&from(Start::At(9)), stood()), 9);
    }

    #[test]
    fn a_new_checkpoint_begins_where_it_is_told() {
        assert_eq!(begin(&from(Start::Earliest), None), 0);
        assert_eq!(begin(&from(Start::Now), None), 5000);
        assert_eq!(begin(&Request::default(), None), 0);
    }

    #[test]
    fn without_a_checkpoint_the_offset_file_counts() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("offset");
        std::fs::write(&path, "distributed till, 1234")?;
        let settings = DistributionSettings { offset_file: Some(path), ..settings() };
        let (progress, _) = Request::default().begin(None, "live", &settings, at(5000))?;
        assert_eq!(progress.watermark(), at(1234));
        Ok(())
    }

    #[test]
    fn a_job_that_ends_before_it_begins_is_refused() {
        let request = Request { from: Some(Start::At(10)), until: Some(at(10)), ..Request::default() };
        assert!(request.begin(None, "job", &settings(), at(5000)).is_err());
    }

    fn streams(names: &[&str]) -> Vec<StreamSettings> {
        let stream = |name: &&str| StreamSettings {
            name: (*name).to_owned(),
            topic: format!("fink_{name}"),
            partitions: 1,
            rules: None,
            filters: Vec::new(),
            schema: None,
            encoding: crate::config::Encoding::Datum,
            key: crate::config::MessageKey::Schema,
            schema_id: None,
            transactions: true,
            schema_topic: false,
        };
        names.iter().map(stream).collect()
    }

    #[test]
    fn a_job_for_a_stream_is_the_same_job_when_there_are_more() {
        let job = |names: &[&str]| Request {
            until: Some(at(9)),
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
