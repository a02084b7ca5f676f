//! How an image stands on the sky.

use super::header::Header;

/// The tangent plane around a pixel. Distortions, which matter over degrees, are left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wcs {
    /// the pixel of the reference point, counted from 0
    pub pixel: [f64; 2],
    /// its right ascension and declination, degrees
    pub sky: [f64; 2],
    /// degrees to the east and to the north for each pixel along x and along y: `[[dE/dx, dE/dy], [dN/dx, dN/dy]]`
    pub matrix: [[f64; 2]; 2],
    /// whether a header says so; else it is the survey's convention
    pub is_from_header: bool,
}

impl Wcs {
    /// ZTF's stamps have no coordinates. Their rows go from north to south and their columns from east to west, around the source in the
    /// middle: what the stamps of kowalski and Firefly show upright after a flip.
    pub fn of_ztf(width: usize, height: usize, sky: Option<[f64; 2]>) -> Self {
        let step = 1.01 / 3600.0;
        Self {
            pixel: [(width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0],
            sky: sky.unwrap_or_default(),
            matrix: [[-step, 0.0], [0.0, -step]],
            is_from_header: false,
        }
    }

    /// Degrees per pixel.
    pub fn scale(&self) -> f64 {
        self.determinant().abs().sqrt()
    }

    /// The pixel offset that leads so many degrees to the east and to the north.
    pub fn pixels(&self, east: f64, north: f64) -> [f64; 2] {
        let [[a, b], [c, d]] = self.matrix;
        let determinant = self.determinant();
        [(d * east - b * north) / determinant, (a * north - c * east) / determinant]
    }

    fn determinant(&self) -> f64 {
        let [[a, b], [c, d]] = self.matrix;
        a * d - b * c
    }
}

/// The coordinates of a header: right ascension and declination by CD, or by PC and CDELT. Rubin's stamps of 2025 do not say with CTYPE which
/// coordinates they have: the others are then enough.
pub fn read(header: &Header) -> Option<Wcs> {
    let is = |keyword: &str, begin: &str| header.text(keyword).is_none_or(|text| text.starts_with(begin));
    if !is("CTYPE1", "RA--") || !is("CTYPE2", "DEC-") {
        return None;
    }
    let pair = |name: &str| Some([header.number(&format!("{name}1"))?, header.number(&format!("{name}2"))?]);
    let element = |name: &str, row: usize, column: usize| header.number(&format!("{name}{row}_{column}"));
    let has_cd = [(1, 1), (1, 2), (2, 1), (2, 2)].iter().any(|(row, column)| element("CD", *row, *column).is_some());
    let matrix = match has_cd {
        true => [1, 2].map(|row| [1, 2].map(|column| element("CD", row, column).unwrap_or(0.0))),
        false => {
            let step = pair("CDELT")?;
            let unit = |row: usize, column: usize| if row == column { 1.0 } else { 0.0 };
            let pc = |row, column| element("PC", row, column).unwrap_or_else(|| unit(row, column));
            [1, 2].map(|row| [1, 2].map(|column| step[row - 1] * pc(row, column)))
        }
    };
    let [x, y] = pair("CRPIX")?;
    let wcs = Wcs { pixel: [x - 1.0, y - 1.0], sky: pair("CRVAL")?, matrix, is_from_header: true };
    // A pixel of less than a milliarcsecond, or of more than a degree, is none.
    (2.7e-7..1.0).contains(&wcs.scale()).then_some(wcs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ztf_has_north_down_and_east_left_of_its_first_row() {
        let wcs = Wcs::of_ztf(63, 63, None);
        // To the north is towards row 0, to the east towards column 0.
        let [x, y] = wcs.pixels(0.0, 10.0 / 3600.0);
        assert!(x.abs() < 1e-9 && (y + 9.900_99).abs() < 1e-4, "{x} {y}");
        assert!(wcs.pixels(10.0 / 3600.0, 0.0)[0] < 0.0);
        assert!((wcs.scale() * 3600.0 - 1.01).abs() < 1e-9);
    }
}
