//! What IT's policy and waivers change, and what they cannot.

use jiff::civil::date;

use super::evaluate;
use crate::fact::Fact;
use crate::finding::{Findings, RuleId, Severity, Verdict};
use crate::host::{HostFacts, Obstacle};
use crate::policy::{EndOfLife, RuleSetting};
use crate::requirements::{Mode, OnUnknown, Requirements};
use crate::sample::{broken, good_pc};
use crate::waiver::Waiver;

pub(super) fn require() -> RuleSetting {
    RuleSetting {
        vm: Some(Severity::Require),
        container: Some(Severity::Require),
        ..RuleSetting::default()
    }
}

fn with(rule: RuleId, setting: RuleSetting) -> Requirements {
    let mut requirements = Requirements::default();
    requirements
        .policy
        .rules
        .insert(rule.as_str().to_owned(), setting);
    requirements
}

fn without_scanner() -> HostFacts {
    HostFacts {
        products: Fact::from_kernel(Vec::new(), "x"),
        ..good_pc()
    }
}

fn verdict(findings: &Findings, rule: RuleId) -> Verdict {
    findings.get(rule).expect("applies").verdict
}

fn waiver(rule: &str, day: i8) -> Waiver {
    Waiver {
        rule: rule.to_owned(),
        until: date(2026, 11, day),
        reason: "the new one comes on Friday".to_owned(),
    }
}

#[test]
fn its_word_goes_before_the_default() {
    let facts = without_scanner();
    let judge = |setting| {
        evaluate(
            &with(RuleId::AntivirusActive, setting),
            &facts,
            Mode::Container,
            &[],
        )
    };
    let weight = |severity| RuleSetting {
        container: Some(severity),
        ..RuleSetting::default()
    };
    for (severity, expected, fit) in [
        (Severity::Info, Verdict::Info, true),
        (Severity::Warn, Verdict::Warn, true),
        (Severity::Require, Verdict::Fail, false),
    ] {
        let findings = judge(weight(severity));
        assert_eq!(verdict(&findings, RuleId::AntivirusActive), expected);
        assert_eq!(findings.fit, fit);
    }
    // A word for another mode changes nothing here.
    let elsewhere = RuleSetting {
        vm: Some(Severity::Info),
        ..RuleSetting::default()
    };
    assert!(!judge(elsewhere).fit);
}

#[test]
fn what_the_workstation_cannot_run_without_is_not_talked_away() {
    let mut facts = good_pc();
    facts.qemu = broken(Obstacle::Missing);
    let lowered = RuleSetting {
        vm: Some(Severity::Info),
        ..RuleSetting::default()
    };
    let requirements = with(RuleId::VmQemu, lowered);
    let findings = evaluate(&requirements, &facts, Mode::Vm, &[waiver("vm.qemu", 30)]);
    assert_eq!(verdict(&findings, RuleId::VmQemu), Verdict::Fail);
    assert!(!findings.fit);
}

#[test]
fn unknown_counts_as_the_rule_says() {
    let mut facts = good_pc();
    facts.products = Fact::unknown("late");
    let strict = RuleSetting {
        on_unknown: Some(OnUnknown::Fail),
        ..require()
    };
    assert!(evaluate(&with(RuleId::AntivirusActive, require()), &facts, Mode::Vm, &[]).fit);
    let findings = evaluate(&with(RuleId::AntivirusActive, strict), &facts, Mode::Vm, &[]);
    assert!(!findings.fit);
    assert_eq!(
        verdict(&findings, RuleId::AntivirusActive),
        Verdict::Unknown,
        "never a fail, never a pass"
    );
    // The other way round: strict in general, mild for this rule.
    let mild = RuleSetting {
        on_unknown: Some(OnUnknown::Warn),
        ..require()
    };
    let mut requirements = with(RuleId::AntivirusActive, mild);
    requirements.on_unknown = OnUnknown::Fail;
    assert!(evaluate(&requirements, &facts, Mode::Vm, &[]).fit);
}

#[test]
fn a_newer_rule_blocks_only_where_unknown_does() {
    let mut requirements = Requirements::default();
    requirements
        .policy
        .rules
        .insert("gpu.trusted".to_owned(), require());
    let findings = evaluate(&requirements, &good_pc(), Mode::Vm, &[]);
    let finding = findings.get(RuleId::Newer).expect("named");
    assert_eq!(
        (finding.verdict, &*finding.needed),
        (Verdict::Unknown, "gpu.trusted")
    );
    assert!(findings.fit);
    requirements.on_unknown = OnUnknown::Fail;
    assert!(!evaluate(&requirements, &good_pc(), Mode::Vm, &[]).fit);
    let waived = evaluate(&requirements, &good_pc(), Mode::Vm, &[waiver("gpu.trusted", 30)]);
    assert!(waived.fit);
}

#[test]
fn a_waiver_lets_its_rule_pass_until_its_day_and_says_so() {
    let facts = without_scanner();
    let judge = |waivers: &[Waiver]| evaluate(&Requirements::default(), &facts, Mode::Container, waivers);
    assert!(!judge(&[]).fit);
    for (rule, day, fit) in [
        ("antivirus.active", 21, true),
        ("antivirus.active", 30, true),
        ("antivirus.active", 20, false),
        ("firewall.active", 30, false),
    ] {
        let findings = judge(&[waiver(rule, day)]);
        assert_eq!(findings.fit, fit, "{rule} {day}");
        if fit {
            let finding = findings.get(RuleId::AntivirusActive).expect("applies");
            assert_eq!(finding.verdict, Verdict::Warn);
            let advice = finding.what_to_do.as_deref().unwrap_or_default();
            assert!(advice.contains("the new one comes on Friday"), "{advice}");
        }
    }
    let mut nobody_knows_the_day = facts.clone();
    nobody_knows_the_day.gathered_at_s = 0;
    let waivers = [waiver("antivirus.active", 30)];
    let findings = evaluate(
        &Requirements::default(),
        &nobody_knows_the_day,
        Mode::Container,
        &waivers,
    );
    assert!(!findings.fit);
}

#[test]
fn ends_of_life_are_its_to_set() {
    let mut requirements = Requirements::default();
    requirements.policy.end_of_life = vec![EndOfLife {
        system: "debian".to_owned(),
        version: "12".to_owned(),
        until: date(2026, 11, 20),
    }];
    let findings = evaluate(&requirements, &good_pc(), Mode::Vm, &[]);
    assert_eq!(verdict(&findings, RuleId::SystemSupported), Verdict::Warn);
}

#[test]
fn where_no_stick_is_named_nothing_is_said_of_it() {
    let mut facts = good_pc();
    facts.stick = Fact::not_applicable("no stick was named");
    let findings = evaluate(&Requirements::default(), &facts, Mode::Vm, &[]);
    assert!(findings.get(RuleId::StickSpeed).is_none());
    assert_eq!(findings.worst(), Verdict::Pass);
}
