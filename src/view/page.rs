//! The page of `fink view`.

use serde_json::Value;

use crate::html_page::{Page, PageParts};

const PARTS: PageParts = PageParts {
    html: include_str!("assets/page.html"),
    style: include_str!("assets/style.css"),
    modules: &[
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
    ],
};

/// The page that asks the server for its data.
pub fn served() -> Page {
    PARTS.served()
}

/// The page with its data inside.
pub fn standalone(data: &Value) -> Page {
    PARTS.standalone(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html_page::check_modules;

    #[test]
    fn modules_can_be_joined() {
        check_modules(&PARTS);
    }

    #[test]
    fn the_page_is_small_and_brings_everything_along() {
        let page = served();
        assert!(page.html.len() < 300_000, "{} bytes", page.html.len());
        assert!(!page.html.contains("<!--script-->") && !page.html.contains("src=\"http"));
        assert!(page.policy.starts_with("default-src 'none'"));
    }
}
