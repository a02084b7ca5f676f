//! Alerts between Avro and the cells of a row: random schemas, and the real alerts of FINK_TEST_ALERTS.

mod hostile_files;
mod page;
mod properties;
mod random_avro;
mod real_alerts;
mod resolution;
