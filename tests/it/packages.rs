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

/// The Debian package with the built program, in a folder.
fn debian_package(folder: &Path) -> Option<std::path::PathBuf> {
    if Command::new("dpkg-shlibdeps").arg("--version").output().is_err() {
        skip("there is no dpkg-shlibdeps");
        return None;
    }
    run(script("deb").args(["--binary", env!("CARGO_BIN_EXE_fink"), "--out"]).arg(folder));
    Some(only_file(folder, ".deb"))
}

/// The package `fink` of this system; it goes when this is dropped.
struct Installed;

impl Installed {
    fn new(package: &Path) -> Self {
        let installed = Self;
        run(Command::new("dpkg").arg("-i").arg(package));
        installed
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let _gone = Command::new("dpkg").args(["--purge", "fink"]).output();
    }
}

#[test]
fn the_debian_package_is_installed_runs_and_is_removed() {
    let program = Path::new("/usr/bin/fink");
    if !rustix::process::geteuid().is_root() || program.exists() {
        skip("only root, where no `fink` is installed, can try the Debian package");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let Some(package) = debian_package(folder.path()) else { return };
    let installed = Installed::new(&package);
    let built = run(Command::new(env!("CARGO_BIN_EXE_fink")).arg("--version")).stdout;
    assert_eq!(run(Command::new(program).arg("--version").env_clear()).stdout, built);
    let files = run(Command::new("dpkg").args(["-L", "fink"])).stdout;
    let files = String::from_utf8_lossy(&files).into_owned();
    for file in
        ["/usr/bin/fink", "/usr/share/man/man1/fink-view.1.gz", "/usr/share/fish/vendor_completions.d/fink.fish"]
    {
        assert!(files.lines().any(|line| line == file) && Path::new(file).is_file(), "{file}: {files}");
    }
    let alerts = folder.path().join("alerts");
    let simulate = ["simulate", "--survey", "lsst", "--alerts", "2", "--seed", "1", "--out"];
    run(Command::new(program).args(simulate).arg(&alerts).env_clear());
    let picture = folder.path().join("alert.png");
    run(Command::new(program).arg("view").arg(&alerts).arg("--png").arg(&picture).env_clear());
    assert!(picture.metadata().is_ok_and(|file| file.len() > 10_000));
    run(Command::new("dpkg").args(["-r", "fink"]));
    let left: Vec<&str> = files.lines().filter(|file| Path::new(file).is_file()).collect();
    assert!(left.is_empty() && !program.exists(), "left by dpkg -r: {left:?}");
    drop(installed);
}

#[test]
fn the_debian_package_holds_what_it_promises() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(package) = debian_package(folder.path()) else { return };
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
