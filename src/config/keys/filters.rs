use std::path::PathBuf;
use std::time::Duration;

use crate::config::definition::key;
use crate::config::reader::Reader;
use crate::config::value::{ByteSize, IntegerInRange};
use crate::filters::{FilterSettings, OnError};

pub(super) fn read(reader: &mut Reader<'_>) -> FilterSettings {
    reader.section("filters", "");
    let settings = FilterSettings {
        python: reader.read(
            key(
                "python",
                "The Python interpreter, often that of a virtual environment. It needs pandas, pyarrow and the filters.",
            ),
            "python3".to_owned(),
        ),
        path: reader.read(
            key("path", "Directories that are added to its sys.path.").example("[\".\"]"),
            Vec::<PathBuf>::new(),
        ),
        workers: reader.read(key("workers", "The number of worker processes."), IntegerInRange::<1, 1024>(2)).0 as usize,
        batch: reader
            .read(key("batch", "The maximum number of alerts in a call of a filter."), IntegerInRange::<1, 1_000_000>(1000))
            .0 as usize,
        timeout: reader.read(key("timeout", "The timeout for a batch."), Duration::from_secs(30)),
        memory: reader
            .read(
                key(
                    "memory",
                    "The memory that a worker may allocate after it has imported its filters. A filter that exceeds it gets a \
                     MemoryError.",
                ),
                ByteSize(1_000_000_000),
            )
            .0,
        on_error: reader.read(
            key(
                "on_error",
                "What follows a failure of a filter: the alerts for which it fails go to distribution.rejected_topic (reject), or the \
                 service ends (stop).",
            ),
            OnError::Reject,
        ),
    };
    if settings.memory < 64_000_000 {
        reader.add_error("memory", "it must be at least 64MB, which a batch of alerts can need in pandas");
    }
    if settings.timeout < Duration::from_millis(1) {
        reader.add_error("timeout", "it must be at least 1ms");
    }
    settings
}
