//! Fields of records that are JSON.

use serde_json::Value;

/// The finite number of a field.
pub fn number(record: &Value, field: &str) -> Option<f64> {
    record.get(field)?.as_f64()
}

/// The records of an array; none where it is null or missing.
pub fn records<'a>(alert: &'a Value, field: &str) -> &'a [Value] {
    alert.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// An id, which is a number or text.
pub fn id(record: &Value, field: &str) -> Option<String> {
    match record.get(field)? {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// Whether a flag such as ZTF's `isdiffpos` says no: `f`, `0` or false. `None`: it says nothing.
pub fn is_no(record: &Value, field: &str) -> Option<bool> {
    match record.get(field)? {
        Value::Bool(value) => Some(!value),
        Value::String(text) => Some(matches!(text.as_str(), "f" | "0" | "F" | "false")),
        Value::Number(number) => Some(number.as_f64() == Some(0.0)),
        _ => None,
    }
}

/// What is said of an array of history: null, missing and empty are three things.
pub fn absence(alert: &Value, field: &str) -> Option<String> {
    match alert.get(field) {
        None => Some(format!("{field} is not in the packet")),
        Some(Value::Null) => Some(format!("{field} is null")),
        Some(Value::Array(items)) if items.is_empty() => Some(format!("{field} is empty")),
        Some(_) => None,
    }
}
