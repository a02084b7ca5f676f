//! Draws alerts without a server.

use std::path::Path;

use serde_json::{Map, Value};

use super::source::Source;
use crate::alert::decoder::BytesFormat;
use crate::atomic_file;
use crate::cli::context::Context;
use crate::cli::output;
use crate::signals::Stop;
use crate::view::document::Document;
use crate::view::{list, page, picture, terminal as characters};

/// One alert as a picture.
pub(super) fn png(mut source: Source, file: &Path) -> anyhow::Result<()> {
    source.read_topics(&Stop::on_signals()?)?;
    let alert = source.one()?;
    let document = Document::read(&alert, &source.store)?;
    write(file, &picture::png(&document)?)
}

/// The page with its alerts.
pub(super) fn html(mut source: Source, file: &Path) -> anyhow::Result<()> {
    source.read_topics(&Stop::on_signals()?)?;
    let alerts = source.chosen()?;
    let (mut documents, mut fields) = (Map::new(), Map::new());
    for alert in &alerts {
        let number = alert.number.to_string();
        documents.insert(number.clone(), Document::read(alert, &source.store)?.to_json(alert, true));
        let mut text = Vec::new();
        alert.decoder.json(&alert.datum, BytesFormat::Length, &mut text)?;
        fields.insert(number, String::from_utf8_lossy(&text).into());
    }
    let items: Vec<Value> = alerts.iter().rev().map(|alert| list::item(alert)).collect();
    let list =
        serde_json::json!({"alerts": items, "newest": 0, "oldest": 0, "broken": 0, "problem": null, "live": false});
    let data = serde_json::json!({"list": list, "documents": documents, "fields": fields});
    write(file, page::standalone(&data).html.as_bytes())
}

/// The light curve of one alert in characters.
pub(super) fn terminal(mut source: Source, context: &Context) -> anyhow::Result<()> {
    source.read_topics(&Stop::on_signals()?)?;
    let alert = source.one()?;
    let document = Document::read(&alert, &source.store)?;
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok().filter(|size| size.ws_col > 0);
    let width = size.map_or(80, |size| usize::from(size.ws_col)).clamp(60, 160);
    output::print(characters::draw(&document, width, context.has_colour()).as_bytes())
}

fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    atomic_file::replace(file, bytes).map_err(|error| anyhow::anyhow!("cannot write {}: {error}", file.display()))?;
    log::info!("wrote {}", file.display());
    Ok(())
}
