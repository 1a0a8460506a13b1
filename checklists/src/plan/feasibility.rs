//! Whether each mode can work for these people, with every reason against it: not only the first.
//!
//! The trade-offs are those of running workstations from USB drives: a light-weight container is small and needs no licence for a guest's
//! system, but stands on the computer's own; a virtual machine takes anything, and asks more of the computer and of the stick.

use serde::Serialize;

use super::answer::Answers;
use super::facts::{Driver, Facts, GuestLicence, Remote, WayOut};
use super::stick::StickPlan;
use super::trail::{Used, used};
use crate::requirements::Mode;

const GIB: u64 = 1 << 30;
/// Much more memory than this, many computers at home do not have free.
const MUCH_MEMORY_BYTES: u64 = 6 * GIB;

/// Can it work?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feasibility {
    /// Nothing speaks against it.
    Feasible,
    /// It can, if the reservations are dealt with.
    WithReservations,
    /// It cannot.
    NotFeasible,
}

impl Feasibility {
    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Feasible => "feasible",
            Self::WithReservations => "feasible, with reservations",
            Self::NotFeasible => "not feasible",
        }
    }
}

/// How much a reason weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Good to know.
    Note,
    /// Has to be dealt with.
    Reservation,
    /// Makes it impossible.
    Against,
}

/// Something that speaks against a mode, or has to be known about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The rule's stable name; never renamed or reused.
    pub rule: &'static str,
    /// How much it weighs.
    pub weight: Weight,
    /// The reason, in a sentence.
    pub text: String,
    /// From which answers.
    pub answers: Vec<Used>,
}

/// What reasons amount to.
pub(super) fn verdict(reasons: &[Reason]) -> Feasibility {
    match reasons.iter().map(|reason| reason.weight).max() {
        Some(Weight::Against) => Feasibility::NotFeasible,
        Some(Weight::Reservation) => Feasibility::WithReservations,
        Some(Weight::Note) | None => Feasibility::Feasible,
    }
}

/// Reasons under construction.
struct Reasons<'a> {
    answers: &'a Answers,
    reasons: Vec<Reason>,
}

impl Reasons<'_> {
    fn add(&mut self, weight: Weight, rule: &'static str, text: impl Into<String>, ids: &[&str]) {
        self.reasons.push(Reason {
            rule,
            weight,
            text: text.into(),
            answers: used(self.answers, ids),
        });
    }

    fn against(&mut self, rule: &'static str, text: impl Into<String>, ids: &[&str]) {
        self.add(Weight::Against, rule, text, ids);
    }

    fn reservation(&mut self, rule: &'static str, text: impl Into<String>, ids: &[&str]) {
        self.add(Weight::Reservation, rule, text, ids);
    }

    fn note(&mut self, rule: &'static str, text: impl Into<String>, ids: &[&str]) {
        self.add(Weight::Note, rule, text, ids);
    }
}

/// All reasons about one mode.
pub(super) fn reasons(
    facts: &Facts,
    answers: &Answers,
    mode: Mode,
    stick: &StickPlan,
    guest_memory_bytes: u64,
) -> Vec<Reason> {
    let reasons = Vec::new();
    let mut reasons = Reasons { answers, reasons };
    match mode {
        Mode::Vm => vm(facts, guest_memory_bytes, &mut reasons),
        Mode::Container => container(facts, &mut reasons),
        Mode::RemoteOnly | Mode::Unknown => remote_only(facts, &mut reasons),
    }
    if stick.size_gb.is_none() {
        let ids = ["image-size", "home-size"];
        reasons.against("stick.too-large", "no stick that is sold is large enough", &ids);
    }
    if mode != Mode::RemoteOnly {
        synchronise(facts, &mut reasons);
    }
    reasons.reasons
}

