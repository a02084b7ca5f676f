//! Rules files under `tests/rules`, right and wrong. Beside each stands, in a `.txt` of the same name, what is said of it: what it means,
//! or all that is wrong with it.

use std::path::{Path, PathBuf};

use fink::catalog::Catalog;
use fink::rules::Rules;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules")
}

fn said(path: &Path, catalog: &Catalog) -> String {
    match Rules::load(path, catalog) {
        Ok(rules) => rules.explain(catalog).to_string(),
        Err(error) => format!("{error}\n").replace(&format!("{}/", folder().display()), ""),
    }
}

#[test]
fn every_rules_file_is_explained_or_refused_as_written_beside_it() {
    let catalog = Catalog::load(&folder().join("catalog.json")).expect("the catalog is read");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "xml"));
    files.sort();
    assert_eq!(files.len(), 12);
    for file in files {
        let expected = std::fs::read_to_string(file.with_extension("txt")).unwrap_or_default();
        assert_eq!(said(&file, &catalog), expected, "{}", file.display());
    }
}
