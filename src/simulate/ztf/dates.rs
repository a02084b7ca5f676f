//! Dates of the survey.

/// Julian date of ZTF's night number 0.
const NIGHT_ZERO: f64 = 2_457_754.5;
/// Night number of the schedule's first day: 2020-01-05.
pub(super) const FIRST_NIGHT: i64 = 1_100;

/// Julian date of a day of the schedule.
pub(super) fn julian(day: f64) -> f64 {
    NIGHT_ZERO + FIRST_NIGHT as f64 + day
}