fn vm(facts: &Facts, guest_memory_bytes: u64, reasons: &mut Reasons<'_>) {
    let licence_ids = ["guest-os", "guest-licence"];
    match facts.guest_licence {
        GuestLicence::Unknown => reasons.reservation(
            "vm.licence-unknown",
            "find out whether the system's licence may be used on private computers; until then one for each person is counted",
            &licence_ids,
        ),
        GuestLicence::PerStick => reasons.note(
            "vm.licence",
            "the guest's system needs a licence for every person",
            &licence_ids,
        ),
        GuestLicence::Free | GuestLicence::Covered => {}
    }
    if !facts.may_install {
        reasons.reservation(
            "vm.needs-qemu",
            "QEMU must be on the computer already: people do not install it",
            &["may-install"],
        );
    }
    home_systems(facts, reasons);
    if guest_memory_bytes > MUCH_MEMORY_BYTES {
        reasons.reservation(
            "vm.much-memory",
            "many computers at home do not have so much memory free; count them before you rely on it",
            &["application-memory", "guest-memory"],
        );
    }
}

/// What is known of the computers that people have.
fn home_systems(facts: &Facts, reasons: &mut Reasons<'_>) {
    let ids = ["host-systems"];
    if facts.others_at_home {
        reasons.reservation(
            "host.other-systems",
            "the launcher of this version starts on Linux; on Windows and macOS it does not yet",
            &ids,
        );
    }
    if facts.home_unknown {
        reasons.reservation(
            "host.unknown",
            "nobody knows which systems people have at home: ask them first",
            &ids,
        );
    }
}

fn container(facts: &Facts, reasons: &mut Reasons<'_>) {
    if !facts.guest_is_linux {
        reasons.against(
            "container.not-linux",
            "a container has no system of its own: the image must be Linux",
            &["guest-os"],
        );
    }
    if facts.brings_drivers {
        reasons.against(
            "container.drivers",
            "an application brings drivers or system services, which need a system of their own",
            &["application-kind"],
        );
    }
    match (facts.linux_at_home, facts.others_at_home || facts.home_unknown) {
        (true, false) => {}
        (true, true) => reasons.reservation(
            "container.only-linux",
            "it works only for those who have Linux at home",
            &["host-systems"],
        ),
        (false, _) if facts.home_unknown => home_systems(facts, reasons),
        (false, _) => reasons.against(
            "container.no-linux",
            "nobody has Linux at home, which it runs on",
            &["host-systems"],
        ),
    }
    vpn_in_container(facts, reasons);
    reasons.note(
        "container.host-scanner",
        "it relies on the computer's own protection against malware",
        &["antivirus"],
    );
    if facts.sensitive {
        reasons.reservation(
            "container.sensitive",
            "whatever runs on the computer can look into a container: for regulated data prefer the virtual machine",
            &["sensitive-data"],
        );
    }
}

fn vpn_in_container(facts: &Facts, reasons: &mut Reasons<'_>) {
    let ids = ["remote-kind", "vpn-driver", "vpn-way", "may-install"];
    let installed = |reasons: &mut Reasons<'_>, rule, text: &str| match facts.may_install {
        true => reasons.reservation(rule, text, &ids),
        false => reasons.against(
            rule,
            "the VPN's client would have to be installed on the computer, and people do not do that",
            &ids,
        ),
    };
    match (facts.driver, facts.way_out) {
        (Driver::No, _) => {}
        (_, WayOut::NoDriver) => reasons.reservation(
            "container.vpn-second",
            "the company has to offer a second way in that needs no driver, before the emergency",
            &ids,
        ),
        (_, WayOut::UserInstalls) => installed(
            reasons,
            "container.vpn-installed",
            "people have to install the VPN's client on their computer, as its administrator",
        ),
        (_, WayOut::Script) => installed(
            reasons,
            "container.vpn-script",
            "a script has to install the VPN's client on the computer and remove it, as its administrator",
        ),
        (Driver::Unknown, WayOut::None) => reasons.reservation(
            "container.vpn-unknown",
            "find out whether the VPN's client needs a kernel driver: if so, it does not work in a container",
            &ids,
        ),
        (Driver::Yes, WayOut::None) => reasons.against(
            "container.vpn-driver",
            "the VPN's client needs a kernel driver, which does not work in a container, and none of the three ways out is open",
            &ids,
        ),
    }
}

