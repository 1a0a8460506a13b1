//! Reads the rules in force, for one question: does something keep strangers out?
//!
//! Yes where a chain on the way in drops by default, or where, on a way that every packet takes, a rule drops or rejects all
//! that is left. A rule for some packets only (`ct state invalid drop`) is no firewall, nor is one that leaves IPv4 open.

use std::collections::BTreeMap;

/// Deepest chain of jumps that is followed; the kernel allows sixteen.
const MAX_JUMPS: usize = 16;
/// Families of tables that see IPv4: what filters `ip6`, `arp` or a bridge alone leaves it open.
const FAMILIES: [&str; 2] = ["ip", "inet"];

#[derive(Default)]
struct Chain {
    /// Packets come in here.
    is_entrance: bool,
    drops_by_default: bool,
    rules: Vec<String>,
}

/// Reads the output of `nft list ruleset`.
pub(super) fn nft_keeps_out(text: &str) -> Result<bool, String> {
    let mut chains: BTreeMap<(String, String), Chain> = BTreeMap::new();
    let mut table = None;
    let mut chain: Option<(String, String)> = None;
    // Braces of what is neither a table nor a chain: sets, maps.
    let mut other = 0_usize;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(head) = line.strip_suffix('{').map(str::trim) {
            match (head.split_once(' '), &table) {
                (Some(("table", name)), None) => table = Some(name.to_owned()),
                (Some(("chain", name)), Some(table)) if chain.is_none() && other == 0 => {
                    chain = Some((table.clone(), name.to_owned()));
                }
                _ => other += 1,
            }
        } else if line == "}" {
            if other > 0 {
                other -= 1;
            } else if let Some(name) = chain.take() {
                chains.entry(name).or_default();
            } else if table.take().is_none() {
                return Err("the firewall's rules have a brace too many".to_owned());
            }
        } else if let Some(name) = &chain {
            add(chains.entry(name.clone()).or_default(), line);
        }
    }
    if table.is_some() || chain.is_some() || other > 0 {
        return Err("the firewall's rules are cut short".to_owned());
    }
    Ok(chains.iter().any(|((table, _), chain)| {
        let sees_ip4 = table
            .split_once(' ')
            .is_some_and(|(family, _)| FAMILIES.contains(&family));
        sees_ip4 && chain.is_entrance && (chain.drops_by_default || ends(&chains, table, chain, 0))
    }))
}

/// One line of a chain: what it is, or a rule.
fn add(chain: &mut Chain, line: &str) {
    if line.starts_with("type ") {
        chain.is_entrance = line.contains("type filter") && line.contains("hook input");
        chain.drops_by_default = line.contains("policy drop");
    } else {
        chain.rules.push(line.to_owned());
    }
}

/// Does the chain end all packets that come so far?
fn ends(chains: &BTreeMap<(String, String), Chain>, table: &str, chain: &Chain, jumps: usize) -> bool {
    chain.rules.iter().any(|rule| match verdict(rule)[..] {
        ["drop" | "reject", ..] => true,
        ["jump" | "goto", name, ..] if jumps < MAX_JUMPS => chains
            .get(&(table.to_owned(), name.to_owned()))
            .is_some_and(|chain| ends(chains, table, chain, jumps + 1)),
        _ => false,
    })
}

/// The words of a rule's verdict if it is for every packet, else words that are no verdict. Counting and logging are no
/// condition.
fn verdict(rule: &str) -> Vec<&str> {
    let mut words: Vec<&str> = rule.split_whitespace().collect();
    loop {
        match words[..] {
            ["counter", "packets", _, "bytes", _, ..] => drop(words.drain(..5)),
            ["counter", ..] => drop(words.drain(..1)),
            ["log", "prefix", quoted, ..] if quoted.len() > 1 && quoted.ends_with('"') => {
                drop(words.drain(..3))
            }
            ["log", ..] => drop(words.drain(..1)),
            _ => return words,
        }
    }
}

/// Reads the output of `iptables-save`.
pub(super) fn iptables_keeps_out(text: &str) -> bool {
    let mut in_filter = false;
    text.lines().any(|line| {
        if let Some(table) = line.strip_prefix('*') {
            in_filter = table.trim() == "filter";
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        in_filter
            && match words[..] {
                [":INPUT", policy, ..] => policy == "DROP",
                ["-A", "INPUT", "-j", target, ..] => ["DROP", "REJECT"].contains(&target),
                _ => false,
            }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn input(body: &str) -> String {
        format!(
            "table inet filter {{\n\tchain input {{\n\t\ttype filter hook input priority filter; {body}\n\t}}\n}}\n"
        )
    }

    #[test]
    fn rules_that_keep_strangers_out() {
        let jump = "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy accept;\n\
                    \t\tct state established,related accept\n\t\tcounter packets 5 bytes 9 jump last\n\t}\n\
                    \tchain last {\n\t\tlog prefix \"x\" reject with icmp type port-unreachable\n\t}\n}\n";
        let circle = "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority 0; policy accept;\n\t\tjump a\n\t}\n\
                      \tchain a {\n\t\tjump a\n\t}\n}\n";
        let with_set = "table inet f {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { 192.0.2.1,\n\t\t\t192.0.2.2 }\n\t}\n}\n";
        for (text, expected) in [
            (input("policy drop;"), true),
            (input("policy accept;"), false),
            (input("policy accept;\n\t\tct state invalid drop"), false),
            (
                input("policy accept;\n\t\ttcp dport 22 accept\n\t\tcounter packets 1 bytes 60 drop"),
                true,
            ),
            (
                input("policy accept;\n\t\treject with icmpx admin-prohibited"),
                true,
            ),
            (input("policy drop;").replace("hook input", "hook forward"), false),
            (input("policy drop;").replace("table inet", "table ip"), true),
            (input("policy drop;").replace("table inet", "table ip6"), false),
            (input("policy drop;").replace("table inet", "table arp"), false),
            (input("policy drop;").replace("table inet", "table bridge"), false),
            (
                input("policy drop;").replace("table inet", "table ip6") + &input("policy accept;"),
                false,
            ),
            (jump.to_owned(), true),
            (circle.to_owned(), false),
            (with_set.to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(nft_keeps_out(&text), Ok(expected), "{text}");
        }
        for cut in [
            "table inet filter {\n",
            "}\n",
            "table inet filter {\n\tchain input {\n\t}\n",
        ] {
            assert!(nft_keeps_out(cut).is_err(), "{cut}");
        }
    }

    #[test]
    fn rules_of_the_older_program() {
        for (text, expected) in [
            ("*filter\n:INPUT DROP [0:0]\nCOMMIT\n", true),
            (
                "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j REJECT --reject-with icmp-port-unreachable\n",
                true,
            ),
            (
                "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 192.0.2.1 -j DROP\n",
                false,
            ),
            ("*nat\n:INPUT DROP [0:0]\n", false),
            ("*filter\n:FORWARD DROP [0:0]\n:INPUT ACCEPT [0:0]\n", false),
            ("", false),
        ] {
            assert_eq!(iptables_keeps_out(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_them_panic(text in "([a-z{}; \"]{0,12}\n){0,12}") {
            let _ = nft_keeps_out(&text);
            let _ = iptables_keeps_out(&text);
        }
    }
}
