//! `fink consume login`: writes a login for reading, and tries it.

use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args as ClapArgs, ValueHint};

use super::login_files::{login_file, login_folder, survey_name};
use super::topics;
use crate::cli::context::Context;
use crate::cli::outcome::UsageError;
use crate::cli::output::Format;
use crate::cli::password_prompt::PasswordPrompt;
use crate::config::{RequiredLogin, parse_addresses};
use crate::kafka::{Admin, Identity};
use crate::secret::{Secret, read_password_file};
use crate::topic::Topic;

/// How long the brokers may take.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(20);

/// `fink consume login`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples: fink consume login --survey ztf --username alice --group alice_fink --servers kafka.example.org:24499
          fink consume login --survey lsst --username alice --group alice_fink --servers kafka.example.org:24499 \\
            --security-protocol sasl_ssl --ssl-ca ca.pem --topic fink_sn_candidates_lsst

The password is asked for, or read with --password-file or --password-stdin. The login goes to
~/.config/fink/consumer-SURVEY.toml, and the password to a file beside it; only their owner can read them.")]
pub struct Args {
    /// Names the login: ztf, lsst or anything else
    #[arg(long, value_name = "SURVEY", value_parser = survey_name)]
    survey: String,
    /// The brokers, host:port, separated by commas
    #[arg(long, value_name = "HOST:PORT")]
    servers: String,
    /// The user; without it, no login
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// The consumer group that keeps the position
    #[arg(long, value_name = "GROUP")]
    group: String,
    /// Read this topic where the command names none; may be repeated
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// plaintext, ssl, sasl_plaintext or sasl_ssl [default: sasl_plaintext with a user, else plaintext]
    #[arg(long, value_name = "PROTOCOL")]
    security_protocol: Option<String>,
    /// SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN
    #[arg(long, value_name = "MECHANISM", default_value = "SCRAM-SHA-512")]
    sasl_mechanism: String,
    /// Trust the certificates of this file, PEM
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ssl_ca: Option<PathBuf>,
    /// Read the password from FILE, which only its owner may read
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "password_stdin")]
    password_file: Option<PathBuf>,
    /// Read the password from stdin
    #[arg(long)]
    password_stdin: bool,
    /// Replace a login that is there
    #[arg(long)]
    replace: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    parse_addresses(&args.servers).map_err(|reason| UsageError(format!("--servers: {reason}")))?;
    if let Some(error) = args.topics.iter().find_map(|topic| topic.parse::<Topic>().err()) {
        return Err(UsageError(format!("--topic: {error}")).into());
    }
    let file = login_file(&args.survey)?;
    if file.exists() && !args.replace {
        return Err(UsageError(format!("{} is there already: say --replace to write it anew", file.display())).into());
    }
    let password = match &args.username {
        Some(user) => Some(password(args, user)?),
        None => None,
    };
    let folder = login_folder()?;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(&folder).with_context(|| cannot_write(&folder))?;
    // A login that is there stays until the new one has worked.
    let trial =
        file.exists().then(|| tempfile::tempdir_in(&folder)).transpose().with_context(|| cannot_write(&folder))?;
    let tried = trial.as_ref().map_or_else(|| file.clone(), |trial| trial.path().join("login.toml"));
    write(args, password.as_ref(), &tried)?;
    let written = context.configuration_of_file(&tried)?;
    let settings = written.settings(RequiredLogin::Consumer)?;
    let admin = Admin::open(&settings.kafka, Identity::User, KAFKA_TIMEOUT)?;
    let known = topics::readable(&admin).with_context(|| match &trial {
        Some(_) => format!("the new login does not work; {} stays as it was", file.display()),
        None => {
            format!("the login is written to {}, but does not work; write it anew with --replace", file.display())
        }
    })?;
    if trial.is_some() {
        write(args, password.as_ref(), &file)?;
    }
    log::info!("the login works: {}", file.display());
    if known.is_empty() {
        log::warn!("there is no topic that this user may read: ask the operator of the cluster");
        return Ok(());
    }
    for topic in args.topics.iter().filter(|topic| known.iter().all(|known| known.name != **topic)) {
        log::warn!("the topic `{topic}` does not exist, or this user may not read it");
    }
    topics::table(&admin, &known)?.print(Format::Table, context)
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// Writes the login to `file`, and its password beside it.
fn write(args: &Args, password: Option<&Secret>, file: &Path) -> anyhow::Result<()> {
    let password_file = file.with_extension("password");
    let text = text(args, password.map(|_| password_file.as_path()))?;
    if let Some(password) = password {
        write_private(&password_file, password.reveal()).with_context(|| cannot_write(&password_file))?;
    }
    write_private(file, &text).with_context(|| cannot_write(file))
}

fn password(args: &Args, user: &str) -> anyhow::Result<Secret> {
    let password = match &args.password_file {
        Some(file) => read_password_file(file).map_err(UsageError)?,
        None if args.password_stdin => {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).context("cannot read the password from stdin")?;
            Secret::new(line.trim_end_matches(['\r', '\n']).to_owned())
        }
        None => {
            use std::io::IsTerminal;
            if !std::io::stdin().is_terminal() {
                let reason = "there is no terminal to ask for the password: use --password-file or --password-stdin";
                return Err(UsageError(reason.to_owned()).into());
            }
            Secret::new(PasswordPrompt::open()?.ask(&format!("Password of {user}: "))?)
        }
    };
    let text = password.reveal();
    match text.is_empty() || text.chars().any(char::is_control) {
        true => Err(UsageError("the password is empty, or has a control character in it".to_owned()).into()),
        false => Ok(password),
    }
}

fn text(args: &Args, password_file: Option<&Path>) -> anyhow::Result<String> {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let protocol = args.security_protocol.as_deref();
    let protocol = protocol.unwrap_or(if args.username.is_some() { "sasl_plaintext" } else { "plaintext" });
    let mut text = format!(
        "# Written by `fink consume login`.\n[kafka]\nbootstrap_servers = {}\nsecurity_protocol = {}\nsasl_mechanism = {}\n",
        quoted(&args.servers),
        quoted(protocol),
        quoted(&args.sasl_mechanism)
    );
    if let Some(ca) = &args.ssl_ca {
        let ca = std::fs::canonicalize(ca).with_context(|| format!("cannot read {}", ca.display()))?;
        let ca = ca.to_str().ok_or_else(|| UsageError("the path of --ssl-ca is not UTF-8 text".to_owned()))?;
        text.push_str(&format!("ssl_ca = {}\n", quoted(ca)));
    }
    text.push_str("\n[consumer]\n");
    if let Some(user) = &args.username {
        text.push_str(&format!("username = {}\n", quoted(user)));
    }
    if let Some(name) = password_file.and_then(|file| file.file_name()?.to_str()) {
        text.push_str(&format!("password_file = {}\n", quoted(name)));
    }
    let topics: Vec<String> = args.topics.iter().map(|topic| quoted(topic)).collect();
    text.push_str(&format!("group = {}\ntopics = [{}]\n", quoted(&args.group), topics.join(", ")));
    Ok(text)
}

/// Writes a file that only its owner can read, in one step.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // Files of this kind are readable for their owner alone.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(file, "{}", text.trim_end_matches('\n'))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
