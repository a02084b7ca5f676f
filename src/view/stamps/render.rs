//! Which pixel of an image stands where when north is up and east is left; the page does the same in assets/stamps.js.

use super::image::Unit;

/// The pixel of the image at an offset from the middle of the picture, in pixels of the image to the right and up; nearest pixel. Without
/// coordinates the first row is at the bottom, as FITS viewers show it.
pub fn source_pixel(unit: &Unit, right: f64, up: f64) -> (i64, i64) {
    let [dx, dy] = match &unit.wcs {
        Some(wcs) => wcs.pixels(-right * wcs.scale(), up * wcs.scale()),
        None => [right, up],
    };
    let middle = |size: usize| (size as f64 - 1.0) / 2.0;
    ((middle(unit.image.width) + dx).round() as i64, (middle(unit.image.height) + dy).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::super::image::Image;
    use super::super::wcs::Wcs;
    use super::*;

    #[test]
    fn ztf_shows_its_first_row_on_top_and_others_at_the_bottom() {
        let image = Image::new(63, 63, vec![0.0; 63 * 63]);
        let plain = Unit { name: String::new(), counts: String::new(), image, wcs: None };
        let ztf = Unit { wcs: Some(Wcs::of_ztf(63, 63, None)), ..plain.clone() };
        assert_eq!(source_pixel(&ztf, -31.0, 31.0), (0, 0));
        assert_eq!(source_pixel(&ztf, 31.0, -31.0), (62, 62));
        assert_eq!(source_pixel(&plain, -31.0, -31.0), (0, 0));
    }
}
