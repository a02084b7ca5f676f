//! Writes alerts as files: one Avro object container file for each alert, as ZTF publishes them.

use std::ops::Range;
use std::path::Path;

use super::error::SimulateError;
use super::simulator::Simulator;
use crate::avro::container::Header;

/// Writes the alerts of `range` into the folder `dir`, which it creates if necessary, as `<candid or diaSourceId>.avro`, uncompressed, each
/// with the schema. Calls `progress` after each file with its size in bytes, and stops if it returns `false`.
///
/// # Errors
/// The folder or a file cannot be written, or the compressor failed.
pub fn write_files(
    simulator: &mut Simulator,
    dir: &Path,
    range: Range<u64>,
    mut progress: impl FnMut(usize) -> bool,
) -> Result<(), SimulateError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |reason| SimulateError::Write { path, reason }
    };
    std::fs::create_dir_all(dir).map_err(failed(dir))?;
    let header = Header::new(simulator.schema_text());
    let (mut file, mut datum) = (Vec::new(), Vec::new());
    for index in range {
        let identity = simulator.alert(index, &mut datum)?;
        file.clear();
        header.write(&mut file);
        header.write_block(&datum, &mut file);
        let path = dir.join(format!("{}.avro", identity.source));
        std::fs::write(&path, &file).map_err(failed(&path))?;
        if !progress(file.len()) {
            break;
        }
    }
    Ok(())
}
