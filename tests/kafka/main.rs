//! `fink::kafka` against real brokers: those of the cluster that FINK_TEST_CLUSTER names.

mod checkpoint;
mod cluster;
mod consumer;
mod faults;
mod plain;
mod producer;
mod rights;
mod speed;
mod topics;
mod watermarks;
