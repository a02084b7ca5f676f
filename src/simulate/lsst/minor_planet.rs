//! Solar-system objects: designations, positions and orbits.

use super::packet::{MpcOrbits, SsSource};
use crate::simulate::object::Object;
use crate::simulate::rng::AlertRng;
use crate::simulate::sky::Position;

/// Ecliptic longitude of the Earth on the schedule's first day, degrees, and degrees a day.
const EARTH: (f64, f64) = (39.0, 0.985_6);

/// A provisional designation (Minor Planet Center): year, half of a month, order in it.
pub(super) struct Designation {
    /// seven characters, such as `K15RC4D`
    pub(super) packed: String,
    /// in full, such as `2015 RD124`
    pub(super) full: String,
}

impl Designation {
    /// The designation number `number`; they repeat after 3 million.
    pub(super) fn number(number: u64) -> Self {
        const HALF_MONTHS: &[u8; 24] = b"ABCDEFGHJKLMNOPQRSTUVWXY";
        const ORDERS: &[u8; 25] = b"ABCDEFGHJKLMNOPQRSTUVWXYZ";
        const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let half = char::from(HALF_MONTHS[(number % 24) as usize]);
        let order = char::from(ORDERS[(number / 24 % 25) as usize]);
        let year = number / 600 % 25;
        let cycle = number / 15_000 % 200;
        let cycle_text = if cycle == 0 { String::new() } else { cycle.to_string() };
        Self {
            packed: format!("K{year:02}{half}{}{}{order}", char::from(DIGITS[(cycle / 10) as usize]), cycle % 10),
            full: format!("20{year:02} {half}{order}{cycle_text}"),
        }
    }

    /// The number of the ssObject: the packed designation's characters as one big-endian number.
    pub(super) fn ss_object_id(&self) -> i64 {
        self.packed.bytes().fold(0, |id, byte| id << 8 | i64::from(byte))
    }
}

type Vector = [f64; 3];

fn direction(longitude: f64, latitude: f64) -> Vector {
    let (sin_lon, cos_lon) = longitude.to_radians().sin_cos();
    let (sin_lat, cos_lat) = latitude.to_radians().sin_cos();
    [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]
}

fn dot(a: Vector, b: Vector) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn angle(a: Vector, b: Vector) -> f64 {
    (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).clamp(-1.0, 1.0).acos().to_degrees()
}

/// The position of the object: distances in au and speeds in au per day, in ecliptic coordinates.
pub(super) fn ss_source(
    dia_source: i64,
    designation: &Designation,
    object: &Object,
    at: Position,
    day: f64,
    rng: &mut AlertRng,
) -> SsSource {
    let ((ecl_lambda, ecl_beta), (gal_lon, gal_lat)) = (at.ecliptic(), at.galactic());
    let range = rng.between(0.9, 2.6);
    let topo = direction(ecl_lambda, ecl_beta).map(|x| x * range);
    let earth = direction(EARTH.0 + EARTH.1 * day, 0.0);
    let helio: Vector = std::array::from_fn(|axis| topo[axis] + earth[axis]);
    let helio_range = dot(helio, helio).sqrt();
    // About the speed of a circular orbit, mostly along the ecliptic.
    let speed = 0.0172 / helio_range.sqrt();
    let helio_v = [-helio[1] / helio_range * speed, helio[0] / helio_range * speed, 0.1 * speed * rng.normal()];
    let topo_v = [helio_v[0] + earth[1] * 0.0172, helio_v[1] - earth[0] * 0.0172, helio_v[2]];
    let (east, north) = (rng.normal() * 0.1, rng.normal() * 0.1);
    let ephemeris = at.offset(east, north);
    let single = |value: f64| Some(value as f32);
    SsSource {
        diaSourceId: dia_source,
        ssObjectId: designation.ss_object_id(),
        designation: Some(designation.full.clone()),
        eclLambda: ecl_lambda,
        eclBeta: ecl_beta,
        galLon: gal_lon,
        galLat: gal_lat,
        elongation: single(angle(topo, earth.map(|x| -x))),
        phaseAngle: single(angle(topo, helio)),
        topoRange: single(range),
        topoRangeRate: single(dot(topo, topo_v) / range),
        helioRange: single(helio_range),
        helioRangeRate: single(dot(helio, helio_v) / helio_range),
        ephRa: Some(ephemeris.ra),
        ephDec: Some(ephemeris.dec),
        ephVmag: object.mean_magnitude().map(|magnitude| magnitude as f32),
        ephOffset: single(east.hypot(north)),
        ephOffsetRa: Some(-east),
        ephOffsetDec: Some(-north),
        helio_x: single(helio[0]),
        helio_y: single(helio[1]),
        helio_z: single(helio[2]),
        helio_vx: single(helio_v[0]),
        helio_vy: single(helio_v[1]),
        helio_vz: single(helio_v[2]),
        helio_vtot: single(dot(helio_v, helio_v).sqrt()),
        topo_x: single(topo[0]),
        topo_y: single(topo[1]),
        topo_z: single(topo[2]),
        topo_vx: single(topo_v[0]),
        topo_vy: single(topo_v[1]),
        topo_vz: single(topo_v[2]),
        topo_vtot: single(dot(topo_v, topo_v).sqrt()),
        diaDistanceRank: Some(1),
        ..SsSource::default()
    }
}

