//! The packages for users: a wheel, installed into a fresh environment of Python, and a Debian package.

use std::path::Path;
use std::process::{Command, Output};

use crate::fixture::cluster::python;
use crate::fixture::skip;

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name))
}

fn only_file(folder: &Path, ending: &str) -> std::path::PathBuf {
    let files = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let found: Vec<_> = files.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().expect("a file")
}

#[test]
fn the_wheel_installs_the_program_into_a_fresh_environment() {
    if std::env::var_os("FINK_MATURIN").is_none() {
        skip("FINK_MATURIN does not name the program maturin");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let built = env!("CARGO_BIN_EXE_fink");
    let target = Path::new(built).parent().and_then(Path::parent).expect("the target folder");
    // The profile of the tests, which has been built already.
    let mut wheel = script("wheel");
    run(wheel.args(["--offline", "--profile", "dev", "--out"]).arg(folder.path()).env("CARGO_TARGET_DIR", target));
    let wheel = only_file(folder.path(), ".whl");
    let venv = folder.path().join("venv");
    run(Command::new(python()).args(["-m", "venv"]).arg(&venv));
    let pip = venv.join("bin/pip");
    run(Command::new(pip).args(["install", "--no-index", "--no-deps", "--disable-pip-version-check"]).arg(wheel));
    let installed = venv.join("bin/fink");
    let version = run(Command::new(&installed).arg("--version").env_clear());
    assert_eq!(version.stdout, run(Command::new(built).arg("--version")).stdout);
    let simulate = ["simulate", "--survey", "ztf", "--alerts", "2", "--seed", "1", "--out"];
    run(Command::new(installed).args(simulate).arg(folder.path().join("alerts")).env_clear());
}

#[test]
fn the_debian_package_holds_what_it_promises() {
    if Command::new("dpkg-shlibdeps").arg("--version").output().is_err() {
        skip("there is no dpkg-shlibdeps");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    run(script("deb").args(["--binary", env!("CARGO_BIN_EXE_fink"), "--out"]).arg(folder.path()));
    let package = only_file(folder.path(), ".deb");
    let root = folder.path().join("root");
    run(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&root));
    for file in [
        "usr/bin/fink",
        "usr/share/man/man1/fink-consume.1.gz",
        "usr/share/bash-completion/completions/fink",
        "usr/lib/systemd/system/fink-distribution.service",
        "usr/share/doc/fink/docs/consume.md",
        "usr/share/doc/fink/examples/fink.toml",
    ] {
        assert!(root.join(file).is_file(), "the package lacks {file}");
    }
    run(Command::new(root.join("usr/bin/fink")).arg("--version").env_clear());
    let unit = std::fs::read_to_string(root.join("usr/lib/systemd/system/fink-distribution.service")).expect("a file");
    assert!(unit.contains("ExecStart=/usr/bin/fink "), "{unit}");
    let depends = run(Command::new("dpkg-deb").arg("-f").arg(&package).arg("Depends")).stdout;
    let depends = String::from_utf8_lossy(&depends).into_owned();
    assert!(depends.contains("libc6 (>= ") && depends.contains("libssl3"), "{depends}");
    // What it needs is here, so dpkg agrees to install it.
    let dry = run(Command::new("dpkg").args(["--dry-run", "--force-not-root", "-i"]).arg(&package));
    assert!(String::from_utf8_lossy(&dry.stdout).contains("fink"), "{dry:?}");
}
