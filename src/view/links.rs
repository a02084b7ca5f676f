//! Pages of others about an object or its place, opened only by a click.

use super::sky::Position;
use super::survey::Survey;

/// The radius of a search, arcseconds.
const RADIUS: u32 = 5;

/// Names and addresses. Ids are percent-encoded: they are text from outside.
pub fn links(survey: Survey, object: Option<&str>, position: Option<Position>) -> Vec<(&'static str, String)> {
    let mut links = Vec::new();
    if let Some(object) = object.map(percent_encode) {
        match survey {
            Survey::Ztf => links.extend([
                ("Fink", format!("https://ztf.fink-portal.org/{object}")),
                ("ALeRCE", format!("https://alerce.online/object/{object}")),
                ("Lasair", format!("https://lasair-ztf.lsst.ac.uk/objects/{object}/")),
            ]),
            Survey::Rubin => links.extend([
                ("Fink", format!("https://lsst.fink-portal.org/{object}")),
                ("ALeRCE", format!("https://lsst.alerce.online/object/{object}?survey=lsst")),
                ("Lasair", format!("https://lasair.lsst.ac.uk/objects/{object}/")),
            ]),
            Survey::Other => {}
        }
    }
    if let Some(Position { ra, dec }) = position {
        let place = format!("{ra:.6}%20{dec:+.6}").replace('+', "%2B");
        links.extend([
            ("TNS", format!("https://www.wis-tns.org/search?ra={ra:.6}&decl={dec:.6}&radius={RADIUS}&coords_unit=arcsec")),
            (
                "SIMBAD",
                format!("https://simbad.cds.unistra.fr/simbad/sim-coo?Coord={place}&CooFrame=FK5&CooEpoch=2000&CooEqui=2000&Radius={RADIUS}&Radius.unit=arcsec"),
            ),
            (
                "NED",
                format!("https://ned.ipac.caltech.edu/conesearch?search_type=Near%20Position%20Search&in_csys=Equatorial&in_equinox=J2000&ra={ra:.6}d&dec={dec:.6}d&radius={:.4}", f64::from(RADIUS) / 60.0),
            ),
            ("Aladin", format!("https://aladin.cds.unistra.fr/AladinLite/?target={place}&fov=0.03&survey=CDS/P/PanSTARRS/DR1/color-z-zg-g")),
        ]);
    }
    links
}

fn percent_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_change_the_address() {
        let links = links(Survey::Ztf, Some("../<script>?#"), Position::new(14.858_515_7, 7.25));
        assert_eq!(links[0], ("Fink", "https://ztf.fink-portal.org/..%2F%3Cscript%3E%3F%23".to_owned()));
        assert!(links.iter().any(|(name, url)| *name == "SIMBAD" && url.contains("14.858516%20%2B7.250000")));
        assert!(links.iter().all(|(_, url)| url.starts_with("https://")));
    }
}
