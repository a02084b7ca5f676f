//! The list of alerts, and the filter box.

use std::sync::Arc;

use serde_json::{Value, json};

use super::head;
use super::store::{AlertStore, StoredAlert};
use crate::alert::decoder::Decoder;
use crate::consume::where_clause::{BoundCondition, Condition};
use crate::escape::shorten;

/// The longest condition, bytes.
const MAX_CONDITION_BYTES: usize = 2000;

/// What the list shows of an alert.
pub fn item(alert: &StoredAlert) -> Value {
    let observation = &alert.observation;
    let text = |value: &Option<String>| value.as_deref().map(|value| shorten(value, 40));
    let object = text(&observation.object).or_else(|| text(&observation.detection));
    json!({
        "number": alert.number,
        "object": object.unwrap_or_else(|| format!("alert {}", alert.number)),
        "band": text(&observation.band),
        "brightness": observation.brightness.map(|brightness| head::brightness(brightness, alert.survey).1),
        "time": observation.time,
        "class": text(&observation.class),
    })
}

/// A condition, made ready for each schema that it meets.
#[derive(Debug)]
pub struct ListFilter {
    condition: Option<Condition>,
    bound: Vec<(Arc<Decoder>, Result<BoundCondition, String>)>,
}

impl ListFilter {
    /// The condition of the filter box; empty: all alerts.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_CONDITION_BYTES {
            return Err("the condition is too long".to_owned());
        }
        let condition = match text.trim().is_empty() {
            true => None,
            false => Some(Condition::parse(text).map_err(|error| plain(&error))?),
        };
        Ok(Self { condition, bound: Vec::new() })
    }

    /// Whether the condition is true of an alert. One whose schema lacks a field is left out.
    pub fn is_true(&mut self, alert: &StoredAlert) -> bool {
        let Some(condition) = &self.condition else { return true };
        let known = self.bound.iter().position(|(decoder, _)| Arc::ptr_eq(decoder, &alert.decoder));
        let at = known.unwrap_or_else(|| {
            let bound = condition.bind(&alert.decoder).map_err(|error| plain(&error));
            self.bound.push((Arc::clone(&alert.decoder), bound));
            self.bound.len() - 1
        });
        match self.bound.get(at) {
            Some((_, Ok(bound))) => bound.is_true(&alert.datum).unwrap_or(false),
            _ => false,
        }
    }

    /// Why no alert can fit: the fault with the last schema, where the condition fits none.
    pub fn fault(&self) -> Option<&str> {
        match self.bound.iter().any(|(_, bound)| bound.is_ok()) {
            true => None,
            false => self.bound.last().and_then(|(_, bound)| bound.as_ref().err()).map(String::as_str),
        }
    }
}

/// The error without the name of the flag, which the page has not.
fn plain(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    text.strip_prefix("--where, ").unwrap_or(&text).to_owned()
}

/// The alerts that came after the one with the number `after`, newest first.
///
/// # Errors
/// What is wrong with the condition.
pub fn list(store: &AlertStore, condition: &str, after: u64) -> Result<Value, String> {
    let mut filter = ListFilter::parse(condition)?;
    let alerts: Vec<Arc<StoredAlert>> = {
        let alerts = store.read();
        alerts.iter().rev().take_while(|alert| alert.number > after).cloned().collect()
    };
    let items: Vec<Value> = alerts.iter().filter(|alert| filter.is_true(alert)).map(|alert| item(alert)).collect();
    if let (true, Some(fault)) = (items.is_empty(), filter.fault()) {
        return Err(fault.to_owned());
    }
    let alerts = store.read();
    let oldest = alerts.iter().next().map_or(0, |alert| alert.number);
    Ok(
        json!({"alerts": items, "newest": alerts.count(), "oldest": oldest, "broken": alerts.broken(), "problem": alerts.problem()}),
    )
}
