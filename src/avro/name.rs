//! Names (`[A-Za-z_][A-Za-z0-9_]*`) and namespaces of types.

/// Whether `name` is a simple Avro name.
pub(crate) fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether every part of a dotted name is a simple name.
pub(super) fn is_full_name(name: &str) -> bool {
    name.split('.').all(is_name)
}

/// The namespace of a full name, or an empty string.
pub(crate) fn namespace_of(full: &str) -> &str {
    full.rsplit_once('.').map_or("", |(namespace, _)| namespace)
}

/// The full name of a type `name` in the enclosing `namespace`.
pub(super) fn qualify(name: &str, namespace: &str) -> String {
    match name.contains('.') || namespace.is_empty() {
        true => name.to_owned(),
        false => format!("{namespace}.{name}"),
    }
}

/// The Avro name that is nearest to `name`.
pub(super) fn legal_name(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let begin = if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() { "_" } else { "" };
    begin.chars().chain(name.chars().map(legal)).collect()
}

/// The full name that is nearest to `name`, part by part.
pub(super) fn legal_full_name(name: &str) -> String {
    name.split('.').map(legal_name).collect::<Vec<_>>().join(".")
}
