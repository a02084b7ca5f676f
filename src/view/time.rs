//! Times of observations. Every time is a modified Julian date in UTC, days, once it is read.

/// TAI − UTC since 2017, seconds: Rubin's times are TAI, and its first alerts are later than that.
pub const TAI_MINUS_UTC: f64 = 37.0;
const SECONDS_PER_DAY: f64 = 86_400.0;
/// The modified Julian date of 1970-01-01.
const MJD_1970: f64 = 40_587.0;

/// From a Julian date.
pub fn from_jd(jd: f64) -> f64 {
    jd - 2_400_000.5
}

/// From a modified Julian date in TAI.
pub fn from_tai(mjd: f64) -> f64 {
    mjd - TAI_MINUS_UTC / SECONDS_PER_DAY
}

/// From ms since 1970.
pub fn from_ms(ms: i64) -> f64 {
    ms as f64 / 1000.0 / SECONDS_PER_DAY + MJD_1970
}

/// To ms since 1970.
pub fn to_ms(mjd: f64) -> i64 {
    ((mjd - MJD_1970) * SECONDS_PER_DAY * 1000.0).round() as i64
}

/// `2018-11-29 06:04:06.000`; `-`: outside of the years that can be written.
pub fn utc(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        Err(_) => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_astropy() {
        // Time(2458451.7528472, format='jd').utc.iso
        assert_eq!(utc(to_ms(from_jd(2_458_451.752_847_2))), "2018-11-29 06:04:05.998");
        // Time(60776.8389047815, format='mjd', scale='tai').utc.iso
        assert_eq!(utc(to_ms(from_tai(60_776.838_904_781_5))), "2025-04-11 20:07:24.373");
        assert_eq!(to_ms(from_ms(1_771_891_200_123)), 1_771_891_200_123);
    }
}
