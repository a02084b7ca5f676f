//! The identifiers of an alert.

/// The identifiers of an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertIdentity {
    /// the object; for LSST the number of the diaObject, else of the ssObject. `None`: an LSST alert that has neither
    pub object: Option<String>,
    /// ZTF's `candid` or LSST's `diaSourceId`; unique for the first 88 million alerts
    pub source: i64,
    /// Julian date of the exposure (ZTF: its start, UTC; LSST: its middle, TAI)
    pub jd: f64,
}
