//! The way of an alert, top to bottom.

pub mod progress;
