//! The paper's cases, the trade-offs one by one, and what holds for any answers.

use proptest::prelude::*;

use super::*;
use crate::finding::Severity;
use crate::plan::prices::Money;
use crate::plan::testing::{any_answers, choice, chosen};
use crate::plan::{Answer, QuestionSet, SpeedClass, Weight, shipped, testing};

const GIB: u64 = 1 << 30;

fn planned(changed: &[(&str, Answer)]) -> Plan {
    let set = QuestionSet::shipped().expect("reads");
    derive(
        &set.resolve(&testing::answers(changed)),
        &Prices::shipped().expect("reads"),
    )
}

fn of(plan: &Plan, mode: Mode) -> &ModePlan {
    plan.modes
        .iter()
        .find(|entry| entry.mode == mode)
        .expect("every mode is there")
}

fn rules(plan: &Plan, mode: Mode, weight: Weight) -> Vec<&'static str> {
    let reasons = of(plan, mode).reasons.iter();
    reasons
        .filter(|reason| reason.weight == weight)
        .map(|reason| reason.rule)
        .collect()
}

fn against(changed: &[(&str, Answer)], mode: Mode) -> Vec<&'static str> {
    rules(&planned(changed), mode, Weight::Against)
}

/// The figures of 2008: sticks of 4 and 8 GB at 20 and 30 dollars, laptops from 300, ACE 1,250 for ten, MojoPac 99 each.
#[test]
fn the_paper_of_2008_comes_out_as_it_did() {
    let (file, text) = shipped::PRICES_2008;
    let prices = Prices::read(file, text).expect("reads");
    let set = QuestionSet::shipped().expect("reads");
    let planned = |people, prices: &Prices| {
        let small = Answer::Size(GIB / 4);
        let answers = testing::answers(&[
            ("people", Answer::Number(people)),
            ("spare-percent", Answer::Number(0)),
            ("image-size", Answer::Size(3 * GIB)),
            ("container-image-size", Answer::Size(GIB)),
            ("home-size", small),
        ]);
        derive(&set.resolve(&answers), prices)
    };
    let ten = planned(10, &prices);
    let row = |plan: &Plan, mode| {
        plan.cost
            .rows
            .iter()
            .find(|row| row.mode == mode)
            .expect("offered")
            .clone()
    };
    assert_eq!(of(&ten, Mode::Vm).stick.size_gb, Some(8), "a whole workstation");
    assert_eq!(
        of(&ten, Mode::Container).stick.size_gb,
        Some(4),
        "the light-weight one"
    );
    // 10 × 30 + 1,250; 10 × 20 + 10 × 99; 10 × 300.
    assert_eq!(row(&ten, Mode::Vm).total, Some(Money::of(1550)));
    assert_eq!(row(&ten, Mode::Container).total, Some(Money::of(1190)));
    assert_eq!(ten.cost.laptops.total, Money::of(3000));
    assert_eq!(row(&ten, Mode::Vm).saved_percent, Some(48));

    // The paper's two hundred: with its pack of 200, 200 × 30 + 26,200; twenty packs of ten are cheaper.
    let two_hundred = planned(200, &prices);
    assert_eq!(row(&two_hundred, Mode::Vm).total, Some(Money::of(6000 + 25_000)));
    // 200 × 20 + 200 × 99.
    assert_eq!(row(&two_hundred, Mode::Container).total, Some(Money::of(23_800)));
    let mut as_quoted = prices.clone();
    as_quoted.software.retain(|pack| pack.seats != 10);
    let quoted = row(&planned(200, &as_quoted), Mode::Vm);
    assert_eq!(quoted.total, Some(Money::of(6000 + 26_200)));
    assert_eq!(quoted.saved_percent, Some(46), "of 60,000 for laptops");
    // Support of 18 % on what the software costs.
    as_quoted.support_percent = 18;
    let supported = row(&planned(200, &as_quoted), Mode::Vm).software.expect("bought");
    assert_eq!(supported.support, Money::of(4716));
}

#[test]
fn the_ordinary_company_can_do_it_and_knows_why() {
    let plan = planned(&[]);
    assert_eq!(plan.requirements.modes, [Mode::Vm, Mode::Container]);
    assert_eq!(plan.recommended, Some(Mode::Container));
    assert_eq!(
        plan.recommended_because,
        "without a VPN a container is enough; data has to be synchronised"
    );
    assert_eq!(plan.requirements.vm.guest_memory_bytes, 1792 << 20);
    assert_eq!(plan.requirements.container.min_memory_available_bytes, GIB);
    assert_eq!(plan.stick.size_gb, Some(32));
    assert_eq!(plan.licences.count, 0);
    let memory = plan
        .derived
        .iter()
        .find(|derived| derived.rule == "vm.memory")
        .expect("derived");
    assert_eq!(
        memory.because,
        "1 GiB for the applications and 768 MiB for the guest's own system"
    );
    let used: Vec<_> = memory
        .answers
        .iter()
        .map(|used| (used.question.as_str(), used.assumed))
        .collect();
    assert_eq!(used, [("application-memory", true), ("guest-os", true)]);
}

