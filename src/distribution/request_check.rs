//! Checks a request before any server is asked.

use super::error::DistributionError;
use super::request::Request;
use crate::distribution::settings::{Settings, Start, StreamSettings};
use crate::timestamp::Timestamp;
use crate::units::{MAX_CLOCK_SKEW_MS, future_timestamp_error, timestamp_meant_in_seconds};

impl Request {
    /// Checks the request at the time `now`, and returns the requested streams. It opens, reads and starts nothing.
    ///
    /// # Errors
    /// There is no stream with one of the names; a start lies in the future; the end of a job lies in the future, or not after its start.
    pub fn check(&self, settings: &Settings, now: Timestamp) -> Result<Vec<StreamSettings>, DistributionError> {
        let streams = self.select_streams(&settings.streams)?;
        let (start, place) = match self.from {
            Some(start) => (start, "--from"),
            None if self.is_job() => (Start::Earliest, "--from"),
            None => (settings.distribution.start, "distribution.start"),
        };
        if let Some(until) = self.until {
            // The offset file is read only where the job has no checkpoint.
            if let Some(from) = start.time(now).filter(|from| *from >= until) {
                return Err(DistributionError::EmptyWindow { from, until });
            }
            if let Some(fault) = future_timestamp_error(until.as_millis(), now.as_millis(), 0) {
                return Err(DistributionError::FutureUntil { until, fault });
            }
            warn_of_seconds("--until", until.as_millis(), now);
        }
        if let Start::At(from) = start {
            if let Some(fault) = future_timestamp_error(from, now.as_millis(), MAX_CLOCK_SKEW_MS) {
                return Err(DistributionError::FutureFrom { place, from: Timestamp::from_millis(from), fault });
            }
            warn_of_seconds(place, from, now);
        }
        Ok(streams)
    }
}

fn warn_of_seconds(place: &str, ms: i64, now: Timestamp) {
    if let Some(meant) = timestamp_meant_in_seconds(ms, now.as_millis()) {
        log::warn!("{place} {ms} is read as milliseconds since 1970, but looks like seconds, which would be {meant}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Configuration, Environment, RequiredLogin};

    /// 2019-11-28T12:00:00Z
    const NOW: i64 = 1_574_942_400_000;

    fn settings() -> Settings {
        let configuration = Configuration::load(None, &[], &Environment::default()).expect("defaults");
        configuration.settings(RequiredLogin::None).expect("defaults")
    }

    fn check(from: Option<Start>, until: Option<i64>) -> Result<(), String> {
        let request = Request { from, until: until.map(Timestamp::from_millis), ..Request::default() };
        request.check(&settings(), Timestamp::from_millis(NOW)).map(|_| ()).map_err(|error| {
            assert!(error.is_configuration(), "{error}");
            error.to_string()
        })
    }

    #[test]
    fn what_can_be_done_is_accepted() {
        for from in [None, Some(Start::Earliest), Some(Start::Latest), Some(Start::At(NOW - 5)), Some(Start::At(1))] {
            assert_eq!(check(from, None), Ok(()));
            assert_eq!(check(from, Some(NOW)), Ok(()));
        }
        assert_eq!(check(Some(Start::Now), None), Ok(()));
        // Clocks of two machines differ a little.
        assert_eq!(check(Some(Start::At(NOW + 60_000)), None), Ok(()));
    }

    #[test]
    fn a_job_without_a_stretch_of_time_is_refused() {
        for (from, until) in [
            (Some(Start::At(NOW - 5)), NOW - 5),
            (Some(Start::At(NOW)), NOW - 5),
            (Some(Start::Now), NOW),
            (Some(Start::Now), NOW - 5),
            (Some(Start::Earliest), 0),
            (None, 0),
        ] {
            let error = check(from, Some(until)).expect_err("nothing between");
            assert!(error.contains("there is nothing between them"), "{error}");
        }
    }

    #[test]
    fn the_future_is_refused_and_the_wrong_unit_named() {
        let error = check(Some(Start::At(NOW + 3_600_000)), None).expect_err("the future");
        assert!(error.starts_with("--from 1574946000000 (2019-11-28T13:00:00Z) is 1h ahead of now"), "{error}");
        let error = check(Some(Start::At(NOW * 1000 - 7_000_000)), None).expect_err("the future");
        assert!(error.contains("looks like microseconds: write 1574942393000"), "{error}");
        let error = check(None, Some(NOW * 1_000_000)).expect_err("the future");
        assert!(error.contains("--until") && error.contains("looks like nanoseconds: write 1574942400000"), "{error}");
        let error = check(None, Some(NOW + 1)).expect_err("the future");
        assert!(error.contains("a job reads what exists"), "{error}");
    }

    #[test]
    fn a_start_in_the_configuration_is_judged_as_well() {
        let mut settings = settings();
        settings.distribution.start = Start::At(NOW + 3_600_000);
        let service = Request::default();
        let error = service.check(&settings, Timestamp::from_millis(NOW)).expect_err("the future").to_string();
        assert!(error.starts_with("distribution.start 1574946000000"), "{error}");
        let job = Request { until: Some(Timestamp::from_millis(NOW)), ..Request::default() };
        assert!(job.check(&settings, Timestamp::from_millis(NOW)).is_ok(), "a job has a start of its own");
    }
}
