//! Python filters: functions of the user's that judge alerts.
//!
//! A filter is named `package.module:function`. The names of its arguments are columns of the alert (`columns` finds them), and it is
//! given pandas Series of them, a batch of alerts at a time; true keeps an alert. Filters run in processes of the user's own interpreter
//! (`worker`), which are sent the columns as Arrow (`protocol`), several at the same time (`pool`). What a filter does wrong, be it an
//! error, silence or the end of its process, is an answer about its own alerts and no others; it never means "true". Which of a batch's
//! alerts it fails for is found by calling it again with parts of the batch (`bisect`).

mod argument;
mod arrow;
mod bisect;
mod column_builder;
mod error;
mod field_history;
mod name;
mod pool;
mod protocol;
mod record;
mod runner;
mod value_type;
mod worker;

pub(crate) use arrow::struct_array;
pub use column_builder::ColumnBuilder;
pub use error::{FilterError, ResolveError};
pub use name::{FilterName, FilterNameError};
pub use pool::{Function, Parameter, Pool};
pub use runner::{FilterCall, FilterRow, FilterRunner, Judgement};
pub(crate) use value_type::ValueType;
