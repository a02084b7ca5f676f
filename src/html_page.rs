//! A page as one document with its style, its script and, without a server, its data. It loads nothing else.
//!
//! The script is modules, which are joined in their order: no build step, no request for each. A module imports by name from those before it, a line an
//! import; what it exports has one name in all of them.

use openssl::base64::encode_block;
use openssl::sha::sha256;
use serde_json::Value;

/// A page, and what its browser may do with it.
#[derive(Clone, Debug)]
pub struct Page {
    /// HTML
    pub html: String,
    /// the value of `Content-Security-Policy`
    pub policy: String,
}

/// What a page is made of.
#[derive(Clone, Copy, Debug)]
pub struct PageParts {
    /// the document, with the comments `<!--meta-->`, `<!--style-->`, `<!--script-->` and `<!--data-->` where these parts go
    pub html: &'static str,
    /// CSS
    pub style: &'static str,
    /// the modules of the script, by name, each after those that it imports from
    pub modules: &'static [(&'static str, &'static str)],
}

impl PageParts {
    /// The page that asks its server for its data.
    pub fn served(&self) -> Page {
        let script = self.script();
        Page { policy: self.policy(&script, "connect-src 'self'; "), html: self.html(&script, "", "") }
    }

    /// The page with its data inside.
    pub fn standalone(&self, data: &Value) -> Page {
        let script = self.script();
        let policy = self.policy(&script, "");
        // `frame-ancestors` has no meaning in a meta element, and browsers say so.
        let in_document = policy.replace("; frame-ancestors 'none'", "");
        let meta = format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{in_document}\">");
        // Within a script element only `<` can begin something else.
        let json = data.to_string().replace('<', "\\u003c");
        let data = format!("<script type=\"application/json\" id=\"data\">{json}</script>");
        Page { html: self.html(&script, &meta, &data), policy }
    }

    fn html(&self, script: &str, meta: &str, data: &str) -> String {
        let parts =
            [("<!--meta-->", meta), ("<!--style-->", self.style), ("<!--script-->", script), ("<!--data-->", data)];
        // The data come last: what they hold is not looked at again.
        parts.iter().fold(self.html.to_owned(), |html, (mark, part)| html.replacen(mark, part, 1))
    }

    /// Nothing but the page's own style and script, no address but its own, no frames, no forms.
    fn policy(&self, script: &str, connections: &str) -> String {
        let (script, style) = (hash(script), hash(self.style));
        format!(
            "default-src 'none'; script-src '{script}'; style-src '{style}'; img-src data: blob:; {connections}base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    }

    /// All modules as one.
    fn script(&self) -> String {
        let mut joined = String::from("\n");
        for (name, text) in self.modules {
            joined.push_str(&format!("// {name}.js\n"));
            for line in text.lines().filter(|line| !line.starts_with("import ")) {
                joined.push_str(line.strip_prefix("export ").unwrap_or(line));
                joined.push('\n');
            }
        }
        joined
    }
}

fn hash(text: &str) -> String {
    format!("sha256-{}", encode_block(&sha256(text.as_bytes())))
}

/// Checks that the modules of a page can be joined, and that they make no markup of text.
///
/// # Panics
/// They cannot, or they do.
#[cfg(test)]
pub(crate) fn check_modules(parts: &PageParts) {
    use std::collections::HashMap;

    let mut exported: HashMap<&str, &str> = HashMap::new();
    let mut defined: HashMap<&str, &str> = HashMap::new();
    for (module, text) in parts.modules {
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

/// The names that a module defines at its top, with whether it exports them.
#[cfg(test)]
fn definitions(text: &str) -> Vec<(&str, bool)> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_end_their_script_element() {
        let html = "<head><!--meta--><style><!--style--></style></head><!--data--><script><!--script--></script>";
        let parts = PageParts { html, style: "p{}", modules: &[("one", "export const one = 1;")] };
        let standalone = parts.standalone(&serde_json::json!({"text": "</script><script>alert(1)</script>"}));
        assert!(!standalone.html.contains("</script><script>alert"));
        assert!(standalone.html.contains("\\u003c/script>"));
        let served = parts.served();
        assert!(served.html.contains("// one.js\nconst one = 1;\n"), "{}", served.html);
        assert!(served.policy.starts_with("default-src 'none'") && served.policy.contains("connect-src 'self'"));
    }
}
