//! Requirements, facts about a computer, and the judgement between them.
//!
//! `Requirements` (signed data from IT) × `HostFacts` (measured by `gobag-host`) → `Findings`. The judgement is a pure
//! function: it reads no clock, no file and no environment, so the same facts give the same table on the
//! employee's screen, in a bug report and in the company's coverage figure.
//!
//! * [`requirements`]: what an image asks of a computer.
//! * [`fact`]: one measured value, or why there is none.
//! * [`host`]: all facts about one computer.
//! * [`finding`]: one rule's verdict, in words for a person under stress.
//! * [`mod@evaluate`]: the rules.
//! * [`mod@decide`]: which mode this computer can run, and why.
//! * [`plan`]: from a planner's answers to requirements, sticks, cost and feasibility.
//! * [`checklist`]: the list that people tick, from the same requirements; [`texts`]: its words, by language.
//! * [`coverage`]: how many people can work, from many computers' results.
//! * [`regular`]: opening a file that somebody named, and nothing that would be waited for.
//!
//! What is deliberately absent: measuring anything, starting anything.

pub mod checklist;
pub mod coverage;
pub mod cpu_level;
pub mod decide;
mod end_of_life;
pub mod evaluate;
pub mod fact;
pub mod finding;
pub mod host;
pub mod limits;
mod markup;
pub mod plan;
pub mod policy;
pub mod regular;
pub mod release;
pub mod requirements;
mod rules;
pub mod safety;
#[cfg(test)]
mod sample;
pub mod texts;
pub mod version;
pub mod waiver;
mod words;

pub use checklist::{Checklist, ChecklistOptions, Form, Paper, System};
pub use coverage::{Coverage, ResultFile};
pub use cpu_level::CpuLevel;
pub use decide::{Decision, ModeChoice, decide};
pub use evaluate::evaluate;
pub use fact::{Fact, Forger, Known, Privilege};
pub use finding::{Finding, Findings, RuleId, Severity, Verdict};
pub use host::{
    Ability, Acceleration, Accelerator, BlockMount, Cpu, FuseAccess, HostFacts, Memory, Namespaces, Obstacle,
    OperatingSystem, Space, Tool, UserMap, Virtualization,
};
pub use requirements::{
    AcceleratorRule, ContainerRequirements, Mode, OnUnknown, Requirements, RequirementsError, VmRequirements,
};
pub use texts::{Texts, TextsError};
pub use version::Version;
pub use waiver::Waiver;
