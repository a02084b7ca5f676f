//! ZTF alerts.

mod dates;
mod detection;
mod field_context;
mod generator;
mod packet;
mod stamps;

pub(super) use generator::Ztf;

/// The names of the fields that are written of each record.
#[cfg(test)]
pub(super) fn records() -> Vec<(&'static str, Vec<String>)> {
    vec![("candidate", packet::Candidate::fields()), ("prv_candidate", packet::PrvCandidate::fields())]
}
