//! The surveys whose alerts can be simulated.

use std::str::FromStr;

use super::error::SimulateError;

/// A survey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survey {
    /// Zwicky Transient Facility, schema 3.3
    Ztf,
    /// Rubin Observatory's Legacy Survey of Space and Time, schema 10.0
    Lsst,
}

impl FromStr for Survey {
    type Err = SimulateError;

    fn from_str(name: &str) -> Result<Self, SimulateError> {
        match name {
            "ztf" => Ok(Self::Ztf),
            "lsst" => Ok(Self::Lsst),
            _ => Err(SimulateError::Survey(name.to_owned())),
        }
    }
}