#[test]
fn malware_scanners_weigh_more_in_a_container() {
    use Severity::{Require, Warn};
    for (answer, vm, container) in [
        ("by-mode", Warn, Require),
        ("always", Require, Require),
        ("warn", Warn, Warn),
    ] {
        let plan = planned(&[("antivirus", choice(answer))]);
        let setting = plan.requirements.policy.rules["antivirus.active"];
        assert_eq!(
            (setting.vm, setting.container),
            (Some(vm), Some(container)),
            "{answer}"
        );
    }
}

#[test]
fn policy_names_are_rules_that_the_launcher_knows() {
    let plan = planned(&[]);
    let known: Vec<_> = crate::RuleId::ALL.iter().map(|rule| rule.as_str()).collect();
    for rule in plan.requirements.policy.rules.keys() {
        assert!(known.contains(&rule.as_str()), "{rule}");
    }
}

#[test]
fn a_vpn_with_a_driver_breaks_the_container_unless_a_way_out_is_open() {
    let vpn = |way: &str, install: &str| {
        planned(&[
            ("remote-access", Answer::YesNo(true)),
            ("remote-kind", choice("ipsec")),
            ("vpn-driver", choice("yes")),
            ("vpn-way", choice(way)),
            ("may-install", choice(install)),
        ])
    };
    for (way, install, weight, rule) in [
        ("none", "yes", Weight::Against, "container.vpn-driver"),
        ("no-driver", "no", Weight::Reservation, "container.vpn-second"),
        (
            "user-installs",
            "yes",
            Weight::Reservation,
            "container.vpn-installed",
        ),
        ("user-installs", "no", Weight::Against, "container.vpn-installed"),
        (
            "script",
            "for-a-time",
            Weight::Reservation,
            "container.vpn-script",
        ),
        ("script", "no", Weight::Against, "container.vpn-script"),
    ] {
        let plan = vpn(way, install);
        assert!(
            rules(&plan, Mode::Container, weight).contains(&rule),
            "{way} {install}: {plan:#?}"
        );
        assert!(
            rules(&plan, Mode::Vm, Weight::Against).is_empty(),
            "the virtual machine takes any VPN"
        );
        assert_eq!(plan.requirements.remote_only.kind, RemoteKind::Tunnel);
    }
    assert_eq!(vpn("none", "yes").recommended, Some(Mode::Vm));
}

#[test]
fn each_reason_against_a_mode_is_given() {
    let yes = || Answer::YesNo(true);
    for (changed, mode, rule) in [
        (
            vec![("guest-os", choice("windows"))],
            Mode::Container,
            "container.not-linux",
        ),
        (
            vec![("application-kind", choice("drivers"))],
            Mode::Container,
            "container.drivers",
        ),
        (
            vec![("host-systems", chosen(&["windows"]))],
            Mode::Container,
            "container.no-linux",
        ),
        (vec![], Mode::RemoteOnly, "remote.nothing-there"),
        (
            vec![("remote-access", yes()), ("remote-kind", choice("web"))],
            Mode::RemoteOnly,
            "remote.offline",
        ),
        (
            vec![("remote-access", yes()), ("remote-kind", choice("web"))],
            Mode::RemoteOnly,
            "remote.data",
        ),
        (
            vec![("image-size", Answer::Size(2 << 40))],
            Mode::Vm,
            "stick.too-large",
        ),
    ] {
        assert!(against(&changed, mode).contains(&rule), "{rule}");
        assert!(!planned(&changed).requirements.modes.contains(&mode), "{rule}");
    }
}

#[test]
fn where_nothing_is_possible_the_plan_says_so() {
    let plan = planned(&[("image-size", Answer::Size(2 << 40))]);
    assert_eq!((plan.verdict, plan.recommended), (Feasibility::NotFeasible, None));
    assert!(plan.requirements.modes.is_empty() && plan.cost.rows.is_empty());
}

#[test]
fn a_sold_system_needs_a_licence_for_everybody() {
    for (licence, count) in [("covered", 0), ("per-stick", 200), ("unknown", 200)] {
        let plan = planned(&[
            ("guest-os", choice("windows")),
            ("guest-licence", choice(licence)),
        ]);
        assert_eq!(plan.licences.count, count, "{licence}");
        assert_eq!(plan.requirements.modes, [Mode::Vm]);
        assert_eq!(plan.stick.class, SpeedClass::Fast);
        // Less can never run the only mode.
        assert_eq!(plan.requirements.min_memory_total_bytes, 4096 * MIB + 512 * MIB);
    }
}

