//! Points, and what they show.

use super::bands::{self, BandStyle};
use crate::view::survey::Survey;

/// A value with its standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// the value
    pub value: f64,
    /// its standard deviation, where it is known
    pub error: Option<f64>,
}

impl Measured {
    /// A finite value; an error that is not positive and finite is none.
    pub fn new(value: f64, error: Option<f64>) -> Option<Self> {
        let error = error.filter(|error| error.is_finite() && *error > 0.0);
        value.is_finite().then_some(Self { value, error })
    }
}

/// What y shows.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// as a label of the axis, without its unit
    pub label: &'static str,
    /// `mag`, `nJy`, `µJy` or empty
    pub unit: &'static str,
    /// whether small values are up, as for magnitudes
    pub is_inverted: bool,
    /// whether there is a line at 0
    pub has_zero: bool,
}

impl View {
    /// A magnitude.
    pub const fn magnitude(label: &'static str) -> Self {
        Self { label, unit: "mag", is_inverted: true, has_zero: false }
    }

    /// A flux.
    pub const fn flux(label: &'static str, unit: &'static str) -> Self {
        Self { label, unit, is_inverted: false, has_zero: true }
    }
}

/// What a point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// a source that was found
    Detection,
    /// nothing was found brighter than the value
    Limit,
    /// measured at the object's position whether or not there is a source
    Forced,
}

/// A point.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// modified Julian date, UTC
    pub mjd: f64,
    /// the band's name
    pub band: String,
    /// what it is
    pub kind: Kind,
    /// a value for each view that has one
    pub values: Vec<Option<Measured>>,
    /// whether the source is fainter than in the reference
    pub is_negative: bool,
    /// the detection's id
    pub id: Option<String>,
    /// whether it is the alert that is looked at
    pub is_present: bool,
}

/// A light curve.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LightCurve {
    /// what y can show, the first of them by default
    pub views: Vec<View>,
    /// by time
    pub points: Vec<Point>,
    /// whether the packet's times are TAI
    pub is_tai: bool,
    /// what the packet says of earlier times, in words
    pub history: String,
}

impl LightCurve {
    /// Adds the points of another alert of the same object.
    pub fn merge(&mut self, other: Self) {
        if self.views == other.views {
            self.points.extend(other.points.into_iter().map(|point| Point { is_present: false, ..point }));
            self.clean();
        }
    }

    /// The bands that have points, by wavelength, and how they are drawn.
    pub fn bands(&self, survey: Survey) -> Vec<BandStyle> {
        bands::styles(self.points.iter().map(|point| point.band.as_str()), survey)
    }

    /// Orders the points by time. Of those of one band at one time the best is kept: a detection before forced photometry, that before a
    /// limit; then the smaller error.
    pub(super) fn clean(&mut self) {
        self.points.retain(|point| point.mjd.is_finite() && point.values.iter().any(Option::is_some));
        self.points
            .sort_by(|one, other| one.mjd.total_cmp(&other.mjd).then_with(|| one.rank().total_cmp(&other.rank())));
        let mut kept: Vec<Point> = Vec::with_capacity(self.points.len());
        for point in std::mem::take(&mut self.points) {
            match kept.iter().rposition(|other| other.is_same_epoch(&point)) {
                Some(at) if point.rank() < kept[at].rank() => kept[at] = point,
                Some(_) => {}
                None => kept.push(point),
            }
        }
        self.points = kept;
    }
}

/// Two times that differ by less than this, in days, are one epoch: half a second.
const SAME_EPOCH: f64 = 0.5 / 86_400.0;

impl Point {
    fn is_same_epoch(&self, other: &Self) -> bool {
        self.band == other.band && (self.mjd - other.mjd).abs() < SAME_EPOCH
    }

    /// Less is better.
    fn rank(&self) -> f64 {
        let kind = match self.kind {
            Kind::Detection if self.is_present => 0.0,
            Kind::Detection => 1.0,
            Kind::Forced => 2.0,
            Kind::Limit => 3.0,
        };
        let error = self.values.iter().flatten().find_map(|measured| measured.error).unwrap_or(f64::INFINITY);
        // Between 0 and 1, growing with the error.
        kind + error.atan() / std::f64::consts::FRAC_PI_2 * 0.99
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(mjd: f64, kind: Kind, error: f64) -> Point {
        let values = vec![Measured::new(18.0, Some(error))];
        Point { mjd, band: "r".to_owned(), kind, values, is_negative: false, id: None, is_present: false }
    }

    fn cleaned(points: Vec<Point>) -> Vec<(f64, Kind, f64)> {
        let mut curve = LightCurve { points, ..LightCurve::default() };
        curve.clean();
        let error = |point: &Point| point.values[0].and_then(|measured| measured.error).unwrap_or(0.0);
        curve.points.iter().map(|point| (point.mjd, point.kind, error(point))).collect()
    }

    #[test]
    fn of_one_epoch_the_better_point_is_kept() {
        use Kind::{Detection, Forced, Limit};
        let second = 1.0 / 86_400.0;
        let points = vec![
            point(2.0, Detection, 0.2),
            point(1.0, Limit, 0.0),
            point(2.0 + second * 0.1, Detection, 0.1),
            point(1.0, Detection, 0.3),
            point(3.0, Detection, 0.1),
            point(3.0 + 2.0 * second, Detection, 0.1),
            point(4.0, Forced, 0.2),
            point(4.0, Detection, 0.5),
        ];
        let kept = cleaned(points);
        assert_eq!(kept.len(), 5, "{kept:?}");
        assert_eq!(kept[0], (1.0, Detection, 0.3));
        assert_eq!(kept[1].2, 0.1);
        assert_eq!((kept[4].1, kept[4].2), (Detection, 0.5));
    }

    #[test]
    fn another_alert_of_the_object_adds_points_but_no_second_present_one() {
        let views = vec![View::magnitude("m")];
        let present = Point { is_present: true, ..point(5.0, Kind::Detection, 0.1) };
        let mut curve = LightCurve { views: views.clone(), points: vec![present.clone()], ..LightCurve::default() };
        let earlier = Point { is_present: true, ..point(1.0, Kind::Detection, 0.1) };
        curve.merge(LightCurve { views, points: vec![earlier, present], ..LightCurve::default() });
        assert_eq!(curve.points.iter().map(|point| point.is_present).collect::<Vec<_>>(), [false, true]);
    }
}
