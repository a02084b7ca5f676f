//! Durations, sizes and timestamps in the notation of the command line and the configuration file.

mod duration;
mod size;
mod timestamp;

pub use duration::{format_duration, parse_duration};
pub use size::{format_size, parse_size};
pub use timestamp::{
    MAX_CLOCK_SKEW_MS, format_timestamp, future_timestamp_error, parse_absolute_timestamp, parse_ago, parse_timestamp,
    timestamp_meant_in_seconds,
};
