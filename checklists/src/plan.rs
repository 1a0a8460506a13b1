//! From a planner's answers to requirements, sticks, licences, cost, and whether it can work at all.
//!
//! * [`question`]: what is asked, as data files; [`answer`]: what was said; [`mod@file`]: the file of answers.
//! * [`prices`]: what things cost, an input.
//! * [`derive()`]: a pure function from answers and prices to a [`Plan`], in which every value names the rule and the answers it
//!   comes from; [`page`] writes it for people.
//!
//! What must stay true: whatever the answers are, a plan comes out whose requirements are valid. An answer that is missing is
//! replaced by a stated assumption, never by silence. Nothing here asks, reads or writes: that is the program's.

pub mod answer;
pub mod cost;
pub mod derive;
mod document;
pub mod error;
mod facts;
pub mod feasibility;
pub mod file;
mod known;
pub mod limits;
pub mod page;
mod policy;
pub mod prices;
pub mod question;
pub mod shipped;
pub mod size;
pub mod stick;
#[cfg(test)]
mod testing;
mod trail;

pub use answer::{Answer, Answers};
pub use cost::{Cost, CostRow};
pub use derive::{Licences, ModePlan, Plan, derive};
pub use error::PlanFileError;
pub use feasibility::{Feasibility, Reason, Weight};
pub use file::AnswersFile;
pub use prices::{Money, Prices};
pub use question::{Kind, Question, QuestionSet};
pub use stick::{SpeedClass, StickPlan};
pub use trail::{Derived, Used};
