//! Rubin alerts.

mod generator;
mod ids;
mod minor_planet;
mod packet;
mod source;
mod stamps;

pub(super) use generator::Lsst;

/// The names of the fields that are written of each record.
#[cfg(test)]
pub(super) fn records() -> Vec<(&'static str, Vec<String>)> {
    vec![
        ("diaSource", packet::DiaSource::fields()),
        ("diaForcedSource", packet::DiaForcedSource::fields()),
        ("diaObject", packet::DiaObject::fields()),
        ("ssSource", packet::SsSource::fields()),
        ("mpc_orbits", packet::MpcOrbits::fields()),
    ]
}
