use crate::config::definition::key;
use crate::config::reader::Reader;
use crate::distribution::settings::MetricsSettings;

pub(super) fn read(reader: &mut Reader<'_>) -> MetricsSettings {
    reader.section("metrics", "");
    MetricsSettings {
        listen: reader.optional(
            key(
                "listen",
                "The address at which a running service answers HTTP requests for its status page /, /metrics (Prometheus), /healthz and \
                 /readyz. If unset: none. There is no login: use an address that only your monitoring can reach.",
            )
            .example("\"127.0.0.1:9464\""),
        ),
    }
}
