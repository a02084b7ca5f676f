//! `fink::kafka` against real brokers: those of the cluster that FINK_TEST_CLUSTER names.

mod acls;
mod checkpoint;
mod commit_latency;
mod consumer;
mod faults;
mod plain;
mod producer;
mod topics;
mod watermarks;
