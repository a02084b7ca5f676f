//! Lists as text, as written by Spark 2.4's cast to string: `[a, b]`. A null item is empty and has no space before it.
//!
//! The text is ambiguous: an empty first item may be null or an empty string, `[]` may be an empty list or one null, `, ` may be part of a
//! string. A comma without a space after it is read as part of a string.
//!
//! Newer writers have other brackets: maps are `{k -> v}` since Spark 3.1, which also writes `null` for a null item, and the HBase connector
//! writes an array that was not cast as Scala's `WrappedArray(a, b)`.

/// What stands around the items.
const BRACKETS: [(&str, char); 4] = [("[", ']'), ("{", '}'), ("WrappedArray(", ')'), ("ArraySeq(", ')')];

/// The items of a list as text; `None` is a null.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    left: Option<&'a str>,
    first: bool,
}

impl<'a> Items<'a> {
    /// The items of `text`; `None` if it is not a list.
    pub fn new(text: &'a str) -> Option<Self> {
        let inside = BRACKETS.iter().find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(*close))?;
        Some(Self { left: (!inside.is_empty()).then_some(inside), first: true })
    }

    /// The number of remaining items. Faster than iterating.
    pub fn items(&self) -> usize {
        let Some(left) = self.left else { return 0 };
        let bytes = left.as_bytes();
        let pairs = bytes.iter().zip(bytes.iter().skip(1));
        let inside = pairs.filter(|(byte, next)| **byte == b',' && matches!(**next, b' ' | b',')).count();
        1 + inside + usize::from(bytes.last() == Some(&b','))
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Option<&'a str>;

    /// The space before an item, except the first, belongs to the separator. An item without that space is null.
    fn next(&mut self) -> Option<Self::Item> {
        let left = self.left?;
        let bytes = left.as_bytes();
        let ends = |at: usize| matches!(bytes.get(at + 1), None | Some(b' ' | b','));
        // Items are short: a loop over bytes is faster than a search that prepares for long texts.
        let end = bytes.iter().enumerate().find(|(at, byte)| **byte == b',' && ends(*at)).map(|(at, _)| at);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_of_all_writers_are_read() {
        for text in ["[1.5,, 2.0]", "{1.5,, 2.0}", "WrappedArray(1.5,, 2.0)", "ArraySeq(1.5,, 2.0)"] {
            let items: Vec<Option<&str>> = Items::new(text).unwrap().collect();
            assert_eq!(items, [Some("1.5"), None, Some("2.0")], "{text}");
        }
        assert_eq!(Items::new("WrappedArray()").unwrap().items(), 0);
        for text in ["", "[1.5", "[1.5}", "(1.5)", "WrappedArray[1.5]", "List(1.5)"] {
            assert!(Items::new(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_number_of_items_is_that_of_the_iterator(text in "\\[[ ,ab]{0,12}\\]") {
            let items = Items::new(&text).unwrap();
            prop_assert_eq!(items.items(), items.count());
        }
    }
}
