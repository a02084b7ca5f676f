//! The README and the pages of `docs/`: every command exists, every link has a target, the marked examples run.
//!
//! A code block that begins with ```` ```sh checked ```` or ```` ```python checked ```` is run. Those of one file are run in their order, in
//! a folder that looks like a clone with a cluster in `.cluster`; variables lead them to a table and topics of their own.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::Fixture;
use crate::fixture::cluster::python;
use clap::CommandFactory;
use fink::cli::Cli;
use fink::config::{KeyDefault, definitions};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages, and their texts.
fn pages() -> Vec<(PathBuf, String)> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect();
    pages.push(root().join("README.md"));
    pages.push(root().join("conf/schemas/README.md"));
    pages.sort();
    pages.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// A code block: the words after the opening fence, and the lines.
struct Block {
    info: String,
    line: usize,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                open = Some(Block { info: info.trim().to_owned(), line: number + 1, text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => writeln!(block.text, "{line}").unwrap(),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a code block has no end");
    blocks
}

/// The words of a command line, without its comment and what follows `&`, `|`, `>` or `;`.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for letter in line.chars() {
        match (letter, quote) {
            ('\'' | '"', None) => quote = Some(letter),
            (letter, Some(end)) if letter == end => quote = None,
            ('#' | '&' | '|' | '>' | ';', None) => break,
            (letter, None) if letter.is_whitespace() => words.push(String::new()),
            (letter, _) => words.last_mut().unwrap().push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_command_in_a_code_block_is_one_that_fink_takes() {
    let mut count = 0;
    for (path, page) in pages() {
        for block in blocks(&page).iter().filter(|block| block.info.starts_with("sh") || block.info.is_empty()) {
            let text = block.text.replace("\\\n", " ");
            for line in text.lines().map(|line| line.trim_start_matches("$ ")).filter(|line| line.starts_with("fink "))
            {
                let words = words(line);
                let taken = Cli::command().try_get_matches_from(&words);
                assert!(taken.is_ok(), "{}, block at line {}: {}", path.display(), block.line, taken.unwrap_err());
                count += 1;
            }
        }
    }
    assert!(count > 30, "{count} commands were found");
}

#[test]
fn every_command_is_in_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        assert!(readme.contains(&format!("| `fink {name}")), "the table of commands lacks `fink {name}`");
    }
}

/// GitHub's anchor of a heading.
fn anchor(heading: &str) -> String {
    let letters = heading.trim().to_lowercase();
    letters
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn every_link_has_a_target() {
    for (path, page) in pages() {
        let text: String = page.split("```").step_by(2).collect();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.starts_with("https://") {
                continue;
            }
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(file.exists(), "{}: `{target}` leads nowhere", path.display());
            if !place.is_empty() {
                let linked = fs::read_to_string(&file).unwrap();
                let found =
                    linked.lines().any(|line| line.starts_with('#') && anchor(line.trim_start_matches('#')) == place);
                assert!(found, "{}: `{target}` has no such heading", path.display());
            }
        }
    }
}

/// The reference of the keys: a table for each section.
fn key_tables() -> String {
    let mut out = String::new();
    for section in definitions() {
        let header = if section.name == "stream" { "[[stream]]".to_owned() } else { format!("[{}]", section.name) };
        writeln!(out, "\n### `{header}`\n").unwrap();
        if !section.description.is_empty() {
            writeln!(out, "{}\n", section.description).unwrap();
        }
        if let Some(example) = section.example {
            writeln!(out, "Example: `{example}`").unwrap();
        }
        if !section.keys.is_empty() {
            writeln!(out, "| key | type | default | meaning | variable |\n| --- | --- | --- | --- | --- |").unwrap();
        }
        for key in &section.keys {
            let default = match (&key.default, key.example) {
                (KeyDefault::Required, _) => format!("required; such as `{}`", key.shown_value()),
                (KeyDefault::Value(value), None) => format!("`{value}`"),
                (KeyDefault::Value(value), Some(example)) => format!("`{value}`; such as `{example}`"),
                (KeyDefault::Unset, _) => format!("unset; such as `{}`", key.shown_value()),
            };
            let variable = key.variable().map_or("-".to_owned(), |variable| format!("`{variable}`"));
            let meaning = key.description.replace('|', "\\|");
            writeln!(out, "| `{}` | {} | {default} | {meaning} | {variable} |", key.name, key.value_type).unwrap();
        }
    }
    out
}

#[test]
fn the_keys_in_the_docs_are_those_of_the_program() {
    const BEGIN: &str = "<!-- keys: generated by tests/it/docs.rs -->\n";
    const END: &str = "<!-- end of keys -->\n";
    let path = root().join("docs/configuration.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let right = format!("{before}{BEGIN}{}\n{END}{after}", key_tables());
    if std::env::var_os("FINK_UPDATE_DOCS").is_some() {
        fs::write(&path, &right).unwrap();
        return;
    }
    assert!(page == right, "docs/configuration.md is out of date: run FINK_UPDATE_DOCS=1 cargo test --test it docs::");
}

#[test]
fn the_marked_examples_run() {
    let mut run = BTreeSet::new();
    for (path, page) in pages() {
        let checked: Vec<Block> = blocks(&page).into_iter().filter(|block| block.info.ends_with(" checked")).collect();
        if checked.is_empty() {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_lowercase();
        run_blocks(&Fixture::with_servers(&format!("docs_{name}")), &checked, &path);
        run.insert(name);
    }
    assert!(run.contains("readme"), "the README has no marked example");
}

fn run_blocks(fixture: &Fixture, blocks: &[Block], path: &Path) {
    let cluster = fixture.cluster();
    std::os::unix::fs::symlink(root().join("conf"), fixture.path("conf")).unwrap();
    std::os::unix::fs::symlink(fs::canonicalize(&cluster.folder).unwrap(), fixture.path(".cluster")).unwrap();
    let mut script = String::from("set -euo pipefail\ntrap 'jobs -p | xargs -r kill 2>/dev/null || true' EXIT\n");
    for block in blocks {
        let text = match block.info.strip_suffix(" checked").unwrap() {
            "python" => format!("\"$FINK_TEST_PYTHON\" - <<'END OF PYTHON'\n{}END OF PYTHON\n", block.text),
            _ => block.text.clone(),
        };
        // A topic that a page names itself: on a cluster that is used again it would have alerts already.
        let text = text.replace("fink_bright", &format!("{}_bright", fixture.name));
        writeln!(script, "printf '\\n%s\\n' '== block at line {}' >&2\n{text}", block.line).unwrap();
    }
    let fink = Path::new(env!("CARGO_BIN_EXE_fink")).parent().unwrap();
    let python = python();
    let own = |what: &str| fixture.path(what).display().to_string();
    let (name, rejected, checkpoint) = (&fixture.name, format!("{}_rejected", fixture.name), fixture.name.clone());
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(fixture.folder.path())
        .env("PATH", format!("{}:{}", fink.display(), std::env::var("PATH").unwrap()))
        .env("FINK_FILTERS_PYTHON", &python)
        .env("FINK_TEST_PYTHON", python)
        .env("FINK_RUN_DIR", own("run"))
        .env("FINK_SCIENCE_DB_TABLE", name)
        .env("FINK_SCIENCE_DB_CATALOG", own("catalog.json"))
        .env("FINK_STREAM_FULL_TOPIC", name)
        .env("FINK_DISTRIBUTION_NAME", checkpoint)
        .env("FINK_DISTRIBUTION_REJECTED_TOPIC", rejected)
        .env("FINK_DISTRIBUTION_OFFSET_FILE", own("offset"))
        .env("TOPIC", name)
        .envs(cluster_variables(cluster))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}: {}\n{}",
        path.display(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn cluster_variables(cluster: &crate::fixture::cluster::Cluster) -> Vec<(&'static str, String)> {
    let names = ["FINK_TEST_BOOTSTRAP", "FINK_TEST_CONSUMER_USER", "FINK_TEST_CONSUMER_PASSWORD_FILE"];
    names.map(|name| (name, cluster.value(name).to_owned())).to_vec()
}
