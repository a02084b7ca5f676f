//! The science database: its catalog, its servers, its table, its clock.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::checklist::Checklist;
use crate::cancel::CancellationToken;
use crate::catalog::{Catalog, ColumnLocation};
use crate::config::{Configuration, HBaseProtocol, RequiredLogin};
use crate::row::{Columns, Rows};
use crate::science_db::{KeyRange, Scan, ScienceDb, Sessions, Timeouts};
use crate::science_db::{ScienceDbSettings, StoreKind};
use crate::units::format_duration;
use crate::window::Window;

/// The timeout of the first response of a gateway.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn check(list: &mut Checklist, configuration: &Configuration) -> anyhow::Result<()> {
    let settings = configuration.settings(RequiredLogin::None)?;
    let (distribution, settings) = (settings.distribution, settings.science_db);
    let catalog = match Catalog::load(&settings.catalog) {
        Ok(catalog) => catalog,
        Err(error) => {
            list.fail(
                "catalog",
                format!("{error}; `fink ingest` writes a catalog, science_db.catalog names its file"),
            )?;
            return list.unknown("science database", "not tried: the catalog names its table");
        }
    };
    list.pass("catalog", format!("{}, {} columns", settings.catalog.display(), catalog.columns.len()))?;
    let columns = [
        ("trigger", catalog.trigger_column(settings.trigger.as_deref()).map(Some)),
        ("object identifier", catalog.object_id_column(settings.object_id.as_deref())),
    ];
    for (what, column) in columns {
        match column {
            Ok(Some(column)) => list.pass(what, format!("column {}", column.name))?,
            Ok(None) => list.pass(what, "the row key")?,
            Err(error) => list.fail(what, error)?,
        }
    }
    let table = settings.table_of(&catalog);
    let timeouts = Timeouts { handshake_alone: CONNECT_TIMEOUT, ..Timeouts::default() };
    let mut good = None;
    for one in each_gateway(&settings) {
        let what = format!("science database at {}", place(&one));
        let opened = Sessions::new(&one, &table, timeouts)
            .open(&CancellationToken::new())
            .and_then(|mut db| db.key_ranges().map(|ranges| (db, ranges)));
        match opened {
            Ok((db, ranges)) => {
                list.pass(&what, format!("table {table}, regions: {}", ranges.len()))?;
                good = good.or(Some(db));
            }
            Err(error) if error.is_transient() => {
                list.fail(&what, format!("{error}; start it, or correct science_db.address and science_db.kind"))?;
            }
            Err(error) => list.fail(&what, error)?,
        }
    }
    if let Some(db) = &mut good {
        direct_access(list, db.as_mut(), &settings, &table, timeouts)?;
        readable_columns(list, db.as_mut(), &catalog)?;
    }
    match (good, catalog.trigger_column(settings.trigger.as_deref())) {
        (Some(mut db), Ok(trigger)) => clock(list, db.as_mut(), &settings, &trigger.location, distribution.overlap),
        _ => list.unknown("clock", "not checked: no table could be opened"),
    }
}

/// The settings for each gateway alone, so that no other responds in its place.
fn each_gateway(settings: &ScienceDbSettings) -> Vec<ScienceDbSettings> {
    match settings.kind {
        StoreKind::Embedded => vec![settings.clone()],
        StoreKind::HBase | StoreKind::Thrift1 | StoreKind::Thrift2 => {
            let one = |address: &String| ScienceDbSettings { addresses: vec![address.clone()], ..settings.clone() };
            settings.addresses.iter().map(one).collect()
        }
    }
}

fn place(settings: &ScienceDbSettings) -> String {
    match settings.kind {
        StoreKind::Embedded => settings.path.display().to_string(),
        StoreKind::HBase | StoreKind::Thrift1 | StoreKind::Thrift2 => settings.addresses.join(","),
    }
}

/// Whether the table has the columns of the catalog, and the user may read them.
fn readable_columns(list: &mut Checklist, db: &mut dyn ScienceDb, catalog: &Catalog) -> anyhow::Result<()> {
    const WHAT: &str = "columns";
    let names = catalog.columns.iter().filter_map(|column| column.family_and_qualifier());
    let names: Vec<_> = names.map(|(family, qualifier)| (family.to_owned(), qualifier.to_owned())).collect();
    // No row has this key.
    match db.get(&[b"\0"], &Columns::new(names), &mut Rows::default()) {
        Ok(()) => list.pass(WHAT, "all can be read"),
        Err(error) => list.fail(WHAT, error),
    }
}

