//! Rules, schemas and Python filters of the streams, checked against the catalog as at the start of the service.

use super::checklist::Checklist;
use crate::alert::schema;
use crate::cancel::CancellationToken;
use crate::catalog::Catalog;
use crate::config::{Configuration, RequiredLogin};
use crate::distribution::pipeline::{FilterSet, Pipeline};

pub(super) fn check(list: &mut Checklist, configuration: &Configuration) -> anyhow::Result<()> {
    const STREAMS: &str = "streams";
    const FILTERS: &str = "filters";
    let settings = configuration.settings(RequiredLogin::None)?;
    let streams = &settings.streams;
    if streams.is_empty() {
        return Ok(());
    }
    let filters: usize = streams.iter().map(|stream| stream.filters.len()).sum();
    let Ok(catalog) = Catalog::load(&settings.science_db.catalog) else {
        return list.unknown(STREAMS, "not checked: there is no catalog");
    };
    let found = FilterSet::start(&settings.filters, streams, &catalog, &CancellationToken::new());
    if filters > 0 {
        let python = &settings.filters.python;
        match &found {
            Ok(_) => list.pass(FILTERS, format!("{filters} imported by {python}, and their arguments are columns"))?,
            Err(error) => list.fail(FILTERS, error)?,
        }
    }
    for stream in streams {
        // A file that cannot be read is among what does not match the catalog.
        if let Some(Ok(own)) = stream.schema.as_deref().map(schema::load)
            && let Ok(unsent) = schema::unsent_fields(&catalog, &own)
        {
            list.pass(&format!("fields of stream {}", stream.name), said_of(&unsent))?;
        }
    }
    // The rules are checked even where the filters fail.
    let filters = found.unwrap_or_default();
    match Pipeline::new(&catalog, streams, &settings.science_db, settings.distribution.status, filters, None) {
        Ok(_) => list.pass(STREAMS, format!("the rules and schemas of {} match the catalog", streams.len())),
        Err(error) => list.fail(STREAMS, error),
    }
}

/// What a stream's schema leaves out, compared with the newest schema of the catalog.
fn said_of(unsent: &[String]) -> String {
    const MAX_NAMED: usize = 20;
    let more = unsent.len().saturating_sub(MAX_NAMED);
    let named = unsent[..unsent.len() - more].join(", ");
    match (unsent.len(), more) {
        (0, _) => "its schema has all fields of the catalog".to_owned(),
        (count, 0) => format!("its schema does not have {count} fields of the catalog: {named}"),
        (count, more) => format!("its schema does not have {count} fields of the catalog: {named} and {more} more"),
    }
}
