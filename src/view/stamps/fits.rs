//! Reads the images of a FITS file (FITS standard 4.0).
//!
//! Our own reader: what a stamp holds is an image of some thousand pixels in the first unit and perhaps in two more. The crates for FITS
//! bind a C library (`fitsio`) or read whole surveys (`fitsrs`); neither is made for bytes that anybody may have sent. Every size is
//! checked against the bytes that are there.

use super::header::{self, BLOCK, Header};
use super::image::{Image, Unit};
use super::wcs::{self, Wcs};

/// Most units of a file that are looked at.
const MAX_UNITS: usize = 16;
/// Most pixels of an image.
const MAX_PIXELS: usize = 4 << 20;

/// The images of a file, in order; units that are no images of two dimensions are left out.
///
/// # Errors
/// What is damaged, in words. Damage after the first image costs the images that follow only.
pub fn images(file: &[u8]) -> Result<Vec<Unit>, String> {
    let mut units = Vec::new();
    let mut rest = file;
    for number in 0..MAX_UNITS {
        if rest.iter().all(|byte| matches!(byte, 0 | b' ')) {
            break;
        }
        match unit(rest, number) {
            Ok((unit, length)) => {
                units.extend(unit);
                rest = rest.get(length..).unwrap_or_default();
            }
            Err(reason) if units.is_empty() => return Err(reason),
            Err(_) => break,
        }
    }
    match units.is_empty() {
        true => Err("the FITS file holds no image".to_owned()),
        false => Ok(units),
    }
}

/// The image of a unit, if it is one, and the bytes that the unit takes.
fn unit(bytes: &[u8], number: usize) -> Result<(Option<Unit>, usize), String> {
    let (header, start) = header::read(bytes, number == 0)?;
    let bits: i64 = header.text("BITPIX").and_then(|text| text.parse().ok()).ok_or("BITPIX is missing")?;
    let bytes_per_pixel = match bits {
        8 | 16 | 32 | 64 | -32 | -64 => usize::try_from(bits.abs() / 8).unwrap_or(1),
        _ => return Err(format!("BITPIX is {bits}")),
    };
    let dimensions = header.size("NAXIS").filter(|count| *count <= 9).ok_or("NAXIS is missing")?;
    let mut sizes = Vec::new();
    for axis in 1..=dimensions {
        sizes.push(header.size(&format!("NAXIS{axis}")).ok_or_else(|| format!("NAXIS{axis} is missing"))?);
    }
    let count = match sizes.is_empty() {
        true => Some(0),
        false => sizes.iter().try_fold(1_usize, |product, size| product.checked_mul(*size)),
    };
    let heap = header.size("PCOUNT").unwrap_or(0);
    let length = count.and_then(|count| count.checked_add(heap)?.checked_mul(bytes_per_pixel));
    let length = length.filter(|length| *length <= isize::MAX as usize / 2).ok_or("the image is too large")?;
    let total = start + length.next_multiple_of(BLOCK);
    let is_image = number == 0 || header.text("XTENSION") == Some("IMAGE");
    let (width, height) = match sizes.as_slice() {
        [width, height] if is_image => (*width, *height),
        [width, height, rest @ ..] if is_image && rest.iter().all(|size| *size == 1) => (*width, *height),
        _ => return Ok((None, total)),
    };
    if width == 0 || height == 0 {
        return Ok((None, total));
    }
    if width * height > MAX_PIXELS {
        return Err(format!("an image of {width} × {height} pixels is too large"));
    }
    let data = bytes.get(start..start + width * height * bytes_per_pixel).ok_or_else(|| {
        let there = bytes.len().saturating_sub(start);
        format!("the FITS file is cut short: {there} of {} bytes of pixels", width * height * bytes_per_pixel)
    })?;
    let image = Image::new(width, height, pixels(data, bits, &header));
    let name = unit_name(&header, number);
    let wcs: Option<Wcs> = wcs::read(&header);
    let counts = header.text("BUNIT").unwrap_or_default().to_owned();
    Ok((Some(Unit { name, counts, image, wcs }), total))
}

/// What an image is. Rubin's extensions are the variance of the image and the point spread function.
fn unit_name(header: &Header, number: usize) -> String {
    match (header.text("EXTNAME"), header.text("UTYPE")) {
        (_, Some("VarianceUncertainty")) => "variance".to_owned(),
        (Some("PSFIMAGE"), _) => "PSF".to_owned(),
        (Some(name), _) if number > 0 && !name.is_empty() => name.to_owned(),
        _ => "image".to_owned(),
    }
}