/// Whether the region servers can be called from here, and what that or a gateway costs.
fn direct_access(
    list: &mut Checklist,
    db: &mut dyn ScienceDb,
    settings: &ScienceDbSettings,
    table: &str,
    timeouts: Timeouts,
) -> anyhow::Result<()> {
    const WHAT: &str = "region servers";
    let servers: BTreeSet<String> = match db.servers() {
        Ok(servers) => servers.into_iter().collect(),
        Err(error) => return list.fail(WHAT, error),
    };
    let fails = |server: &String| {
        let settings =
            ScienceDbSettings { kind: StoreKind::HBase, addresses: vec![server.clone()], ..settings.clone() };
        Sessions::new(&settings, table, timeouts).open(&CancellationToken::new()).err()
    };
    let failure = servers.iter().find_map(fails);
    match (settings.kind, failure) {
        (StoreKind::Embedded, _) => Ok(()),
        (StoreKind::HBase, None) => list.pass(
            WHAT,
            format!(
                "{}, called directly{}: about 0.12 ms of CPU for a row of 55 kB, none of it in a gateway",
                servers.len(),
                match (settings.tls.protocol, &settings.tls.ssl_ca) {
                    (HBaseProtocol::Ssl, _) => " over TLS",
                    (HBaseProtocol::Plaintext, Some(_)) =>
                        " without TLS (science_db.ssl_ca has no effect without science_db.security_protocol = \"ssl\")",
                    (HBaseProtocol::Plaintext, None) => "",
                }
            ),
        ),
        (StoreKind::HBase, Some(error)) => list.fail(
            WHAT,
            format!(
                "{error}; every region server must be reachable by the name that HBase gives it: correct the name resolution or the firewall, or \
                 read through a Thrift 2 gateway (science_db.kind = \"thrift2\")"
            ),
        ),
        (StoreKind::Thrift1 | StoreKind::Thrift2, None) if servers.is_empty() => Ok(()),
        (StoreKind::Thrift1 | StoreKind::Thrift2, None) => list.pass(
            WHAT,
            format!(
                "{}, reachable from here: science_db.kind = \"hbase\" with address = \"{}\" takes about a quarter of the CPU that a gateway does \
                 (0.12 instead of 0.5 ms for a row of 55 kB)",
                servers.len(),
                servers.iter().map(String::as_str).collect::<Vec<_>>().join(",")
            ),
        ),
        (StoreKind::Thrift1 | StoreKind::Thrift2, Some(error)) => list.pass(
            WHAT,
            format!("not to be called from here ({error}): a gateway is needed, which takes about 0.5 ms of CPU for a row of 55 kB"),
        ),
    }
}

/// Compares clocks: triggers with timestamps in the future show that the clocks differ.
fn clock(
    list: &mut Checklist,
    db: &mut dyn ScienceDb,
    settings: &ScienceDbSettings,
    trigger: &ColumnLocation,
    overlap: Duration,
) -> anyhow::Result<()> {
    const WHAT: &str = "clock";
    let ColumnLocation::Cell { family, qualifier } = trigger else { return Ok(()) };
    if settings.kind == StoreKind::Thrift1 {
        return list.unknown(WHAT, "not checked: a Thrift 1 gateway would have to read the whole table");
    }
    let columns = Columns::new(vec![(family.clone(), qualifier.clone())]);
    let window = Window::since(crate::timestamp::Timestamp::now());
    let mut rows = Rows::default();
    if let Err(error) =
        db.scan(&Scan { keys: KeyRange::default(), window, columns: &columns, page: 100 }, None, &mut rows)
    {
        return list.fail(WHAT, format!("cannot read the table to compare clocks: {error}"));
    }
    let now = Timestamp::now().as_millisecond();
    let newest = rows
        .iter()
        .filter(|row| settings.skip_rows.of(row.key).is_none())
        .filter_map(|row| row.cell(0))
        .map(|cell| cell.timestamp)
        .max();
    let ahead = Duration::from_millis(newest.unwrap_or(now).saturating_sub(now).max(0) as u64);
    match ahead {
        Duration::ZERO => list.pass(WHAT, "no alert has a timestamp in the future"),
        ahead if ahead <= overlap => list.pass(WHAT, format!("alerts have timestamps up to {} in the future", format_duration(ahead))),
        ahead => list.fail(
            WHAT,
            format!(
                "alerts have timestamps {} ahead of this machine, more than distribution.overlap: synchronize the clocks of all machines",
                format_duration(ahead)
            ),
        ),
    }
}
