//! Configured against enforced.

use super::*;
use crate::linux::testing::{Bare, bare};

const UNITS: &str = "query units nftables.service,netfilter-persistent.service,iptables.service,shorewall.service,firehol.service,ufw.service";
const FIREWALLD: &str = "query bus-owner org.fedoraproject.FirewallD1";

fn none() -> Bare {
    bare()
        .json(FIREWALLD, "{\"owned\":false}")
        .json(UNITS, "{\"loaded\":[],\"files\":[]}")
}

fn unit(name: &str, active: &str) -> String {
    format!(
        "{{\"loaded\":[{{\"name\":\"{name}\",\"load\":\"loaded\",\"active\":\"{active}\",\"sub\":\"exited\"}}]}}"
    )
}

fn firewall(bare: Bare) -> Firewall {
    probe(&bare.scene()).value().expect("known").clone()
}

fn is_unknown(tristate: &Tristate) -> bool {
    matches!(tristate, Tristate::Unknown { .. })
}

#[test]
fn p24_ufw_that_is_enabled_and_failed_is_configured_and_not_enforced() {
    let enabled = || none().text("file /etc/ufw/ufw.conf", "# x\nENABLED=yes\nLOGLEVEL=low\n");
    let failed = firewall(enabled().json(UNITS, &unit("ufw.service", "failed")));
    assert_eq!(failed.name.as_deref(), Some("ufw"));
    assert_eq!(
        (failed.configured, failed.enforced),
        (Tristate::Yes, Tristate::No)
    );
    // Of one that runs, an ordinary user cannot tell; "active (exited)" is how it runs. Inactive, its rules can have been loaded by hand.
    for state in ["active", "inactive"] {
        let ufw = firewall(enabled().json(UNITS, &unit("ufw.service", state)));
        assert_eq!(ufw.configured, Tristate::Yes, "{state}");
        assert!(is_unknown(&ufw.enforced), "{state}");
    }
}

#[test]
fn each_kind_is_found_by_its_own_mark() {
    let firewalld = firewall(none().json(FIREWALLD, "{\"owned\":true}"));
    assert_eq!(firewalld.name.as_deref(), Some("firewalld"));
    let nftables = firewall(none().json(UNITS, &unit("nftables.service", "active")));
    assert_eq!(nftables.name.as_deref(), Some("nftables"));
    assert_eq!(nftables.configured, Tristate::Yes);
    let off = firewall(none().text("file /etc/ufw/ufw.conf", "ENABLED=no\n"));
    assert_eq!((off.name, off.configured), (None, Tristate::No));
}

#[test]
fn p25_without_the_bus_nothing_is_said() {
    let silent = bare().text("file /etc/ufw/ufw.conf", "ENABLED=no\n");
    assert!(matches!(probe(&silent.scene()), Fact::Unknown { .. }));
    let half = bare().json(FIREWALLD, "{\"owned\":false}");
    assert!(matches!(probe(&half.scene()), Fact::Unknown { .. }));
}

#[test]
fn the_administrator_sees_the_rules_in_force() {
    let root = |bare: Bare| bare.about(|about| about.administrator = true);
    let rules = "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n";
    let on = firewall(root(none().text("program /usr/sbin/nft list ruleset", rules)));
    assert_eq!((on.configured, on.enforced), (Tristate::No, Tristate::Yes));
    // Set up, and flushed since.
    let active = none().json(UNITS, &unit("nftables.service", "active"));
    let flushed = firewall(root(active.text("program /usr/sbin/nft list ruleset", "")));
    assert_eq!(
        (flushed.configured, flushed.enforced),
        (Tristate::Yes, Tristate::No)
    );
    let no_tool = firewall(root(none()));
    assert!(is_unknown(&no_tool.enforced), "{no_tool:?}");
}
