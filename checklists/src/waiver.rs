//! IT's word that one rule does not stop one person until a day.
//!
//! Here a waiver is only its meaning; that it is signed, and for this stick, is for whoever read it (`gobag-format`) to make sure.

use jiff::civil::Date;
use serde::Serialize;

/// A rule that does not stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiver {
    /// The rule's stable name.
    pub rule: String,
    /// The last day on which it counts.
    pub until: Date,
    /// Why, in IT's words.
    pub reason: String,
}

impl Waiver {
    /// Does it count for a rule on a day? Not on a day that is unknown.
    pub(crate) fn counts(&self, rule: &str, today: Option<Date>) -> bool {
        self.rule == rule && today.is_some_and(|today| today <= self.until)
    }
}
