//! Which module of `src/` uses which, read from the text: imports point one way, and no files of a module use each other in a circle.

mod source_text;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use source_text::{Import, defines, imports, mentions, test_modules, without_comments_and_strings, without_tests};

/// The modules of the crate from the bottom up: each may use those of the lines above its own, and none of its own line.
const LAYERS: [&[&str]; 10] = [
    &[
        "atomic_file",
        "cancel",
        "escape",
        "hex",
        "html_page",
        "http_server",
        "list_text",
        "secret",
        "suggest",
        "timestamp",
        "topic",
        "units",
    ],
    &["avro", "control_socket", "ledger", "runfile", "signals", "tls", "window"],
    &["catalog"],
    &["row"],
    &["alert", "filters", "kafka", "notify", "rules", "science_db"],
    &["messages"],
    &["consume", "distribution", "ingest", "simulate"],
    &["audit", "view"],
    &["config"],
    &["cli"],
];

/// A module's path within the crate: `["kafka", "producer"]`; empty for lib.rs.
type ModulePath = Vec<String>;

/// One source file without comments, the contents of strings, and tests.
struct SourceFile {
    path: PathBuf,
    module: ModulePath,
    text: String,
    imports: Vec<Import>,
}

struct Crate {
    files: BTreeMap<ModulePath, SourceFile>,
}

/// That file `from` uses something that `to` defines.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    from: ModulePath,
    to: ModulePath,
    line: usize,
}

impl Crate {
    fn read(folder: &Path) -> Self {
        let mut sources = Vec::new();
        walk(folder, &mut sources);
        let mut files = BTreeMap::new();
        let mut tests = BTreeSet::new();
        for path in sources {
            let module = module_of(path.strip_prefix(folder).expect("a file of the folder"));
            let text = without_tests(&without_comments_and_strings(&std::fs::read_to_string(&path).expect("UTF-8")));
            for name in test_modules(&text) {
                tests.insert([&module[..], &[name]].concat());
            }
            let imports = imports(&text);
            files.insert(module.clone(), SourceFile { path, module, text, imports });
        }
        files.retain(|module, _| !(1..=module.len()).any(|length| tests.contains(&module[..length])));
        Self { files }
    }

    /// The path from the crate's root, where it is one of this crate.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Vec<String>> {
        let mut base = module.to_vec();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => (base, rest) = (Vec::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|word| word == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            first => {
                let child = [module, &[first.to_owned()]].concat();
                self.files.contains_key(&child).then_some(())?;
            }
        }
        Some([&base[..], rest].concat())
    }

    /// The module whose file defines what `path` names, through all re-exports.
    fn definer(&self, path: &[String], depth: usize) -> Option<ModulePath> {
        let length = (0..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
        let (module, rest) = path.split_at(length);
        let Some(name) = rest.first() else { return Some(module.to_vec()) };
        let file = &self.files[module];
        if depth < 8 && !defines(&file.text, name) {
            let found = file.imports.iter().filter(|import| import.name == *name || import.name == "*");
            for import in found {
                let Some(mut target) = self.absolute(module, &import.path) else { continue };
                if import.name == "*" {
                    target.push(name.clone());
                }
                match self.definer(&[&target[..], &rest[1..]].concat(), depth + 1) {
                    Some(found) if import.name != "*" || defines(&self.files[&found].text, name) => return Some(found),
                    _ => {}
                }
            }
        }
        Some(module.to_vec())
    }

    fn edges(&self) -> BTreeSet<Edge> {
        let mut edges = BTreeSet::new();
        for file in self.files.values() {
            let imports = file.imports.iter().filter(|import| !import.is_public);
            let imported = imports.map(|import| (import.path.clone(), import.line));
            for (path, line) in imported.chain(mentions(&file.text)) {
                let Some(path) = self.absolute(&file.module, &path) else { continue };
                let Some(to) = self.definer(&path, 0) else { continue };
                if to != file.module {
                    edges.insert(Edge { from: file.module.clone(), to, line });
                }
            }
        }
        edges
    }

    fn name(&self, module: &[String]) -> String {
        self.files[module].path.display().to_string()
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("main.rs") {
            found.push(path);
        }
    }
}

