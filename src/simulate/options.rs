//! How alerts are made.

/// Deviations from the alerts that the survey itself sends.
#[derive(Clone, Copy, Debug, Default)]
pub struct SimulatorOptions {
    /// size of the Avro datum in bytes, reached within 5 % by a longer history. Alerts without history (LSST's solar-system objects and
    /// artefacts) stay short, and no alert is smaller than its images. `None`: as real alerts (ZTF 42–58 kB, LSST 106.5–150 kB)
    pub target_bytes: Option<usize>,
    /// adds the field `cross_match_alerts_per_batch` after the alert's identifier: the type from catalogues that Fink adds
    pub fink: bool,
    /// adds the columns of Fink's science modules at the end, as in the alerts that Fink distributes
    pub enriched: bool,
}
