//! FITS headers (FITS standard 4.0, section 4): 80-character cards in blocks of 2880 bytes.

use std::fmt::Display;
use std::io::Write;

/// The parts of a FITS file are padded to a multiple of this number of bytes.
pub(super) const BLOCK: usize = 2880;
/// Bytes of a card.
const CARD: usize = 80;

/// Writes a header, card by card, at the end of a file.
pub(super) struct Header<'a> {
    file: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Header<'a> {
    /// Begins the header of an image, with the type of its pixels and its size. `file` must end at the end of a block.
    pub(super) fn image(file: &'a mut Vec<u8>, is_first: bool, bitpix: i32, width: usize, height: usize) -> Self {
        let start = file.len();
        let mut header = Self { file, start };
        match is_first {
            true => header.number("SIMPLE", "T"),
            false => header.text("XTENSION", "IMAGE"),
        };
        header.number("BITPIX", bitpix).number("NAXIS", 2).number("NAXIS1", width).number("NAXIS2", height);
        header
    }

    /// Adds a whole number or a logical value, right-justified in columns 11 to 30.
    pub(super) fn number(&mut self, key: &str, value: impl Display) -> &mut Self {
        self.card(format_args!("{key:<8}= {value:>20}"))
    }

    /// Adds a real number.
    pub(super) fn real(&mut self, key: &str, value: f64) -> &mut Self {
        self.card(format_args!("{key:<8}= {value:>20.12E}"))
    }

    /// Adds a short text without quotes in it.
    pub(super) fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.card(format_args!("{key:<8}= '{value:<8}'"))
    }

    /// Ends the header.
    pub(super) fn end(&mut self) {
        self.card(format_args!("END"));
        let length = (self.file.len() - self.start).next_multiple_of(BLOCK);
        self.file.resize(self.start + length, b' ');
    }

    fn card(&mut self, card: std::fmt::Arguments<'_>) -> &mut Self {
        let end = self.file.len() + CARD;
        // Writing to a `Vec` cannot fail.
        let _ = self.file.write_fmt(card);
        self.file.resize(end, b' ');
        self
    }
}

/// Pads the data of a unit, of `length` bytes, to whole blocks.
pub(super) fn pad(file: &mut Vec<u8>, length: usize) {
    file.resize(file.len() + length.next_multiple_of(BLOCK) - length, 0);
}
