//! Compiles a .proto file to Rust: `generate-hbase FILE.proto FOLDER` writes FOLDER/PACKAGE.rs.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [proto, folder] = arguments.as_slice() else { return Err("usage: generate-hbase FILE.proto FOLDER".into()) };
    let include = Path::new(proto).parent().unwrap_or(Path::new("."));
    let descriptors = protox::compile([proto], [include])?;
    Ok(prost_build::Config::new().out_dir(folder).compile_fds(descriptors)?)
}
