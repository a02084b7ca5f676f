use std::path::PathBuf;

use crate::config::definition::key;
use crate::config::reader::Reader;
use crate::config::value::Addresses;
use crate::science_db::{
    CompleteRows, HBaseProtocol, HBaseTlsSettings, ReplicationSettings, RowPrefixes, ScienceDbSettings, StoreKind,
};

pub(super) fn read(reader: &mut Reader<'_>) -> ScienceDbSettings {
    reader.section("science_db", "");
    let kind = reader.read(
            key(
                "kind",
                "The store that holds the alerts: HBase, its masters and region servers called directly (hbase) or through gateways \
                 (thrift2, thrift1), or an SQLite file (embedded). A gateway takes three times the CPU, and reaches an HBase with Kerberos \
                 or in a closed network. A scan through a Thrift 1 gateway reads the whole table.",
            ),
            StoreKind::HBase,
        );
    // The default ports of masters and region servers, and of gateways.
    let ports: &[u16] = if kind == StoreKind::HBase { &[16000, 16020] } else { &[9090] };
    let addresses = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let settings = ScienceDbSettings {
        kind,
        addresses: reader
            .read(
                key(
                    "address",
                    "The servers of the store, host:port, separated by commas. For kind = \"hbase\": some masters or region servers; one that \
                     answers is enough to find the others. For the Thrift kinds: the gateways (default: 127.0.0.1:9090), which share \
                     the load; if one fails, the others take over.",
                ),
                Addresses(addresses),
            )
            .0,
        tls: read_tls(reader),
        path: reader.read(key("path", "The SQLite file, for kind = \"embedded\"."), PathBuf::from("science.db")),
        catalog: reader.read(
            key("catalog", "The catalog: a JSON file that describes the columns of the table."),
            PathBuf::from("conf/catalog.json"),
        ),
        table: reader.optional(
            key("table", "The table, `name` or `namespace:name`. If unset: the table that the catalog names.")
                .example("\"default:alerts\""),
        ),
        trigger: reader.optional(
            key(
                "trigger",
                "The trigger: the column whose write makes a row an alert. If unset: candid, else diaSourceId, else the first column \
                 that is not part of the row key.",
            )
            .example("\"candid\""),
        ),
        object_id: reader.optional(
            key(
                "object_id",
                "The column that selects the partition of an alert. If unset: objectId, else diaObjectId (also in a record), else the \
                 row key.",
            )
            .example("\"objectId\""),
        ),
        complete_rows: reader.read(
            key(
                "complete_rows",
                "When to fetch the whole current row: if a needed column has no cell in the time window (when-partial), or for every \
                 alert (always).",
            ),
            CompleteRows::WhenPartial,
        ),
        skip_rows: RowPrefixes(reader.read(
            key(
                "skip_rows",
                "Prefixes of row keys. Rows with such a key are not alerts and are skipped. Fink's writer stores the types of the \
                 columns in rows `schema_…`.",
            ),
            vec!["schema_".to_owned()],
        )),
        push: reader.read(
            key(
                "push",
                "Let HBase push new rows to the service, as a replication peer that `fink hbase add-peer` adds; see docs/push.md. Otherwise, \
                 and until it does, the service polls for new rows.",
            ),
            false,
        ),
        replication: read_replication(reader),
    };
    if settings.kind != StoreKind::HBase && settings.tls.protocol == HBaseProtocol::Ssl {
        reader.add_error(
            "security_protocol",
            "only connections to HBase itself support TLS: set science_db.kind to \"hbase\", or remove it".to_owned(),
        );
    }
    if settings.push && settings.kind == StoreKind::Embedded {
        reader.add_error("push", "only HBase pushes rows: set science_db.kind to an HBase, or remove it".to_owned());
    }
    if let Some(table) = &settings.table
        && !is_table_name(table)
    {
        reader.add_error(
            "table",
            format!(
                "`{table}` is not a table name: use `name` or `namespace:name`, with letters, digits, `_`, `-` and `.`"
            ),
        );
    }
    settings
}

fn read_tls(reader: &mut Reader<'_>) -> HBaseTlsSettings {
    let tls = HBaseTlsSettings {
        protocol: reader.read(
            key(
                "security_protocol",
                "For kind = \"hbase\": whether connections are plaintext or use TLS (ssl), with masters and region servers alike.",
            ),
            HBaseProtocol::default(),
        ),
        ssl_ca: reader.optional(
            key("ssl_ca", "Trusted CA certificates, PEM. If unset: those of the system.").example("\"conf/hbase-ca.pem\""),
        ),
        ssl_certificate: reader.optional(
            key("ssl_certificate", "The client certificate, PEM, if HBase requires one, as it does by default.")
                .example("\"conf/hbase-client.pem\""),
        ),
        ssl_key: reader.optional(
            key("ssl_key", "The private key of the client certificate, PEM, without a password.")
                .example("\"conf/hbase-client.key\""),
        ),
    };
    reader.require_certificate_with_key(tls.ssl_certificate.as_deref(), tls.ssl_key.as_deref());
    tls
}

fn read_replication(reader: &mut Reader<'_>) -> ReplicationSettings {
    let default = ReplicationSettings::default();
    let settings = ReplicationSettings {
        zookeeper: reader
            .read(
                key("push_zookeeper", "The servers of HBase's ZooKeeper, host:port, separated by commas, in which the service registers."),
                Addresses(default.zookeeper),
            )
            .0,
        root: reader.read(
            key("push_root", "The znode in which the service registers. Each service that HBase pushes to has its own."),
            default.root,
        ),
        peer: reader.read(key("push_peer", "The identifier of the replication peer in HBase."), default.peer),
        listen: reader.read(
            key(
                "push_listen",
                "The address at which the service listens for HBase's region servers, host:port. Port 0 stands for any free port.",
            ),
            default.listen,
        ),
        host: reader.optional(
            key(
                "push_host",
                "The name or IP address at which region servers reach this machine. If unset: the address from which it connects to ZooKeeper.",
            )
            .example("\"alerts.example.org\""),
        ),
    };
    for (name, error) in settings.errors() {
        reader.add_error(name, error);
    }
    settings
}

/// Whether HBase accepts this name of a table.
fn is_table_name(name: &str) -> bool {
    let is_part = |part: &str, others: &[u8]| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || others.contains(&b))
    };
    let (namespace, table) = name.split_once(':').unwrap_or(("default", name));
    is_part(namespace, b"") && is_part(table, b"-.") && !table.starts_with(['-', '.'])
}
