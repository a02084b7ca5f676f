//! The status of a running service, as its local socket tells it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::problems::{Problem, Problems};
use super::rate::Rate;
use crate::control_socket;
use crate::distribution::stats::{Lane, Stats};
use crate::runfile::RunningService;
use crate::timestamp::Timestamp;

/// The request for the status.
const STATUS_REQUEST: &str = "status";

/// The status of a running distribution. The names of the fields are those of `fink status --format json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    pub name: String,
    pub version: String,
    pub pid: u32,
    /// `starting`, `history` or `live`
    pub lane: String,
    /// seconds; `None`: not known yet, or a service that reads the past from the beginning of the table
    pub lag: Option<f64>,
    /// RFC 3339; everything that was visible and written before is published
    pub published_until: Option<String>,
    /// RFC 3339
    pub watermark: String,
    /// of the last seconds
    pub alerts_per_second: f64,
    pub alerts: u64,
    pub messages: u64,
    pub late: u64,
    pub rejected: u64,
    pub skipped: u64,
    /// rows with timestamps in the future
    pub ahead: u64,
    /// of the history lane, 0 to 1
    pub progress: Option<f64>,
    pub streams: Vec<StreamStatus>,
    /// the last warnings and errors, the newest last
    pub problems: Vec<Problem>,
}

/// The counts of one stream since the start of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamStatus {
    pub name: String,
    pub topic: String,
    pub sent: u64,
    pub bytes: u64,
    pub refused: u64,
    pub rejected: u64,
    /// RFC 3339; since when it is paused
    pub paused_since: Option<String>,
    /// RFC 3339; it may have missed alerts that were written since, because it is paused or was
    pub missed_from: Option<String>,
}

/// The newest statistics of a distribution, for threads that answer questions about it.
#[derive(Clone, Debug, Default)]
pub struct LatestStats {
    latest: Arc<Mutex<(Stats, Rate)>>,
}

impl LatestStats {
    /// Replaces the statistics. `rate`: of the alerts.
    pub fn set(&self, stats: &Stats, rate: &Rate) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.0.clone_from(stats);
        latest.1.clone_from(rate);
    }

    /// The statistics, and alerts per second.
    pub fn get(&self) -> (Stats, f64) {
        self.read(|stats, rate| (stats.clone(), rate))
    }

    /// Passes the statistics, and alerts per second, to `read`.
    pub fn read<T>(&self, read: impl FnOnce(&Stats, f64) -> T) -> T {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        read(&latest.0, latest.1.per_second_at(Instant::now()))
    }
}

impl ServiceStatus {
    /// The status of this process.
    pub fn new(name: &str, latest: &LatestStats, problems: &Problems) -> Self {
        let (stats, rate) = latest.get();
        let stream = |stream: &crate::distribution::stats::StreamStats| StreamStatus {
            name: stream.name.clone(),
            topic: stream.topic.clone(),
            sent: stream.sent,
            bytes: stream.bytes,
            refused: stream.refused.iter().sum(),
            rejected: stream.rejected(),
            paused_since: stream.paused_at.map(Timestamp::rfc3339),
            missed_from: stream.missed_from.map(Timestamp::rfc3339),
        };
        Self {
            name: name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            lane: lane(stats.lane).to_owned(),
            lag: stats.lag(Timestamp::now()).map(|lag| lag.as_secs_f64()),
            published_until: stats.published_until.map(Timestamp::rfc3339),
            watermark: stats.watermark.rfc3339(),
            alerts_per_second: (rate * 10.0).round() / 10.0,
            alerts: stats.alerts,
            messages: stats.sent(),
            late: stats.late,
            rejected: stats.rejected(),
            skipped: stats.skipped,
            ahead: stats.ahead,
            progress: (stats.lane == Lane::History).then(|| stats.history.progress()).flatten(),
            streams: stats.streams.iter().map(stream).collect(),
            problems: problems.all(),
        }
    }

    /// Asks a running service; `None`: it does not answer, or is of another version.
    pub fn of(running: &RunningService) -> Option<Self> {
        let response = control_socket::request(&running.socket(), STATUS_REQUEST).ok()?;
        serde_json::from_str(&response).ok()
    }

    /// The response of a service to a request on its socket.
    pub fn respond(request: &str, status: impl Fn() -> Self) -> String {
        let response = match request {
            STATUS_REQUEST => serde_json::to_string(&status()),
            other => serde_json::to_string(&serde_json::json!({ "error": format!("unknown request `{other}`") })),
        };
        response.unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"))
    }

    /// The lag.
    pub fn lag(&self) -> Option<Duration> {
        self.lag.and_then(|lag| Duration::try_from_secs_f64(lag).ok())
    }
}

/// The name of a lane.
pub fn lane(lane: Lane) -> &'static str {
    match lane {
        Lane::Start => "starting",
        Lane::History => "history",
        Lane::Live => "live",
    }
}
