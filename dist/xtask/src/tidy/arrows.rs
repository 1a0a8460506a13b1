//! Which crate may use which: the borders of `ARCHITECTURE.md`, checked from `cargo metadata`.
//!
//! A crate uses only lower levels, and of these only the ones listed. A new arrow is an edit of this list, and so a
//! matter of review. Development dependencies count like any other.

use serde_json::Value;

use super::Findings;

/// A crate of the workspace, its level, and the crates of the workspace it may use.
type Border = (&'static str, u8, &'static [&'static str]);

const BORDERS: &[Border] = &[
    // leaves
    ("gobag-checklists", 0, &[]),
    ("gobag-engine", 0, &[]),
    ("gobag-reconcile", 0, &[]),
    ("gobag-term", 0, &[]),
    // bytes
    ("gobag-format", 1, &["gobag-checklists"]),
    ("gobag-host", 1, &["gobag-checklists", "gobag-engine"]),
    // users' folders
    ("gobag-files", 1, &["gobag-reconcile"]),
    // contracts
    ("gobag-bundle", 2, &["gobag-checklists", "gobag-format"]),
    // ids, signatures
    ("gobag-protocol", 2, &["gobag-format"]),
    // services
    // of format only the progress monitor
    ("gobag-import", 3, &["gobag-engine", "gobag-format"]),
    ("gobag-mount", 3, &["gobag-bundle"]),
    ("gobag-workspace", 3, &["gobag-format", "gobag-reconcile"]),
    // programs
    // as a library only for tests of those who speak to it
    (
        "gobag-server",
        3,
        &["gobag-format", "gobag-protocol", "gobag-term"],
    ),
    // the network
    (
        "gobag-client",
        4,
        &[
            "gobag-format",
            "gobag-protocol",
            // a real one in its tests
            "gobag-server",
        ],
    ),
    // workspaces that are not at the company's server
    (
        "gobag-stores",
        4,
        &["gobag-format", "gobag-protocol", "gobag-workspace"],
    ),
    (
        "gobag-replica",
        5,
        &["gobag-bundle", "gobag-client", "gobag-format", "gobag-protocol"],
    ),
    // membership of workspaces
    (
        "gobag-member",
        5,
        &[
            "gobag-client",
            "gobag-format",
            "gobag-protocol",
            "gobag-workspace",
        ],
    ),
    (
        "gobag-pair",
        6,
        &[
            "gobag-files",
            "gobag-format",
            "gobag-reconcile",
            "gobag-workspace",
            // a real server in its tests, and who is a member there
            "gobag-client",
            "gobag-member",
            "gobag-protocol",
            "gobag-server",
            // and places elsewhere
            "gobag-stores",
        ],
    ),
    // what several programs offer
    (
        "gobag-commands",
        7,
        &[
            "gobag-client",
            "gobag-files",
            "gobag-format",
            "gobag-member",
            "gobag-pair",
            "gobag-reconcile",
            "gobag-stores",
            "gobag-term",
            "gobag-workspace",
        ],
    ),
    (
        "gobag-sync",
        8,
        &[
            "gobag-checklists",
            "gobag-client",
            "gobag-commands",
            "gobag-format",
            "gobag-member",
            "gobag-protocol",
            "gobag-stores",
            "gobag-term",
            // a real one in its tests
            "gobag-server",
        ],
    ),
    (
        "gobag",
        8,
        &[
            "gobag-bundle",
            "gobag-checklists",
            "gobag-client",
            "gobag-commands",
            "gobag-engine",
            "gobag-format",
            "gobag-host",
            // file sync with the stick's identity
            "gobag-member",
            "gobag-mount",
            "gobag-protocol",
            "gobag-replica",
            // a real one in its tests
            "gobag-server",
            // a stick that its tests pull out
            "gobag-stick-model",
            "gobag-term",
        ],
    ),
    (
        "gobag-image",
        8,
        &[
            "gobag-bundle",
            "gobag-checklists",
            // recovery
            "gobag-client",
            "gobag-engine",
            "gobag-format",
            "gobag-import",
            "gobag-mount",
            "gobag-protocol",
            "gobag-replica",
            // a real one in its tests
            "gobag-server",
            "gobag-term",
        ],
    ),
    // never shipped, used by tests alone; the stick model judges us beside others, so it uses nothing of ours
    ("gobag-stick-model", 0, &[]),
    ("xtask", 9, &[]),
    (
        "gobag-fuzz",
        9,
        &[
            "gobag-bundle",
            "gobag-checklists",
            "gobag-format",
            // the parsers of what a computer says of itself
            "gobag-host",
            "gobag-import",
            "gobag-mount",
        ],
    ),
    (
        "gobag-tests",
        10,
        &[
            "gobag",
            "gobag-bundle",
            "gobag-checklists",
            "gobag-client",
            "gobag-engine",
            "gobag-format",
            "gobag-host",
            "gobag-image",
            "gobag-import",
            "gobag-mount",
            "gobag-protocol",
            "gobag-replica",
            "gobag-server",
            "gobag-term",
            "xtask",
        ],
    ),
];

/// Compares the arrows in `metadata` with the list.
pub(super) fn check(metadata: &Value, findings: &mut Findings) {
    check_against(BORDERS, metadata, findings);
}

fn check_against(borders: &[Border], metadata: &Value, findings: &mut Findings) {
    let packages = list(metadata, "packages");
    let names: Vec<&str> = packages
        .iter()
        .filter_map(|package| text(package, "name"))
        .collect();
    for package in packages {
        let Some(name) = text(package, "name") else {
            continue;
        };
        let Some((_, level, allowed)) = borders.iter().find(|(known, ..)| *known == name) else {
            findings.fail(format!(
                "crate {name} has no entry in dist/xtask/src/tidy/arrows.rs"
            ));
            continue;
        };
        let used = list(package, "dependencies")
            .iter()
            .filter_map(|entry| text(entry, "name"));
        for used in used.filter(|used| names.contains(used)) {
            if !allowed.contains(&used) {
                findings.fail(format!("crate {name} uses {used}: not an allowed arrow"));
            }
            let lower = borders
                .iter()
                .any(|(known, other, _)| *known == used && other < level);
            if !lower {
                findings.fail(format!("crate {name} uses {used}, which is not on a lower level"));
            }
        }
    }
    for (known, ..) in borders.iter().filter(|(known, ..)| !names.contains(known)) {
        findings.fail(format!(
            "dist/xtask/src/tidy/arrows.rs lists {known}, which is no crate"
        ));
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SMALL: &[Border] = &[
        ("leaf", 0, &[]),
        ("middle", 1, &["leaf"]),
        ("top", 2, &["middle"]),
    ];

    fn failures(edges: &[(&str, &[&str])]) -> Vec<String> {
        let packages: Vec<Value> = edges
            .iter()
            .map(|(name, uses)| {
                let uses: Vec<Value> = uses.iter().map(|used| json!({ "name": used })).collect();
                json!({ "name": name, "dependencies": uses })
            })
            .collect();
        let mut findings = Findings::default();
        check_against(SMALL, &json!({ "packages": packages }), &mut findings);
        findings.failures
    }

    #[test]
    fn listed_arrows_and_outside_crates_pass() {
        let found = failures(&[
            ("leaf", &["serde"]),
            ("middle", &["leaf"]),
            ("top", &["middle", "clap"]),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn an_unlisted_arrow_an_upward_arrow_and_an_unknown_crate_fail() {
        let found = failures(&[
            ("leaf", &["top"]),
            ("middle", &[]),
            ("top", &["leaf"]),
            ("new", &[]),
        ]);
        assert_eq!(
            found,
            [
                "crate leaf uses top: not an allowed arrow",
                "crate leaf uses top, which is not on a lower level",
                "crate top uses leaf: not an allowed arrow",
                "crate new has no entry in dist/xtask/src/tidy/arrows.rs",
            ]
        );
    }

    #[test]
    fn the_list_itself_points_downwards() {
        let level = |name: &str| {
            BORDERS
                .iter()
                .find(|(known, ..)| *known == name)
                .map(|(_, level, _)| *level)
        };
        for (name, own, allowed) in BORDERS {
            for used in *allowed {
                assert!(level(used).is_some_and(|other| other < *own), "{name} -> {used}");
            }
        }
    }
}