/// The orbit. `rng` must be the object's own stream: the orbit is then the same in all its alerts.
pub(super) fn orbit(designation: Designation, number: u64, object: &Object, rng: &mut AlertRng) -> MpcOrbits {
    let (a, e, i) = (rng.between(2.1, 3.4), rng.unit() * 0.3, rng.unit().powi(2) * 35.0);
    let period = 365.25 * a.powf(1.5);
    let anomaly = rng.between(0.0, 360.0);
    let epoch = 61_000.0;
    let observed = 30 + rng.below(2000) as i32;
    let arc = rng.between(900.0, 9000.0).floor();
    // Microseconds since 1970 of MJD 60,900.
    let updated = (60_900 - 40_587) * 86_400_000_000 + rng.below(86_400_000_000) as i64;
    MpcOrbits {
        id: (number % 2_000_000_000) as i32,
        designation: designation.full.clone(),
        packed_primary_provisional_designation: designation.packed,
        unpacked_primary_provisional_designation: designation.full,
        created_at: Some(updated - 200 * 86_400_000_000),
        updated_at: Some(updated),
        orbit_type_int: Some(11),
        u_param: Some(rng.below(3) as i32),
        nopp: Some(1 + rng.below(12) as i32),
        arc_length_total: Some(arc),
        arc_length_sel: Some(arc),
        nobs_total: Some(observed),
        nobs_total_sel: Some(observed - 3),
        a: Some(a),
        q: Some(a * (1.0 - e)),
        e: Some(e),
        i: Some(i),
        node: Some(rng.between(0.0, 360.0)),
        argperi: Some(rng.between(0.0, 360.0)),
        peri_time: Some(epoch - period * anomaly / 360.0),
        mean_anomaly: Some(anomaly),
        period: Some(period),
        mean_motion: Some(360.0 / period),
        a_unc: Some(3e-8),
        q_unc: Some(5e-8),
        e_unc: Some(2e-8),
        i_unc: Some(3e-6),
        node_unc: Some(1e-5),
        argperi_unc: Some(2e-5),
        peri_time_unc: Some(7e-5),
        mean_anomaly_unc: Some(1e-5),
        epoch_mjd: Some(epoch),
        h: object.mean_magnitude().map(|magnitude| magnitude - 4.0),
        g: Some(0.15),
        normalized_rms: Some(rng.between(0.3, 0.8)),
        earth_moid: Some(a * (1.0 - e) - 1.0),
        fitting_datetime: Some(updated),
        ..MpcOrbits::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn designations_are_packed_as_the_minor_planet_center_does() {
        let designation = Designation::number(15 * 600 + 15_000 * 124 + 24 * 3 + 16);
        assert_eq!((designation.packed.as_str(), designation.full.as_str()), ("K15RC4D", "2015 RD124"));
        assert_eq!(designation.ss_object_id(), i64::from_be_bytes(*b"\0K15RC4D"));
    }
}
