//! Python filters: functions of users that decide which alerts a stream publishes.
//!
//! A filter is named `package.module:function`. Its parameters are columns of the alert ([`argument`]). It is called with a batch of alerts,
//! as pandas Series, and returns a boolean for each of them: true keeps the alert. Filters run in processes of the user's own interpreter
//! ([`worker`]), which receive the columns as Arrow ([`protocol`]), several at the same time ([`pool`]). A filter that raises, takes too long
//! or ends its process fails for the alerts of its call and no others; it never keeps them. Which alerts of a batch a filter fails for is
//! found by calling it again with parts of the batch ([`bisect`]).

mod argument;
mod arrow;
mod bisect;
mod column_builder;
mod error;
mod field_history;
mod filter_row;
mod name;
mod pool;
mod protocol;
mod record;
mod runner;
mod settings;
mod value_type;
mod worker;
mod worker_request;

pub(crate) use arrow::struct_array;
pub(crate) use column_builder::ColumnBuilder;
pub(crate) use error::FilterError;
pub(crate) use name::FilterName;
pub(crate) use pool::Pool;
pub(crate) use runner::{FilterRunner, ResolvedFilters};
pub use settings::{FilterSettings, OnError};
pub(crate) use value_type::{Unions, ValueType};
pub(crate) use worker_request::FilterCall;
