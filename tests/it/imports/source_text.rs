//! The text of a source file: its comments, tests, definitions and imports.

/// One name that a `use` brings in.
pub struct Import {
    pub path: Vec<String>,
    /// the name that it gets; `*` for a glob
    pub name: String,
    pub is_public: bool,
    pub line: usize,
}

/// The text with blanks for comments and for what stands in strings; lines stay where they are.
pub fn without_comments_and_strings(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    let blank = |text: &str| -> String { text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect() };
    while let Some(c) = rest.chars().next() {
        let is_word = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if !is_word && (rest.starts_with("r\"") || rest.starts_with("r#") || rest.starts_with("br")) {
            raw_string(rest)
        } else if c == '"' {
            string(rest)
        } else if c == '\'' {
            character(rest)
        } else {
            0
        };
        if length == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.push_str(&blank(&rest[..length]));
            rest = &rest[length..];
        }
    }
    out
}

/// The length of the raw string that `text` begins with, or 0.
fn raw_string(text: &str) -> usize {
    let text_after = text.trim_start_matches('b');
    let Some(after) = text_after.strip_prefix('r') else { return 0 };
    let hashes = after.len() - after.trim_start_matches('#').len();
    if !after[hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let begin = text.len() - after.len() + hashes + 1;
    text[begin..].find(&end).map_or(text.len(), |at| begin + at + end.len())
}

fn string(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the character literal that `text` begins with; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => chars.find(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

/// Without the blocks of `#[cfg(test)] mod NAME { … }`.
pub fn without_tests(text: &str) -> String {
    let mut out = text.to_owned();
    while let Some(begin) = out.find("#[cfg(test)]") {
        let item = &out[begin..];
        let (semicolon, brace) = (item.find(';').unwrap_or(item.len()), item.find('{').unwrap_or(item.len()));
        let length = if semicolon < brace { 0 } else { block(item) };
        // `mod NAME;` is kept, in a form that `test_modules` finds and this loop does not.
        let kept = if length == 0 { "#[for(test)]".to_owned() } else { item[..length].replace(|c| c != '\n', " ") };
        out.replace_range(begin..begin + length.max("#[cfg(test)]".len()), &kept);
    }
    out
}

/// The length up to the end of the first block in braces.
fn block(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

pub fn test_modules(text: &str) -> Vec<String> {
    let after = text.split("#[for(test)]").skip(1);
    let names = after.filter_map(|rest| {
        let item = rest.split(';').next()?;
        item.split_once("mod ").map(|(_, name)| name.trim().to_owned())
    });
    names.collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether the file has an item of this name.
pub fn defines(text: &str, name: &str) -> bool {
    let kinds = ["fn", "struct", "enum", "trait", "type", "const", "static", "union", "macro_rules!"];
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].trim_end();
        let is_whole = text[..at].ends_with(char::is_whitespace) && !text[at + name.len()..].starts_with(is_word);
        is_whole && kinds.iter().any(|kind| before.strip_suffix(kind).is_some_and(|rest| !rest.ends_with(is_word)))
    })
}

/// All names that the `use` items bring in.
pub fn imports(text: &str) -> Vec<Import> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("use ") {
        let before = text[..at].trim_end();
        let starts = before.is_empty() || before.ends_with([';', '{', '}', ']', ')']) || before.ends_with("pub");
        if text[..at].ends_with(is_word) || !starts {
            continue;
        }
        let is_public = before.ends_with("pub") || before.ends_with(')');
        let tree = text[at + 4..].split(';').next().expect("a part");
        let line = text[..at].lines().count().max(1);
        expand(tree, &[], &mut |path, name| found.push(Import { path, name, is_public, line }));
    }
    found
}

/// Calls `add` with each path of a `use` tree and the name that it gets.
fn expand(tree: &str, prefix: &[String], add: &mut impl FnMut(Vec<String>, String)) {
    let tree = tree.trim();
    if let Some((head, group)) = tree.split_once('{') {
        let words = head.split("::").map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned);
        let prefix: Vec<String> = prefix.iter().cloned().chain(words).collect();
        let group = group.trim_end().strip_suffix('}').unwrap_or(group);
        let (mut depth, mut begin) = (0, 0);
        for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&group[begin..at], &prefix, add);
                    begin = (at + 1).min(group.len());
                }
                _ => {}
            }
        }
    } else if !tree.is_empty() {
        let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias.trim())));
        let words = path.split("::").map(|word| word.trim().to_owned());
        let mut path: Vec<String> = prefix.iter().cloned().chain(words).collect();
        let last = path.last().expect("a word").clone();
        if last == "self" || last == "*" {
            path.pop();
        }
        let name = match alias {
            Some(alias) => alias.to_owned(),
            None if last == "self" => path.last().cloned().unwrap_or_default(),
            None => last,
        };
        add(path, name);
    }
}

/// The paths with `::` outside of `use` items, with their lines.
pub fn mentions(text: &str) -> Vec<(Vec<String>, usize)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("use ") || line.trim_start().starts_with("pub") && line.contains(" use ") {
            continue;
        }
        for (at, _) in line.match_indices("::") {
            let begin = line[..at].rfind(|c| !is_word(c)).map_or(0, |before| before + 1);
            // Not the middle of a path.
            if begin == at || line[..begin].ends_with("::") || line[..begin].ends_with('.') {
                continue;
            }
            let end = line[at..].find(|c| !is_word(c) && c != ':').map_or(line.len(), |length| at + length);
            let path = line[begin..end].split("::").filter(|word| !word.is_empty()).map(str::to_owned);
            found.push((path.collect(), number + 1));
        }
    }
    found
}
