//! The arguments of `fink kafka bootstrap`.

use std::path::PathBuf;

use crate::cli::kafka::confirm::ConfirmArgs;
use crate::cli::kafka::names;
use crate::cli::kafka::role::HostArgs;
use crate::cli::output::OutputArgs;

/// `fink kafka bootstrap`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink kafka bootstrap --any-host --dry-run
          fink kafka bootstrap --host 192.0.2.1 --yes

By the configuration: the topics of all streams and their schemas, of rejected alerts and of the checkpoint; the user of [kafka] with the ACLs of
a distribution; and a consumer for tests. What exists stays as it is; where it differs from the configuration, nothing is changed and the command
fails. A password file that does not exist is created with a generated password.")]
pub struct Args {
    /// Accepted so that a `*` which the shell has expanded can be explained
    #[arg(hide = true)]
    pub(super) rest: Vec<String>,
    #[command(flatten)]
    pub(super) hosts: HostArgs,
    /// The consumer for tests
    #[arg(long, value_name = "NAME", default_value = "finkConsumer", value_parser = names::new_user)]
    pub(super) consumer: String,
    /// The prefix of its groups [default: its name]
    #[arg(long, value_name = "PREFIX")]
    pub(super) consumer_group: Option<String>,
    /// Read its password from FILE, or write a new one to it [default: NAME.password beside kafka.password_file]
    #[arg(long, value_name = "FILE")]
    pub(super) consumer_password_file: Option<PathBuf>,
    /// Do not create a consumer
    #[arg(long, conflicts_with_all = ["consumer", "consumer_group", "consumer_password_file"])]
    pub(super) no_consumer: bool,
    #[command(flatten)]
    pub(super) confirm: ConfirmArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}
