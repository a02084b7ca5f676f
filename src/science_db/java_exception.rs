//! The text of Java's exceptions, in which HBase reports errors.

/// The column family that the table does not have, if that is the complaint. HBase repeats it for each row, with the description of the
/// whole table.
pub(crate) fn missing_family(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("NoSuchColumnFamilyException: Column family ")?;
    Some(rest.split_once(" does not exist")?.0)
}

/// A Java message without its stack trace.
pub(crate) fn first_lines(message: &str) -> String {
    let lines = message.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("at "));
    lines.take(4).collect::<Vec<_>>().join(" / ")
}
