//! Serves the page.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::Context as _;

use super::source::Source;
use crate::cli::outcome::Interrupted;
use crate::cli::output;
use crate::http_server::HttpServer;
use crate::signals::{Signal, Stop};
use crate::view::live;
use crate::view::server::{Pages, random_token};

/// Serves the page until a signal comes; alerts of topics are added meanwhile.
pub(super) fn serve(mut source: Source, port: u16, open: bool) -> anyhow::Result<()> {
    let stop = Stop::on_signals()?;
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let server = HttpServer::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    let address = server.address();
    let random = || random_token().context("no random numbers");
    let entry = Mutex::new(if open { Some(random()?) } else { None });
    let is_live = source.topics.is_some();
    let pages = Pages { store: Arc::clone(&source.store), token: random()?, address, is_live, entry };
    let (url, entry_url) = (pages.url(), pages.entry_url());
    let _running = server.serve(move |request| pages.answer(request));
    output::print(format!("{url}\n").as_bytes())?;
    if let Some(line) = ssh_line(address.port()) {
        log::info!("this is a remote session: on your own machine run `{line}`, then open the address there");
    }
    log::info!("the page is served until Ctrl+C");
    if let Some(url) = entry_url
        && let Err(error) = open_browser(&url)
    {
        log::warn!("no browser can be started: {error}; open the address yourself");
    }
    if let Some(topics) = &source.topics {
        live::follow(topics, &mut source.decoder, &source.store, false, &stop)?;
    }
    while !stop.wait(std::time::Duration::from_secs(3600)) {}
    match stop.signal() {
        Some(Signal::Interrupt) => Err(Interrupted.into()),
        _ => Ok(()),
    }
}

/// The command that leads a browser of the user's own machine to the page, where this is a session of ssh.
fn ssh_line(port: u16) -> Option<String> {
    let connection = std::env::var("SSH_CONNECTION").ok()?;
    let host = connection.split(' ').nth(2)?.to_owned();
    let user = std::env::var("USER").map_or(String::new(), |user| format!("{user}@"));
    Some(format!("ssh -N -L {port}:127.0.0.1:{port} {user}{host}"))
}

fn open_browser(url: &str) -> std::io::Result<()> {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(program);
    let mut child = command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    // The browser may stay in the foreground: this thread alone waits for it.
    std::thread::spawn(move || child.wait());
    Ok(())
}