#[test]
fn thin_clients_have_smaller_cheaper_sticks() {
    let image = || ("image-size", Answer::Size(6 * GIB));
    let thin = planned(&[
        image(),
        ("remote-access", Answer::YesNo(true)),
        ("remote-kind", choice("thin-client")),
        ("data-access", chosen(&["remote-desktop"])),
        ("offline", Answer::YesNo(false)),
        ("application-kind", choice("browser")),
    ]);
    assert_eq!(thin.recommended, Some(Mode::Container));
    assert!(thin.requirements.modes.contains(&Mode::RemoteOnly));
    let (thin, thick) = (
        of(&thin, Mode::Container).stick.clone(),
        planned(&[image()]).stick,
    );
    assert!(
        thin.size_gb < thick.size_gb && thin.class < thick.class,
        "{thin:?}"
    );
}

#[test]
fn nothing_answered_is_a_plan_of_assumptions() {
    let plan = derive(&Answers::default(), &Prices::shipped().expect("reads"));
    assert_eq!(plan.requirements.validate(), Ok(()));
    assert!(
        plan.derived
            .iter()
            .all(|derived| derived.answers.iter().all(|used| used.assumed))
    );
}

#[test]
fn remembering_is_an_option_of_the_build() {
    assert_eq!(planned(&[]).build_options, Vec::<String>::new());
    assert_eq!(
        planned(&[("old-copy", choice("ask"))]).build_options,
        ["--remember-on-host ask"]
    );
}

proptest! {
    #[test]
    fn any_answers_give_a_valid_plan(answers in any_answers(&QuestionSet::shipped().expect("reads"))) {
        let set = QuestionSet::shipped().expect("reads");
        let (prices, resolved) = (Prices::shipped().expect("reads"), set.resolve(&answers));
        // Resolved as the program does it, and raw: a company's own questions may have left any of them out.
        for answers in [&resolved, &answers] {
            let plan = derive(answers, &prices);
            prop_assert_eq!(plan.requirements.validate(), Ok(()));
            prop_assert_eq!(plan.recommended.is_none(), plan.requirements.modes.is_empty());
            prop_assert!(plan.recommended.is_none_or(|mode| plan.requirements.modes.contains(&mode)));
            for mode in &plan.modes {
                let refused = mode.reasons.iter().any(|reason| reason.weight == Weight::Against);
                prop_assert_eq!(refused, mode.feasibility == Feasibility::NotFeasible);
                prop_assert_eq!(refused, !plan.requirements.modes.contains(&mode.mode));
            }
            let text = serde_json::to_string(&plan.requirements).expect("writes");
            prop_assert_eq!(serde_json::from_str::<Requirements>(&text).expect("reads"), plan.requirements.clone());
            prop_assert!(!crate::plan::page::page(&plan, &set, answers).is_empty());
        }
    }

    #[test]
    fn more_people_never_cost_less(
        answers in any_answers(&QuestionSet::shipped().expect("reads")),
        people in 1_u64..2000,
        more in 1_u64..500,
    ) {
        let (file, text) = shipped::PRICES_2008;
        let mut prices = Prices::shipped().expect("reads");
        prices.software = Prices::read(file, text).expect("reads").software;
        let total = |people| {
            let mut answers = answers.clone();
            answers.give("people", Answer::Number(people));
            derive(&answers, &prices).cost
        };
        let (few, many) = (total(people), total(people + more));
        prop_assert!(few.laptops.total <= many.laptops.total);
        for (few, many) in few.rows.iter().zip(&many.rows) {
            prop_assert_eq!(few.mode, many.mode);
            prop_assert!(few.total <= many.total, "{:?} {:?}", few, many);
        }
    }

    #[test]
    fn a_larger_image_never_takes_a_smaller_stick(
        answers in any_answers(&QuestionSet::shipped().expect("reads")),
        mib in 16_u64..1 << 18,
        more_mib in 0_u64..1 << 16,
    ) {
        let prices = Prices::shipped().expect("reads");
        let sticks = |mib: u64| {
            let mut answers = answers.clone();
            answers.give("image-size", Answer::Size(mib << 20));
            derive(&answers, &prices).modes
        };
        for (small, large) in sticks(mib).iter().zip(&sticks(mib + more_mib)) {
            prop_assert!(small.stick.needed_bytes <= large.stick.needed_bytes);
            prop_assert!(small.stick.class <= large.stick.class);
            prop_assert!(large.stick.size_gb.is_none_or(|gb| small.stick.size_gb.is_some_and(|small| small <= gb)));
        }
    }
}
