//! Stamps, timers, and what they do not tell.

use super::*;
use crate::linux::testing::{Bare, NOW_S, bare};

const TIMERS: &str = "query units apt-daily-upgrade.timer,dnf-automatic.timer,dnf5-automatic.timer,dnf-automatic-install.timer,rpm-ostreed-automatic.timer";
const STAMP: &str = "query stat /var/lib/apt/periodic/update-success-stamp";

fn stat(changed: u64) -> String {
    format!("{{\"owner\":0,\"mode\":420,\"size\":0,\"changed_s\":{changed}}}")
}

fn running(timer: &str) -> String {
    format!(
        "{{\"loaded\":[{{\"name\":\"{timer}\",\"load\":\"loaded\",\"active\":\"active\",\"sub\":\"waiting\"}}]}}"
    )
}

fn debian() -> Bare {
    bare()
        .json(STAMP, &stat(NOW_S - 2 * 86_400))
        .text(
            "list /etc/apt/apt.conf.d",
            "20auto-upgrades\n50unattended-upgrades\n80proxy\n",
        )
        .text(
            "file /etc/apt/apt.conf.d/20auto-upgrades",
            "APT::Periodic::Update-Package-Lists \"1\";\nAPT::Periodic::Unattended-Upgrade \"1\";\n",
        )
        .text("file /etc/apt/apt.conf.d/50unattended-upgrades", "// nothing\n")
        .json(TIMERS, &running(APT_TIMER))
        .text("file /proc/sys/kernel/osrelease", "6.1.0-18-amd64\n")
        .text("list /lib/modules", "6.1.0-18-amd64\n")
}

fn updates(bare: Bare) -> Updates {
    probe(&bare.scene()).value().expect("known").clone()
}

#[test]
fn a_debian_that_updates_itself() {
    let found = updates(debian());
    assert_eq!(found.age_days, Some(2));
    assert_eq!(found.automatic, Tristate::Yes);
    assert_eq!(found.restart_pending, Tristate::No);
    let marked = updates(debian().json("query stat /run/reboot-required", &stat(NOW_S)));
    assert_eq!(marked.restart_pending, Tristate::Yes);
    let stopped = updates(debian().json(TIMERS, "{}"));
    assert_eq!(stopped.automatic, Tristate::No);
    let off = debian().text(
        "file /etc/apt/apt.conf.d/50unattended-upgrades",
        "APT::Periodic::Unattended-Upgrade \"0\";\n",
    );
    assert_eq!(updates(off).automatic, Tristate::No);
}

#[test]
fn p28_a_stamp_from_the_future_is_no_age() {
    assert_eq!(
        updates(debian().json(STAMP, &stat(NOW_S + 86_400))).age_days,
        None
    );
    let no_clock = debian().about(|about| about.now_s = 0);
    assert_eq!(updates(no_clock).age_days, None);
}

#[test]
fn the_newest_stamp_counts() {
    let by_hand = debian().json("query stat /var/lib/apt/lists/partial", &stat(NOW_S - 60));
    assert_eq!(updates(by_hand).age_days, Some(0));
}

#[test]
fn fedora_installs_only_if_it_was_told_to() {
    let fedora = |apply: &str| {
        bare()
            .json("query stat /var/cache/dnf/last_makecache", &stat(NOW_S - 86_400))
            .text(
                "file /etc/dnf/automatic.conf",
                &format!("[commands]\napply_updates = {apply}\n"),
            )
            .json(TIMERS, &running("dnf-automatic.timer"))
    };
    assert_eq!(updates(fedora("yes")).automatic, Tristate::Yes);
    assert_eq!(updates(fedora("no")).automatic, Tristate::No);
    assert!(matches!(
        updates(fedora("yes")).restart_pending,
        Tristate::Unknown { .. }
    ));
}

#[test]
fn p25_nothing_known_is_unknown() {
    assert!(matches!(probe(&bare().scene()), Fact::Unknown { .. }));
    let no_bus = bare()
        .text("list /etc/apt/apt.conf.d", "")
        .json(STAMP, &stat(NOW_S));
    assert!(matches!(updates(no_bus).automatic, Tristate::Unknown { .. }));
}
