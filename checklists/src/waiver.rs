//! IT's word that one rule does not stop one person until a day.
//!
//! Here a waiver is only its meaning; that it is signed, and for this stick, is for whoever read it (`gobag-format`) to make sure.

use crate::end_of_life::day;
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
    /// Is its last day over? `now_s` are seconds since 1970 by this computer's clock; nobody knows where there is none.
    #[must_use]
    pub fn has_ended(&self, now_s: u64) -> bool {
        day(now_s).is_some_and(|today| today > self.until)
    }

    /// Does it count for a rule on a day? Not on a day that is unknown.
    pub(crate) fn counts(&self, rule: &str, today: Option<Date>) -> bool {
        self.rule == rule && today.is_some_and(|today| today <= self.until)
    }
}
