/// Checks a name by Kafka's rule for topics.
///
/// # Errors
/// A message that quotes the name.
pub fn check_topic(topic: &str) -> Result<(), String> {
    let is_legal = topic.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    match is_legal && (1..=249).contains(&topic.len()) && topic != "." && topic != ".." {
        true => Ok(()),
        false => Err(format!("`{topic}` is not a topic name: use up to 249 letters, digits, `.`, `_` and `-`")),
    }
}