fn remote_only(facts: &Facts, reasons: &mut Reasons<'_>) {
    if facts.remote == Remote::None {
        let ids = ["remote-access"];
        reasons.against(
            "remote.nothing-there",
            "nothing inside the company's network can be reached from outside",
            &ids,
        );
    } else if !facts.fallback_remote {
        reasons.against(
            "remote.not-wanted",
            "work without the stick is not wanted",
            &["fallback-remote"],
        );
    }
    if facts.offline {
        reasons.against(
            "remote.offline",
            "people must be able to work without a network",
            &["offline"],
        );
    }
    if !facts.data_elsewhere {
        reasons.against("remote.data", "the data is only on the stick", &["data-access"]);
    }
    match facts.remote {
        Remote::SslClient | Remote::Ipsec if !facts.may_install => reasons.against(
            "remote.client",
            "the VPN's client would have to be installed on the computer, and people do not do that",
            &["remote-kind", "may-install"],
        ),
        Remote::SslClient | Remote::Ipsec => reasons.reservation(
            "remote.client",
            "people have to install the VPN's client, and the whole computer is then in the company's network",
            &["remote-kind", "may-install"],
        ),
        Remote::ThinClient => reasons.reservation(
            "remote.servers",
            "the servers and the line must carry everybody at the same time",
            &["remote-kind", "people"],
        ),
        Remote::None | Remote::Web | Remote::Clientless => {}
    }
    if facts.remote != Remote::None && facts.address.is_empty() {
        reasons.reservation(
            "remote.address",
            "nobody said where people go",
            &["remote-address"],
        );
    }
    if facts.sensitive {
        reasons.reservation(
            "remote.unprotected",
            "the work is done on the computer itself, and nothing of the stick protects it",
            &["sensitive-data"],
        );
    }
}

/// What is written away from the company has to come back.
fn synchronise(facts: &Facts, reasons: &mut Reasons<'_>) {
    let ids = ["data-access", "offline", "remote-access", "data-loss-minutes"];
    if facts.remote == Remote::None && facts.data_in_share {
        reasons.reservation(
            "data.unreachable",
            "the company's folders cannot be reached without access to its network: what is needed must be copied to the stick",
            &["data-access", "remote-access"],
        );
    }
    let stays_away = facts.data_on_stick && facts.remote == Remote::None;
    if !(facts.offline || stays_away) {
        return;
    }
    match facts.loss_minutes < 24 * 60 {
        true => reasons.reservation(
            "data.synchronise",
            format!(
                "what is written without a network is safe on the stick, but reaches the company only later: a loss of at most {} minutes \
                 cannot be promised for a stick that is lost meanwhile",
                facts.loss_minutes
            ),
            &ids,
        ),
        false => reasons.note(
            "data.synchronise",
            "what is written on the stick has to be brought back to the company: plan how, and who settles conflicts",
            &ids,
        ),
    }
}

/// What concerns all modes.
pub(super) fn of_all(facts: &Facts, answers: &Answers) -> Vec<Reason> {
    let reasons = Vec::new();
    let mut reasons = Reasons { answers, reasons };
    if !facts.plan_exists {
        reasons.reservation(
            "business.no-plan",
            "there is no plan yet that says who declares the emergency and who does what: sticks alone are none",
            &["plan-exists"],
        );
    }
    match facts.outage_hours {
        0..24 => reasons.note(
            "business.outage",
            "the sticks have to lie at people's homes before: within hours none can be handed out",
            &["outage-hours"],
        ),
        _ => reasons.note(
            "business.outage",
            "a stick that is kept at the office may be lost with it: keep them at people's homes, or spare ones elsewhere",
            &["outage-hours"],
        ),
    }
    if facts.hold_days > 30 {
        reasons.reservation(
            "business.long",
            "over months the image needs updates and sticks break: plan who sends new ones, and rehearse it",
            &["hold-days"],
        );
    }
    if !facts.surveyed {
        reasons.reservation(
            "host.no-survey",
            "who can work at home will be found out in the emergency: let everybody run `gobag check` before",
            &["survey"],
        );
    }
    if facts.lock_out {
        reasons.reservation(
            "risks.lock-out",
            "a stick can be made useless from afar only with the company's server, which this version does not have yet",
            &["lost-stick"],
        );
    }
    if facts.sensitive && answers.choice("antivirus") == Some("warn") {
        reasons.reservation(
            "risks.antivirus",
            "regulated data on computers without a malware scanner: let somebody sign for that",
            &["sensitive-data", "antivirus"],
        );
    }
    reasons.reasons
}
