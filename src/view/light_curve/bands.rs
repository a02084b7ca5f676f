//! How bands are drawn: colours, and marks that tell them apart without colours.

use crate::view::survey::Survey;

/// The shape of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// filled
    Circle,
    /// with a dot in its middle
    DottedCircle,
    /// with a bar through its middle
    BarredCircle,
    /// pointing up
    TriangleUp,
    /// pointing down
    TriangleDown,
    /// filled
    Square,
    /// five points
    Star,
    /// five corners
    Pentagon,
    /// filled
    Diamond,
}

impl Marker {
    /// The name that the page has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Circle => "circle",
            Self::DottedCircle => "dotted-circle",
            Self::BarredCircle => "barred-circle",
            Self::TriangleUp => "triangle-up",
            Self::TriangleDown => "triangle-down",
            Self::Square => "square",
            Self::Star => "star",
            Self::Pentagon => "pentagon",
            Self::Diamond => "diamond",
        }
    }
}

/// How a band is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BandStyle {
    /// the band's name
    pub name: String,
    /// on light ground
    pub color: &'static str,
    /// of negative differences, on light ground
    pub negative: &'static str,
    /// on dark ground
    pub dark: &'static str,
    /// in the colours that many other tools have
    pub classic: &'static str,
    /// its mark
    pub marker: Marker,
}

type Style = (&'static str, &'static str, &'static str, &'static str, &'static str, Marker);

/// Fink's colours of ZTF's bands.
const ZTF: [Style; 3] = [
    ("g", "#15284F", "#274667", "#7FA7E8", "#2CA02C", Marker::Circle),
    ("r", "#F5622E", "#F57A2E", "#FF8A5C", "#D62728", Marker::DottedCircle),
    ("i", "#AFB2B9", "#C4C7CD", "#C9CCD3", "#FF7F0E", Marker::BarredCircle),
];

/// The colours and marks of Rubin's bands, RTN-045. On dark ground y, and the other dark ones, are lighter.
const RUBIN: [Style; 6] = [
    ("u", "#0C71FF", "#5C9DFF", "#4C97FF", "#8A2BE2", Marker::Circle),
    ("g", "#49BE61", "#7FD391", "#49BE61", "#2CA02C", Marker::TriangleUp),
    ("r", "#C61C00", "#E0604B", "#F0553B", "#D62728", Marker::TriangleDown),
    ("i", "#FFC200", "#FFD75C", "#FFC200", "#FF7F0E", Marker::Square),
    ("z", "#F341A2", "#F783C2", "#F341A2", "#8C564B", Marker::Star),
    ("y", "#5D0000", "#8F4A4A", "#C46A6A", "#7F7F7F", Marker::Pentagon),
];

/// For bands of other surveys, in turn.
const OTHERS: [Style; 6] = [
    ("", "#1F77B4", "#6BA9D4", "#5AA9E6", "#1F77B4", Marker::Circle),
    ("", "#D95F02", "#EA935A", "#F28C4B", "#FF7F0E", Marker::Square),
    ("", "#1B9E77", "#63BF9F", "#3FC79B", "#2CA02C", Marker::Diamond),
    ("", "#7570B3", "#A29ECD", "#9C97DB", "#9467BD", Marker::TriangleUp),
    ("", "#E7298A", "#F07AB5", "#F065AC", "#E377C2", Marker::Pentagon),
    ("", "#666666", "#999999", "#B0B0B0", "#7F7F7F", Marker::Star),
];

/// Bands from short to long wavelengths.
const BY_WAVELENGTH: [&str; 13] = ["u", "c", "g", "V", "r", "o", "i", "z", "y", "Y", "J", "H", "K"];

/// The styles of the bands with these names, each once, by wavelength.
pub fn styles<'a>(names: impl Iterator<Item = &'a str>, survey: Survey) -> Vec<BandStyle> {
    let mut bands: Vec<&str> = Vec::new();
    names.for_each(|name| {
        if !bands.contains(&name) {
            bands.push(name)
        }
    });
    let place = |name: &str| BY_WAVELENGTH.iter().position(|known| *known == name).unwrap_or(BY_WAVELENGTH.len());
    bands.sort_by(|one, other| place(one).cmp(&place(other)).then_with(|| one.cmp(other)));
    let known: &[Style] = match survey {
        Survey::Ztf => &ZTF,
        Survey::Rubin => &RUBIN,
        Survey::Other => &[],
    };
    let mut others = OTHERS.iter().cycle();
    let style = |name: &str| {
        let found = known.iter().find(|style| style.0 == name);
        let (_, color, negative, dark, classic, marker) = *found.or_else(|| others.next()).unwrap_or(&OTHERS[0]);
        BandStyle { name: name.to_owned(), color, negative, dark, classic, marker }
    };
    bands.into_iter().map(style).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_ordered_and_have_the_colours_of_their_survey() {
        let ztf = styles(["i", "r", "g", "r"].into_iter(), Survey::Ztf);
        assert_eq!(
            ztf.iter().map(|band| (band.name.as_str(), band.color)).collect::<Vec<_>>(),
            [("g", "#15284F"), ("r", "#F5622E"), ("i", "#AFB2B9")]
        );
        let rubin = styles(["y", "u"].into_iter(), Survey::Rubin);
        assert_eq!((rubin[0].marker, rubin[1].marker), (Marker::Circle, Marker::Pentagon));
        let others = styles(["H", "J", "filter 7"].into_iter(), Survey::Other);
        assert_eq!(others.iter().map(|band| band.name.as_str()).collect::<Vec<_>>(), ["J", "H", "filter 7"]);
    }
}
