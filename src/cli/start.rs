//! `fink start`: the services.

use clap::Subcommand;

use super::context::Context;
use super::{distribution, distribution_test};

/// `fink start`
#[derive(Debug, Subcommand)]
pub enum Service {
    /// Publish new alerts of the science database on Kafka
    Distribution(distribution::Args),
    /// Read alerts back from Kafka and print them
    #[command(name = "distribution_test", alias = "distribution-test")]
    DistributionTest(distribution_test::Args),
}

pub(super) fn run(service: &Service, context: &Context) -> anyhow::Result<()> {
    match service {
        Service::Distribution(args) => distribution::run(args, context),
        Service::DistributionTest(args) => distribution_test::run(args, context),
    }
}
