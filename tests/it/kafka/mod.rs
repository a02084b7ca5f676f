//! `fink::kafka` against real brokers: those of the cluster that FINK_TEST_CLUSTER names.

mod acls;
mod checkpoint;
mod consumer;
mod faults;
mod plain;
mod producer;
mod speed;
mod topics;
mod watermarks;
