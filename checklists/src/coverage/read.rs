//! Reading one result, leniently: of what a computer of any version sent, only what counting needs.

use serde::Deserialize;
use serde_json::Value;

use super::{ResultFile, SignedBy};
use crate::evaluate::evaluate;
use crate::finding::{Findings, RuleId, Severity, Verdict};
use crate::host::HostFacts;
use crate::requirements::{Mode, Requirements};
use crate::texts::harmless;

/// One computer, judged.
pub(super) struct Computer {
    pub(super) file: String,
    pub(super) pseudonym: Option<String>,
    pub(super) signed_by: SignedBy,
    /// Seconds since 1970 by its own clock; 0 if it did not say.
    pub(super) gathered_at_s: u64,
    modes: Vec<Judged>,
}

/// One mode of it.
pub(super) struct Judged {
    mode: Mode,
    fit: bool,
    /// Rules that block, warn, or could not be determined; the others are left out.
    pub(super) rules: Vec<JudgedRule>,
}

/// One rule that was not simply fulfilled.
pub(super) struct JudgedRule {
    pub(super) rule: String,
    pub(super) verdict: Verdict,
    pub(super) blocks: bool,
    /// The mode needs it.
    pub(super) required: bool,
}

impl Computer {
    /// Reads and judges, or says what is wrong in words.
    pub(super) fn read(
        file: &ResultFile,
        bytes: &[u8],
        requirements: Option<&Requirements>,
    ) -> Result<Self, String> {
        let whole: Value = serde_json::from_slice(bytes).map_err(|error| format!("not JSON: {error}"))?;
        let Some(result) = result_in(&whole) else {
            return Err("no result of `gobag check --json`".to_owned());
        };
        let facts = facts_of(result);
        let modes = match requirements {
            Some(requirements) => {
                let facts = facts.as_ref().map_err(Clone::clone)?;
                let modes = requirements.modes.iter();
                modes
                    .map(|mode| Judged::of(&evaluate(requirements, facts, *mode, &[])))
                    .collect()
            }
            None => {
                let decision = RecordedDecision::deserialize(&result["decision"])
                    .map_err(|error| format!("its decision cannot be read: {error}"))?;
                decision.findings.into_iter().map(Judged::from).collect()
            }
        };
        let pseudonym = [&whole, result]
            .into_iter()
            .find_map(|object| object.get("pseudonym").and_then(Value::as_str));
        Ok(Self {
            file: file.name.clone(),
            signed_by: file.signed_by.clone(),
            pseudonym: pseudonym.filter(|name| !name.is_empty()).map(harmless),
            gathered_at_s: facts.map_or(0, |facts| facts.gathered_at_s),
            modes,
        })
    }

    /// What counts of two results of one computer.
    pub(super) fn weight(&self) -> (u8, u64) {
        let vouched = match self.signed_by {
            SignedBy::Nobody => 0,
            SignedBy::NotChecked => 1,
            SignedBy::Stick(_) => 2,
        };
        (vouched, self.gathered_at_s)
    }

    /// How it came out in a mode, if that was looked at.
    pub(super) fn judged(&self, mode: Mode) -> Option<&Judged> {
        self.modes.iter().find(|judged| judged.mode == mode)
    }

    /// Can it run the mode?
    pub(super) fn fits(&self, mode: Mode) -> bool {
        self.judged(mode).is_some_and(|judged| judged.fit)
    }
}

impl Judged {
    fn of(findings: &Findings) -> Self {
        let rules = findings.findings.iter().map(|finding| JudgedRule {
            rule: finding.rule.as_str().to_owned(),
            verdict: finding.verdict,
            blocks: finding.blocks(),
            required: finding.severity == Severity::Require,
        });
        let weights = findings.findings.iter().map(|finding| finding.severity);
        Self {
            mode: findings.mode,
            fit: findings.fit,
            rules: telling(rules.zip(weights)),
        }
    }

    /// Is something that the mode needs not known?
    pub(super) fn is_uncertain(&self) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|rule| rule.required && rule.verdict == Verdict::Unknown)
    }

    /// Did the image offer the mode?
    pub(super) fn is_offered(&self) -> bool {
        let refused = |rule: &JudgedRule| rule.rule == RuleId::ModeOffered.as_str() && rule.blocks;
        !self.rules.iter().any(refused)
    }
}

/// What only informs, and what is fulfilled, is no reason for anything.
fn telling(rules: impl Iterator<Item = (JudgedRule, Severity)>) -> Vec<JudgedRule> {
    let telling = rules.filter(|(rule, weight)| {
        rule.blocks || (*weight > Severity::Info && matches!(rule.verdict, Verdict::Warn | Verdict::Unknown))
    });
    telling.map(|(rule, _)| rule).collect()
}

/// The result itself, or the one inside of a document that carries it.
fn result_in(whole: &Value) -> Option<&Value> {
    let is_result = |value: &Value| value["facts"].is_object() && value["decision"].is_object();
    if is_result(whole) {
        return Some(whole);
    }
    whole.as_object()?.values().find(|inner| is_result(inner))
}

fn facts_of(result: &Value) -> Result<HostFacts, String> {
    HostFacts::deserialize(&result["facts"]).map_err(|error| format!("its facts cannot be read: {error}"))
}

#[derive(Deserialize)]
struct RecordedDecision {
    findings: Vec<RecordedMode>,
}

#[derive(Deserialize)]
struct RecordedMode {
    mode: Mode,
    fit: bool,
    #[serde(default)]
    findings: Vec<RecordedRule>,
}

#[derive(Deserialize)]
struct RecordedRule {
    rule: String,
    verdict: RecordedVerdict,
    severity: Severity,
    /// `fail` where a program of this version wrote it.
    #[serde(default)]
    on_unknown: String,
    #[serde(default)]
    waiver: Option<Value>,
}

/// A verdict of a newer program reads as "unknown".
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RecordedVerdict {
    Pass,
    Info,
    Warn,
    Fail,
    #[serde(other)]
    Unknown,
}

impl From<RecordedMode> for Judged {
    fn from(recorded: RecordedMode) -> Self {
        let fit = recorded.fit;
        let rules = recorded.findings.into_iter().map(|recorded| {
            let weight = recorded.severity;
            let verdict = match recorded.verdict {
                RecordedVerdict::Pass => Verdict::Pass,
                RecordedVerdict::Info => Verdict::Info,
                RecordedVerdict::Warn => Verdict::Warn,
                RecordedVerdict::Fail => Verdict::Fail,
                RecordedVerdict::Unknown => Verdict::Unknown,
            };
            let strict = recorded.on_unknown == "fail" && weight == Severity::Require;
            let blocks = match verdict {
                Verdict::Fail => true,
                Verdict::Unknown => !fit && strict && recorded.waiver.is_none(),
                Verdict::Pass | Verdict::Info | Verdict::Warn => false,
            };
            let rule = JudgedRule {
                rule: harmless(&recorded.rule),
                verdict,
                blocks,
                required: weight == Severity::Require,
            };
            (rule, weight)
        });
        Self {
            mode: recorded.mode,
            fit,
            rules: telling(rules),
        }
    }
}
