//! The tables of docs/security.md, to be compared with the program.

/// The rows of the table whose first heading is `first`, as trimmed cells without code marks.
pub fn table(first: &str) -> Vec<Vec<String>> {
    let page = include_str!("../../../docs/security.md");
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect()
    };
    let mut lines = page.lines().skip_while(|line| !line.starts_with(&format!("| {first} |")));
    assert!(lines.next().is_some(), "docs/security.md has no table that begins with `{first}`");
    lines.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect()
}