fn module_of(path: &Path) -> ModulePath {
    let mut module: ModulePath =
        path.with_extension("").iter().map(|part| part.to_str().expect("UTF-8").to_owned()).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

/// Groups of modules that reach each other, each of more than one.
fn cycles(modules: &[ModulePath], edges: &BTreeSet<Edge>) -> Vec<Vec<ModulePath>> {
    let mut uses: BTreeMap<&ModulePath, Vec<&ModulePath>> = BTreeMap::new();
    for edge in edges.iter().filter(|edge| !edge.from.is_empty() && !edge.to.is_empty()) {
        uses.entry(&edge.from).or_default().push(&edge.to);
    }
    let reach = |start: &ModulePath| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(module) = open.pop() {
            for to in uses.get(module).into_iter().flatten() {
                if seen.insert((*to).clone()) {
                    open.push(to);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&ModulePath, BTreeSet<ModulePath>> =
        modules.iter().map(|module| (module, reach(module))).collect();
    let mut groups: Vec<Vec<ModulePath>> = Vec::new();
    for module in modules.iter().filter(|module| reached[module].contains(*module)) {
        if groups.iter().any(|group| group.contains(module)) {
            continue;
        }
        let group =
            modules.iter().filter(|other| reached[module].contains(*other) && reached[other].contains(module)).cloned();
        groups.push(group.collect());
    }
    groups
}

fn source() -> Crate {
    Crate::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

#[test]
fn modules_import_only_from_the_layers_below() {
    let source = source();
    let known: BTreeSet<&str> = LAYERS.iter().flat_map(|layer| layer.iter().copied()).collect();
    let modules: BTreeSet<&str> = source.files.keys().filter_map(|module| Some(module.first()?.as_str())).collect();
    let homeless: Vec<_> = modules.difference(&known).collect();
    assert!(homeless.is_empty(), "modules without a layer: {homeless:?}");
    let layer = |name: &str| LAYERS.iter().position(|layer| layer.contains(&name));
    let mut wrong = Vec::new();
    for edge in source.edges() {
        let (Some(from), Some(to)) = (edge.from.first(), edge.to.first()) else { continue };
        if from != to && layer(to) >= layer(from) {
            wrong.push(format!("{}:{}: {from} uses {to}", source.name(&edge.from), edge.line));
        }
    }
    assert!(wrong.is_empty(), "{} imports against the layers:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_files_of_a_module_use_each_other_in_a_circle() {
    let source = source();
    let edges = source.edges();
    let modules: Vec<ModulePath> = source.files.keys().filter(|module| !module.is_empty()).cloned().collect();
    let mut told = Vec::new();
    for group in cycles(&modules, &edges) {
        told.push(format!("{} files in a circle:", group.len()));
        for edge in edges.iter().filter(|edge| group.contains(&edge.from) && group.contains(&edge.to)) {
            told.push(format!("  {}:{} uses {}", source.name(&edge.from), edge.line, source.name(&edge.to)));
        }
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn imports_are_read_as_they_are_written() {
    let text = without_tests(&without_comments_and_strings(
        "use crate::a::{self, b::C, d as e}; // use crate::no;\npub(crate) use super::x::*;\nfn f() { let s = \"use crate::n;\"; g::h('{', r#\"crate::m\"#); }\n#[cfg(test)]\nmod tests { use crate::t; }\n#[cfg(test)]\nmod more;\n",
    ));
    let found: Vec<(String, String, bool)> =
        imports(&text).into_iter().map(|import| (import.path.join("::"), import.name, import.is_public)).collect();
    let expected = [
        ("crate::a", "a", false),
        ("crate::a::b::C", "C", false),
        ("crate::a::d", "e", false),
        ("super::x", "*", true),
    ];
    assert_eq!(found, expected.map(|(path, name, public)| (path.to_owned(), name.to_owned(), public)));
    assert_eq!(mentions(&text), [(vec!["g".to_owned(), "h".to_owned()], 3)]);
    assert_eq!(test_modules(&text), ["more"]);
}
