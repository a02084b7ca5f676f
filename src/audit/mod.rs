//! Compares the alerts of the science database with those on the topics.
//!
//! Both sides become records of fixed size in temporary files (`record`, `spill`), which are compared part by part (`compare`): memory does
//! not grow with the number of alerts. Missing alerts can be published (`repair`).

mod alert_reader;
mod auditor;
mod compare;
mod comparison;
mod confirm;
mod difference;
mod due;
mod error;
mod identity;
mod key_file;
mod messages;
mod night;
mod record;
mod rejected;
mod repair;
mod request;
mod rows;
mod run;
mod spill;
mod topic;
mod topic_scope;
mod totals;

pub(crate) use auditor::Audit;
pub(crate) use comparison::Comparison;
pub(crate) use difference::Difference;
pub(crate) use error::AuditError;
pub(crate) use rejected::RejectedAlert;
pub(crate) use request::{AuditProgress, AuditRequest};
pub(crate) use totals::{AuditTotals, Category, StreamTotals};
