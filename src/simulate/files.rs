//! Alerts as files: one Avro object container file for each alert, as ZTF publishes them.

use std::ops::Range;
use std::path::Path;

use super::packet::{bytes, long};
use super::{SimulateError, Simulator};

/// Writes the alerts of `range` into the folder `dir` (made where missing) as `<candid or diaSourceId>.avro`, uncompressed, each with
/// the schema. `progress` is called after each file with the bytes written.
///
/// # Errors
/// [`SimulateError::Write`] where a file or the folder cannot be written.
pub fn write_files(
    simulator: &mut Simulator,
    dir: &Path,
    range: Range<u64>,
    mut progress: impl FnMut(usize),
) -> Result<(), SimulateError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |reason| SimulateError::Write { path, reason }
    };
    std::fs::create_dir_all(dir).map_err(failed(dir))?;
    let mut header = b"Obj\x01".to_vec();
    long(&mut header, 2);
    for (key, value) in [("avro.codec", "null"), ("avro.schema", simulator.schema_text())] {
        bytes(&mut header, key.as_bytes());
        bytes(&mut header, value.as_bytes());
    }
    header.push(0);
    let mut sync = [0xf1; 16];
    sync[8..].copy_from_slice(&simulator.seed.to_le_bytes());
    header.extend_from_slice(&sync);

    let (mut file, mut datum) = (Vec::new(), Vec::new());
    for index in range {
        let identity = simulator.alert(index, &mut datum)?;
        file.clear();
        file.extend_from_slice(&header);
        long(&mut file, 1);
        bytes(&mut file, &datum);
        file.extend_from_slice(&sync);
        let path = dir.join(format!("{}.avro", identity.source));
        std::fs::write(&path, &file).map_err(failed(&path))?;
        progress(file.len());
    }
    Ok(())
}