/// The pixels as numbers; those without a value are NaN.
fn pixels(data: &[u8], bits: i64, header: &Header) -> Vec<f32> {
    let (scale, zero) = (header.number("BSCALE").unwrap_or(1.0), header.number("BZERO").unwrap_or(0.0));
    let blank: Option<i64> = header.text("BLANK").and_then(|text| text.parse().ok());
    let whole = |value: i64| match Some(value) == blank {
        true => f32::NAN,
        false => (value as f64 * scale + zero) as f32,
    };
    let real = |value: f64| (value * scale + zero) as f32;
    let chunks = data.chunks_exact(usize::try_from(bits.abs() / 8).unwrap_or(1));
    chunks
        .map(|bytes| match (bits, bytes) {
            (8, [byte]) => whole(i64::from(*byte)),
            (16, bytes) => whole(i64::from(i16::from_be_bytes(array(bytes)))),
            (32, bytes) => whole(i64::from(i32::from_be_bytes(array(bytes)))),
            (64, bytes) => whole(i64::from_be_bytes(array(bytes))),
            (-32, bytes) => real(f64::from(f32::from_be_bytes(array(bytes)))),
            (_, bytes) => real(f64::from_be_bytes(array(bytes))),
        })
        .collect()
}

/// The bytes of one pixel; zeros where there are other than `N` of them, which `chunks_exact` does not give.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(cards: &[&str], data: &[u8]) -> Vec<u8> {
        let mut file: Vec<u8> =
            cards.iter().chain(&["END"]).flat_map(|card| format!("{card:<80}").into_bytes()).collect();
        file.resize(file.len().next_multiple_of(BLOCK), b' ');
        file.extend_from_slice(data);
        file.resize(file.len().next_multiple_of(BLOCK), 0);
        file
    }

    const CARDS: [&str; 5] = [
        "SIMPLE  =                    T",
        "BITPIX  =                   16",
        "NAXIS   = 2",
        "NAXIS1  = 2 / wide",
        "NAXIS2  = 1",
    ];

    #[test]
    fn integers_are_scaled_and_blanks_are_nan() {
        let cards =
            [&CARDS[..], &["BZERO   = 3.0E1", "BSCALE  = 2.0D0", "BLANK   = -1", "BUNIT   = 'DN      '"]].concat();
        let units = images(&file(&cards, &[0, 7, 0xff, 0xff])).expect("an image");
        assert_eq!((units[0].counts.as_str(), units[0].image.pixels[0]), ("DN", 44.0));
        assert!(units[0].image.pixels[1].is_nan());
    }

    #[test]
    fn further_units_are_read_until_one_is_damaged() {
        let mut bytes = file(&CARDS, &[0, 1, 0, 2]);
        let extension = ["XTENSION= 'IMAGE   '", CARDS[1], CARDS[2], CARDS[3], CARDS[4], "EXTNAME = 'UNCERT  '"];
        bytes.extend(file(&extension, &[0, 3, 0, 4]));
        assert_eq!(
            images(&bytes).expect("images").iter().map(|unit| unit.name.as_str()).collect::<Vec<_>>(),
            ["image", "UNCERT"]
        );
        bytes.truncate(2 * BLOCK + 100);
        assert_eq!(images(&bytes).expect("an image").len(), 1);
    }

    #[test]
    fn damage_is_named_and_costs_no_memory() {
        let fault = |cards: &[&str], data: &[u8]| images(&file(cards, data)).expect_err("damage");
        assert!(images(b"GIF89a").expect_err("damage").contains("no FITS file"));
        assert!(images(&CARDS.concat().into_bytes()).expect_err("damage").contains("has no end"));
        assert!(fault(&[CARDS[0], "BITPIX  = 17", "NAXIS = 0"], b"").contains("BITPIX is 17"));
        assert!(fault(&CARDS[..2], b"").contains("NAXIS is missing"));
        let huge = [CARDS[0], CARDS[1], CARDS[2], "NAXIS1  = 99999999999", "NAXIS2  = 99999999999"];
        assert!(fault(&huge, b"").contains("too large"));
        let large = [CARDS[0], CARDS[1], CARDS[2], "NAXIS1  = 20000", "NAXIS2  = 20000"];
        assert!(fault(&large, b"").contains("20000 × 20000 pixels is too large"));
        let mut cut = file(&[CARDS[0], CARDS[1], CARDS[2], "NAXIS1  = 63", "NAXIS2  = 63"], &[0; 10]);
        cut.truncate(BLOCK + 10);
        assert!(images(&cut).expect_err("damage").contains("cut short: 10 of 7938 bytes"));
        assert!(fault(&[CARDS[0], CARDS[1], "NAXIS   = 0"], b"").contains("no image"));
    }
}
