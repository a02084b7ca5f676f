//! Alerts to look at: a page on this machine, a picture, one HTML file, or characters.
//!
//! [`files`] and [`live`] fill an [`AlertStore`](store::AlertStore); a [`Document`](document::Document) is what is shown of one alert: its
//! [`head`], its [`light_curve`], its [`stamps`]. [`server`] gives documents to the [`page`], [`picture`] and [`terminal`] draw them.

mod axis;
pub mod document;
pub mod error;
pub mod files;
mod format;
mod head;
pub mod light_curve;
mod links;
pub mod list;
pub mod live;
pub mod page;
pub mod picture;
pub mod server;
mod sky;
mod stamps;
pub mod store;
mod survey;
pub mod terminal;
mod time;
