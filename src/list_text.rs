//! Lists as text, the way Spark 2.4's cast to string writes them: `[a, b]`; a null in it is nothing and has no space before it.
//!
//! The text does not say everything: a first item that is nothing may be null or empty, `[]` may hold nothing or one null, `, ` may stand
//! within a string. A comma without a space after it is taken to belong to a string.

/// The items of a list's text; `None` is a null.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    left: Option<&'a str>,
    first: bool,
}

impl<'a> Items<'a> {
    /// The items of `text`; `None` where it is no list.
    pub fn new(text: &'a str) -> Option<Self> {
        let inside = text.strip_prefix('[')?.strip_suffix(']')?;
        Some(Self { left: (!inside.is_empty()).then_some(inside), first: true })
    }

    /// How many items are left.
    pub fn items(&self) -> usize {
        self.clone().count()
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Option<&'a str>;

    /// The space before an item is the separator's, but for the first; an item without even that is null.
    fn next(&mut self) -> Option<Self::Item> {
        let left = self.left?;
        let ends = |at: usize| matches!(left.as_bytes().get(at + 1), None | Some(b' ' | b','));
        let end = left.match_indices(',').map(|(at, _)| at).find(|at| ends(*at));
        let (item, rest) = match end {
            Some(at) => (&left[..at], Some(&left[at + 1..])),
            None => (left, None),
        };
        self.left = rest;
        let text = if self.first { item } else { item.strip_prefix(' ').unwrap_or(item) };
        self.first = false;
        Some((!item.is_empty()).then_some(text))
    }
}
