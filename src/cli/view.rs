//! `fink view`: alerts to look at.

mod drawings;
mod page;
mod source;

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueHint};

use self::source::SourceArgs;
use super::context::Context;

/// `fink view`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples: fink view alerts/
          fink view ZTF18acsbuxi_697252845015010002.avro --open
          fink view fink_sn_candidates_ztf --from -2h
          fink view alert.avro --png alert.png
          fink view alerts/ --html alerts.html
          fink view alert.avro --terminal

Without a path and a topic, the topics of the configuration are shown, as by `fink consume`. No group is used and no offset is committed.
The page is served to this machine alone; no request leaves it unless you click a link.")]
pub struct Args {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    drawing: DrawingArgs,
}

/// The page.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Page")]
struct PageArgs {
    /// The port of the page on 127.0.0.1 [default: any free port]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
}

/// What is drawn instead of a page.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Without a server")]
#[group(multiple = false)]
struct DrawingArgs {
    /// Draw one alert as a picture of 1200 × 900 pixels
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    png: Option<PathBuf>,
    /// Write the page with its alerts as one file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    html: Option<PathBuf>,
    /// Draw the light curve of one alert in characters
    #[arg(long)]
    terminal: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let source = args.source.open(context)?;
    match &args.drawing {
        DrawingArgs { png: Some(file), .. } => drawings::png(source, file),
        DrawingArgs { html: Some(file), .. } => drawings::html(source, file),
        DrawingArgs { terminal: true, .. } => drawings::terminal(source, context),
        DrawingArgs { .. } => page::serve(source, args.page.port, args.page.open),
    }
}
