//! The colours of a picture, which are those of the page on light ground.

use super::canvas::{Anchor, TextStyle, color};

/// Text and frames.
pub const INK: &str = "#16191F";
/// What is less important.
pub const MUTED: &str = "#5D6673";
/// Frames of stamps.
pub const LINE: &str = "#D5D9E0";

/// Text of a size, in pixels, that begins at its place.
pub fn style(size: f32, tone: &str) -> TextStyle {
    TextStyle { size, is_bold: false, anchor: Anchor::Start, color: color(tone) }
}
