//! The light curve of an alert: what the packet says of the object at this and earlier times.

pub mod bands;
pub mod by_name;
mod curve;
mod photometry;
mod record;
mod rubin;
mod ztf;

use serde_json::Value;

pub use curve::{Kind, LightCurve, Measured, Point, View};

use super::survey::Survey;

/// The light curve of an alert. `alert` is the whole alert as JSON.
pub fn read(alert: &Value, survey: Survey) -> LightCurve {
    let mut curve = match survey {
        Survey::Ztf => ztf::light_curve(alert),
        Survey::Rubin => rubin::light_curve(alert),
        Survey::Other => by_name::light_curve(alert),
    };
    curve.clean();
    curve
}
