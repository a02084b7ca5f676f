//! Settings from file, environment and flags.

mod settings;

pub use settings::*;
