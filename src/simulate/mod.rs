//! Synthetic alerts in the schemas of ZTF and Rubin, for tests and demonstrations.
//!
//! Alert `i` depends on the seed and `i` alone, however many alerts are made and in whatever order: a run may be split or resumed. The
//! alerts are ordered by time, about 100 a night. Half of them are of objects that were detected in earlier nights; their histories contain
//! the earlier detections.

mod alert_identity;
mod avro_record;
mod enriched;
mod error;
mod files;
mod fits;
mod lsst;
mod noise;
mod object;
mod options;
mod rng;
mod schedule;
mod simulator;
mod sky;
mod survey;
mod visits;
mod ztf;

pub use alert_identity::AlertIdentity;
pub use error::SimulateError;
pub use files::write_files;
pub use options::SimulatorOptions;
pub use simulator::Simulator;
pub use survey::Survey;

#[cfg(test)]
mod tests;
