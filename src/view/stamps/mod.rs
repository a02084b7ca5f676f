//! The stamps of an alert: small images of the sky around the source.

pub mod fits;
mod header;
pub mod image;
pub mod render;
pub mod stretch;
pub mod wcs;
mod zscale;

use std::io::Read;

use flate2::read::GzDecoder;

use self::image::Unit;
use self::wcs::Wcs;
use crate::alert::decoder::{Decoder, Scalar};

/// The most bytes that a gzipped stamp may expand to. ZTF's have 20 kB, Rubin's, which are not gzipped, 50 kB.
const MAX_STAMP_BYTES: u64 = 16 << 20;

/// Which image of the sky.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// as exposed
    Science,
    /// the reference
    Template,
    /// science less template
    Difference,
}

impl Kind {
    /// In the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Science, Self::Template, Self::Difference];

    /// As a heading.
    pub fn name(self) -> &'static str {
        match self {
            Self::Science => "Science",
            Self::Template => "Template",
            Self::Difference => "Difference",
        }
    }
}

/// A stamp.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// which
    pub kind: Kind,
    /// its images, the first of which is shown; or why there are none
    pub units: Result<Vec<Unit>, String>,
    /// the FITS file, not gzipped
    pub file: Vec<u8>,
}

/// The stamps of an alert that has any, in the order of [`Kind::ALL`]. `is_ztf`: they have ZTF's orientation; `sky`: where their middle is.
///
/// A stamp that is null, or without a field of the schema, is left out; a damaged one says what is wrong.
pub fn read(decoder: &Decoder, datum: &[u8], is_ztf: bool, sky: Option<[f64; 2]>) -> Vec<Stamp> {
    let mut stamps = Vec::new();
    for kind in Kind::ALL {
        let name = kind.name();
        let roots = [format!("cutout{name}"), format!("cutout_{}", name.to_lowercase())];
        let fields = roots.iter().flat_map(|root| [format!("{root}.stampData"), root.clone()]);
        let Some(field) = fields.into_iter().find(|field| decoder.has_field(field)) else { continue };
        let Ok(projection) = decoder.projection(&[&field]) else { continue };
        let Ok(values) = projection.read(datum) else { continue };
        if let Some(Scalar::Bytes(bytes)) = values.first()
            && !bytes.is_empty()
        {
            stamps.push(stamp(kind, bytes, is_ztf, sky));
        }
    }
    stamps
}

fn stamp(kind: Kind, bytes: &[u8], is_ztf: bool, sky: Option<[f64; 2]>) -> Stamp {
    let file = match expand(bytes) {
        Ok(file) => file,
        Err(reason) => return Stamp { kind, units: Err(reason), file: Vec::new() },
    };
    let mut units = fits::images(&file);
    for unit in units.iter_mut().flatten() {
        if unit.wcs.is_none() && is_ztf {
            unit.wcs = Some(Wcs::of_ztf(unit.image.width, unit.image.height, sky));
        }
    }
    Stamp { kind, units, file }
}

/// The bytes of a file that may be gzipped.
fn expand(bytes: &[u8]) -> Result<Vec<u8>, String> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes.to_vec());
    }
    let mut plain = Vec::new();
    let read = GzDecoder::new(bytes).take(MAX_STAMP_BYTES + 1).read_to_end(&mut plain);
    match read {
        _ if plain.len() as u64 > MAX_STAMP_BYTES => {
            Err(format!("it expands to more than {} MiB", MAX_STAMP_BYTES >> 20))
        }
        Ok(_) => Ok(plain),
        Err(error) => Err(format!("the gzip data are damaged: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn a_gzip_bomb_is_not_expanded() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000);
        let stamp = stamp(Kind::Science, &bomb, true, None);
        assert_eq!(stamp.units.unwrap_err(), "it expands to more than 16 MiB");
    }

    #[test]
    fn damaged_gzip_data_are_named() {
        let mut cut = gzip(&[7; 5000]);
        cut.truncate(cut.len() / 2);
        assert!(stamp(Kind::Template, &cut, true, None).units.unwrap_err().contains("gzip data are damaged"));
        assert!(stamp(Kind::Template, b"no image", true, None).units.unwrap_err().contains("no FITS file"));
    }
}
