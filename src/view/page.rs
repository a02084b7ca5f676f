//! The page: one document with its style, its script and, without a server, its data.
//!
//! The script is modules, which the program joins in the order of [`SCRIPTS`]: no build step, no request for each. A module imports by name
//! from those before it, a line an import; what it exports has one name in all of them.

use openssl::sha::sha256;
use serde_json::Value;

use crate::alert::decoder::{BytesFormat, json_bytes};

const HTML: &str = include_str!("assets/page.html");
const STYLE: &str = include_str!("assets/style.css");

/// The modules, each after those that it imports from.
const SCRIPTS: [(&str, &str); 14] = [
    ("dom", include_str!("assets/dom.js")),
    ("format", include_str!("assets/format.js")),
    ("source", include_str!("assets/source.js")),
    ("export", include_str!("assets/export.js")),
    ("ticks", include_str!("assets/ticks.js")),
    ("markers", include_str!("assets/markers.js")),
    ("plot", include_str!("assets/plot.js")),
    ("light_curve", include_str!("assets/light_curve.js")),
    ("stretch", include_str!("assets/stretch.js")),
    ("stamps", include_str!("assets/stamps.js")),
    ("fields", include_str!("assets/fields.js")),
    ("head", include_str!("assets/head.js")),
    ("list", include_str!("assets/list.js")),
    ("main", include_str!("assets/main.js")),
];

/// A page, and what its browser may do with it.
#[derive(Clone, Debug)]
pub struct Page {
    /// HTML
    pub html: String,
    /// the value of `Content-Security-Policy`
    pub policy: String,
}

/// The page that asks the server for its data.
pub fn served() -> Page {
    let script = script();
    let connections = "connect-src 'self'; ";
    Page { policy: policy(&script, connections), html: html(&script, "", "") }
}

/// The page with its data inside.
pub fn standalone(data: &Value) -> Page {
    let script = script();
    let policy = policy(&script, "");
    // `frame-ancestors` has no meaning in a meta element, and browsers say so.
    let in_document = policy.replace("; frame-ancestors 'none'", "");
    let meta = format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{in_document}\">");
    // Within a script element only `<` can begin something else.
    let json = data.to_string().replace('<', "\\u003c");
    let data = format!("<script type=\"application/json\" id=\"data\">{json}</script>");
    Page { html: html(&script, &meta, &data), policy }
}

fn html(script: &str, meta: &str, data: &str) -> String {
    let parts = [("<!--meta-->", meta), ("<!--style-->", STYLE), ("<!--script-->", script), ("<!--data-->", data)];
    // The data come last: what they hold is not looked at again.
    parts.iter().fold(HTML.to_owned(), |html, (mark, part)| html.replacen(mark, part, 1))
}

/// Nothing but the page's own style and script, no address but its own, no frames, no forms.
fn policy(script: &str, connections: &str) -> String {
    let (script, style) = (hash(script), hash(STYLE));
    format!(
        "default-src 'none'; script-src '{script}'; style-src '{style}'; img-src data: blob:; {connections}base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

fn hash(text: &str) -> String {
    let mut quoted = Vec::new();
    json_bytes(&sha256(text.as_bytes()), BytesFormat::Base64, &mut quoted);
    format!("sha256-{}", String::from_utf8_lossy(&quoted).trim_matches('"'))
}

/// All modules as one.
fn script() -> String {
    let mut joined = String::from("\n");
    for (name, text) in SCRIPTS {
        joined.push_str(&format!("// {name}.js\n"));
        for line in text.lines().filter(|line| !line.starts_with("import ")) {
            joined.push_str(line.strip_prefix("export ").unwrap_or(line));
            joined.push('\n');
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// The names that a module defines at its top, with whether it exports them.
    fn definitions(text: &str) -> Vec<(&str, bool)> {
        let defined = |line: &'static str| line;
        let _ = defined;
        text.lines()
            .filter_map(|line| {
                let exported = line.strip_prefix("export ");
                let rest = exported.unwrap_or(line);
                let rest = rest.strip_prefix("async ").unwrap_or(rest);
                let name = ["function ", "const ", "let ", "class "].iter().find_map(|word| rest.strip_prefix(word))?;
                Some((name.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').next()?, exported.is_some()))
            })
            .collect()
    }

    #[test]
    fn modules_can_be_joined() {
        let mut exported: HashMap<&str, &str> = HashMap::new();
        let mut defined: HashMap<&str, &str> = HashMap::new();
        for (module, text) in SCRIPTS {
            for line in text.lines().filter(|line| line.starts_with("import ")) {
                let (names, from) = line.split_once(" from ").unwrap_or_else(|| panic!("{module}: `{line}`"));
                let from = from.trim_matches(['"', ';']).trim_start_matches("./").trim_end_matches(".js");
                for name in names.trim_start_matches("import {").trim_end_matches('}').split(',').map(str::trim) {
                    assert_eq!(exported.get(name), Some(&from), "{module} imports `{name}` from {from}");
                }
            }
            for (name, is_exported) in definitions(text) {
                assert_eq!(defined.insert(name, module), None, "`{name}` of {module} has two definitions");
                if is_exported {
                    exported.insert(name, module);
                }
            }
            assert!(!text.contains("innerHTML") && !text.contains("eval("), "{module} makes markup of text");
        }
    }

    #[test]
    fn the_page_is_small_and_brings_everything_along() {
        let page = served();
        assert!(page.html.len() < 300_000, "{} bytes", page.html.len());
        assert!(!page.html.contains("<!--script-->") && !page.html.contains("src=\"http"));
        assert!(page.policy.starts_with("default-src 'none'"));
        let standalone = standalone(&serde_json::json!({"text": "</script><script>alert(1)</script>"}));
        assert!(!standalone.html.contains("</script><script>alert"));
        assert!(standalone.html.contains("\\u003c/script>"));
    }
}
