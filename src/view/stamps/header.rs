//! FITS headers (FITS standard 4.0, section 4): 80-character cards in blocks of 2880 bytes.

/// The parts of a file are padded to multiples of this.
pub const BLOCK: usize = 2880;
const CARD: usize = 80;
/// Most cards of a header that are looked at.
const MAX_CARDS: usize = 4096;

/// A header: keywords and values, as they are written.
#[derive(Clone, Debug, Default)]
pub struct Header(Vec<(String, String)>);

impl Header {
    /// The value of a keyword.
    pub fn text(&self, keyword: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == keyword).map(|(_, value)| value.as_str())
    }

    /// The finite number that a keyword has.
    pub fn number(&self, keyword: &str) -> Option<f64> {
        // Fortran writes exponents with D.
        let text = self.text(keyword)?.replace(['D', 'd'], "E");
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// The whole number that a keyword has.
    pub fn size(&self, keyword: &str) -> Option<usize> {
        self.text(keyword)?.parse().ok()
    }
}

/// The header at the beginning of the bytes, and its length.
///
/// # Errors
/// It is no header, or has no end.
pub fn read(bytes: &[u8], is_first: bool) -> Result<(Header, usize), String> {
    let begin: &[u8] = if is_first { b"SIMPLE" } else { b"XTENSION" };
    if !bytes.starts_with(begin) {
        return Err("it is no FITS file: it does not begin with SIMPLE".to_owned());
    }
    let mut cards = Vec::new();
    for (at, card) in bytes.chunks_exact(CARD).take(MAX_CARDS).enumerate() {
        if card.starts_with(b"END") && card[3..].iter().all(|byte| *byte == b' ') {
            return Ok((Header(cards), ((at + 1) * CARD).next_multiple_of(BLOCK)));
        }
        let card = String::from_utf8_lossy(card);
        // The standard puts `= ` in columns 9 and 10; ZTF's first card has it a column later.
        if let Some((key, value)) = card.split_once('=')
            && key.trim_end().len() <= 8
        {
            cards.push((key.trim_end().to_owned(), card_value(value)));
        }
    }
    Err("the FITS header has no end".to_owned())
}

/// The value of a card, without quotes and comment.
fn card_value(text: &str) -> String {
    let text = text.trim();
    match text.strip_prefix('\'') {
        Some(quoted) => quoted.split('\'').next().unwrap_or_default().trim_end().to_owned(),
        None => text.split('/').next().unwrap_or_default().trim_end().to_owned(),
    }
}
