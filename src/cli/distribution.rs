//! The arguments of `fink start distribution`, and the job they ask for.

use std::time::Duration;

use clap::Args;

use super::context::Context;
use super::outcome::Usage;
use crate::config::{Configuration, FlagValue, Logins, Settings, Start, parse_duration, parse_instant};

/// `fink start distribution`, `fink distribution`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples: fink start distribution
          fink start distribution --from 2019-11-01T00:00:00Z --until 2019-11-02T00:00:00Z --stream full
          set -a; . conf/fink.conf.distribution; fink start distribution --exit-after 1h")]
pub struct Distribution {
    /// Where to begin: earliest, latest, now, milliseconds since 1970, or RFC 3339 [default: distribution.start]
    #[arg(long, value_name = "WHEN")]
    from: Option<Start>,
    /// End with the rows before this time: now, milliseconds since 1970, or RFC 3339; the service becomes a job that ends by itself
    #[arg(long, value_name = "WHEN", value_parser = parse_instant)]
    until: Option<i64>,
    /// Only this stream; may be repeated [default: all]
    #[arg(long = "stream", value_name = "NAME")]
    streams: Vec<String>,
    /// End after this time
    #[arg(long, alias = "exit_after", value_name = "DUR", value_parser = parse_duration)]
    exit_after: Option<Duration>,
    /// Read, judge and encode, but send nothing; print counts for each stream
    #[arg(long)]
    dry_run: bool,
}

/// What is to be done.
#[derive(Clone)]
pub struct Job {
    /// the configuration that the settings come from
    pub configuration: Configuration,
    /// the settings, with only the streams asked for
    pub settings: Settings,
    /// first instant after those to read, ms since 1970; `None`: a service without end
    pub until: Option<i64>,
    /// whether `--from` was given: a service then begins there, not at its checkpoint
    pub from_given: bool,
    /// when to end
    pub exit_after: Option<Duration>,
    /// whether nothing is sent
    pub dry_run: bool,
}

impl Distribution {
    /// The job that was asked for. Where it sends, it has the producer's login.
    ///
    /// # Errors
    /// A wrong configuration, a stream that does not exist, or an end before the beginning.
    pub fn job(&self, context: &Context) -> anyhow::Result<Job> {
        let from = self.from.map(|from| FlagValue {
            key: "distribution.start".to_owned(),
            value: from.to_string(),
            flag: "--from".to_owned(),
        });
        let configuration = context.configuration_with(from.into_iter().collect())?;
        let mut settings = configuration.settings(if self.dry_run { Logins::None } else { Logins::User })?;
        for name in &self.streams {
            if !settings.streams.iter().any(|stream| stream.name == *name) {
                let known: Vec<&str> = settings.streams.iter().map(|stream| stream.name.as_str()).collect();
                return Err(
                    Usage(format!("--stream {name}: there is no such stream; there are {}", known.join(", "))).into()
                );
            }
        }
        settings.streams.retain(|stream| self.streams.is_empty() || self.streams.contains(&stream.name));
        if let (Start::At(from), Some(until)) = (settings.distribution.start, self.until)
            && until <= from
        {
            return Err(Usage("--until must be later than --from".to_owned()).into());
        }
        Ok(Job {
            configuration,
            settings,
            until: self.until,
            from_given: self.from.is_some(),
            exit_after: self.exit_after,
            dry_run: self.dry_run,
        })
    }
}
