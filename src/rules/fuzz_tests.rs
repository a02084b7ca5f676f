//! Damaged and hostile files: they never panic, hang or select everything.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rustix::time::{ClockId, clock_gettime};

use super::{Diagnostic, MAX_FILE_BYTES, Rules};
use crate::catalog::Catalog;

const CATALOG: &str = include_str!("../../tests/rules/catalog.json");

/// Valid files that do not select everything.
const VALID: [&str; 4] = [
    include_str!("../../tests/rules/01-worked-example.xml"),
    include_str!("../../tests/rules/03-whole-structs.xml"),
    include_str!("../../tests/rules/04-groups-and-every-operator.xml"),
    "<!-- one --><distribution-rules><!-- two -->\r\n<select><column name='*'/></select><!-- three --></distribution-rules><!-- four -->",
];

/// Insertions: the tokens of XML.
const PIECES: [&str; 24] = [
    "<",
    ">",
    "/>",
    "</",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<!DOCTYPE",
    "[",
    "]",
    "<?xml",
    "?>",
    "&",
    "&#0;",
    "&lt;",
    "'",
    "\"",
    "=",
    "\u{feff}",
    "é",
    "<distribution-rules/>",
    "<select/>",
    " ",
];

/// More than any file needs. CPU time, so that the load of the machine does not matter.
const MAX_CPU_TIME: Duration = Duration::from_secs(10);

/// Parses a file, and measures the CPU time that this takes.
fn parse(text: &[u8], catalog: &Catalog) -> (Result<Rules, Vec<Diagnostic>>, Duration) {
    let cpu_time = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let start = cpu_time();
    let outcome = Rules::parse(text, catalog);
    (outcome, cpu_time() - start)
}

/// Number of files; `scripts/dev/fuzz-rules` asks for a million.
fn trials() -> u64 {
    std::env::var("FINK_FUZZ_TRIALS").ok().and_then(|count| count.parse().ok()).unwrap_or(4_000)
}

fn below(random: &mut ChaCha8Rng, bound: usize) -> usize {
    (random.next_u64() % bound.max(1) as u64) as usize
}

fn damage(text: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    let at = below(random, text.len());
    let most = if below(random, 4) == 0 { 400 } else { 6 };
    let until = (at + 1 + below(random, most)).min(text.len());
    match below(random, 8) {
        0 => text.truncate(at),
        1 => drop(text.drain(..at)),
        2 | 3 => drop(text.drain(at.min(until)..until)),
        4 => {
            let piece = text[at.min(until)..until].to_vec();
            let to = below(random, text.len());
            text.splice(to..to, piece);
        }
        5 => text.extend_from_within(at.min(until)..until),
        6 => {
            let piece = PIECES[below(random, PIECES.len())];
            text.splice(at..at, piece.bytes());
        }
        _ => text.get_mut(at).into_iter().for_each(|byte| *byte = random.next_u32() as u8),
    }
}

/// Whether a file has only comments, declarations and an empty `<distribution-rules>`, determined without an XML parser.
fn is_empty(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let mut text = text.trim_start_matches('\u{feff}').to_owned();
    for (open, close) in [("<!--", "-->"), ("<?", "?>")] {
        while let Some(start) = text.find(open) {
            let Some(len) = text[start + open.len()..].find(close) else { return false };
            text.replace_range(start..start + open.len() + len + close.len(), "");
        }
    }
    if text.trim().is_empty() {
        return true;
    }
    let Some(root) = text.find("<distribution-rules") else { return false };
    !["select", "drop", "filter", "column"].iter().any(|name| text[root..].contains(&format!("<{name}")))
}

#[test]
fn damaged_file_never_selects_everything() {
    let catalog = Catalog::parse(CATALOG).unwrap();
    for valid in VALID {
        assert!(!Rules::parse(valid.as_bytes(), &catalog).unwrap().is_everything());
    }
    let (mut refused, mut emptied, mut slowest) = (0_u64, 0_u64, Duration::ZERO);
    for seed in 0..trials() {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut text = VALID[below(&mut random, VALID.len())].as_bytes().to_vec();
        for _ in 0..=below(&mut random, 3) {
            damage(&mut text, &mut random);
        }
        let (outcome, cpu) = parse(&text, &catalog);
        slowest = slowest.max(cpu);
        let shown = String::from_utf8_lossy(&text);
        assert!(cpu < MAX_CPU_TIME, "seed {seed} took {cpu:?}: {shown}");
        match outcome {
            Ok(rules) => {
                assert!(!rules.is_everything() || is_empty(&text), "seed {seed} became everything: {shown}");
                emptied += u64::from(rules.is_everything());
            }
            Err(diagnostics) => {
                refused += 1;
                let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
                assert!(!diagnostics.is_empty());
                assert!(
                    diagnostics.iter().all(|diagnostic| (1..=lines).contains(&diagnostic.position.line)),
                    "seed {seed}: {diagnostics:?}"
                );
            }
        }
    }
    let all = trials();
    println!(
        "{all} damaged files: {refused} refused, {} still select something, {emptied} are empty; the slowest took {slowest:?}",
        all - refused - emptied
    );
}

/// Files that would take much time or stack, of the maximum size.
#[test]
fn hostile_file_is_refused_in_little_time() {
    let catalog = Catalog::parse(CATALOG).unwrap();
    let size = MAX_FILE_BYTES as usize - 200;
    let filter = |body: String| {
        format!("<distribution-rules><select><column name='*'/></select><filter>{body}</filter></distribution-rules>")
    };
    let repeat = |piece: &str| piece.repeat(size / piece.len());
    let numbered = |from: &str, to: &str| {
        (0..size / (from.len() + to.len() + 6)).map(|n| format!("{from}{n}{to}")).collect::<String>()
    };
    let files: [(&str, String); 11] = [
        ("nesting", filter(repeat("<any>"))),
        ("attributes", filter(format!("<column {}/>", numbered("a", "='' ")))),
        ("a long name", filter(format!("<column name='{}' operator='=' value='1'/>", "x".repeat(size)))),
        ("a long element", filter(format!("<{}/>", "x".repeat(size)))),
        ("a long operator", filter(format!("<column name='roid' operator='{}' value='1'/>", "= ".repeat(size / 2)))),
        ("a long number", filter(format!("<column name='candidate_ra' operator='=' value='{}e'/>", "1".repeat(size)))),
        ("many diagnostics", filter(repeat("<column name='nothing' operator='=' value='1'/>"))),
        ("quotes", filter(format!("<column name='objectId' operator='in' value=\"{}\"/>", "'',".repeat(size / 3)))),
        ("ampersands", filter(format!("<column name='{}'/>", repeat("&amp;")))),
        ("a declaration", format!("<!DOCTYPE x [{}]><x/>", repeat("<!ENTITY a '&b;'>"))),
        ("comments", repeat("<!---->")),
    ];
    for (name, text) in files {
        let (outcome, cpu) = parse(text.as_bytes(), &catalog);
        assert!(outcome.is_err(), "{name}");
        assert!(cpu < MAX_CPU_TIME, "{name} took {cpu:?}");
    }
    let long_list = format!("<column name='candid' operator='in' value='{}0'/>", numbered("", ","));
    for (name, text) in [
        ("a long list", filter(long_list)),
        ("many conditions", filter(repeat("<column name='roid' operator='=' value='1'/>"))),
    ] {
        let (outcome, cpu) = parse(text.as_bytes(), &catalog);
        assert!(outcome.is_ok(), "{name}");
        assert!(cpu < MAX_CPU_TIME, "{name} took {cpu:?}");
    }
}
