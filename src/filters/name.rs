//! Names of filters: `package.module:function`.

use std::fmt;
use std::str::FromStr;

/// The name of a filter: a Python module, and a function in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FilterName {
    module: String,
    function: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a filter: write `package.module:function`")]
pub struct FilterNameError(String);

impl FilterName {
    /// The module, dotted.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// The function.
    pub fn function(&self) -> &str {
        &self.function
    }
}

impl fmt::Display for FilterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.module, self.function)
    }
}

impl FromStr for FilterName {
    type Err = FilterNameError;

    fn from_str(text: &str) -> Result<Self, FilterNameError> {
        match text.split_once(':') {
            Some((module, function)) if module.split('.').all(is_identifier) && is_identifier(function) => {
                Ok(Self { module: module.to_owned(), function: function.to_owned() })
            }
            _ => Err(FilterNameError(text.to_owned())),
        }
    }
}

fn is_identifier(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_numeric())
        && !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_module_and_a_function() {
        let name: FilterName = "fink_filters.ztf.filter:in_simbad".parse().expect("a name");
        assert_eq!((name.module(), name.function()), ("fink_filters.ztf.filter", "in_simbad"));
        assert_eq!(name.to_string(), "fink_filters.ztf.filter:in_simbad");
    }

    #[test]
    fn anything_else_is_refused() {
        for wrong in ["", "a", "a.b", ":f", "a:", "a..b:f", "a:b.c", "1a:f", "a:f()", "os;x:f", "a b:f", "a:b:c"] {
            assert!(wrong.parse::<FilterName>().is_err(), "{wrong}");
        }
    }
}
