//! One rule's fact and verdict out of what `gobag check --json` printed, in one line.

use serde_json::Value;

/// What was found, and how it was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) fact: String,
    pub(super) verdict: String,
}

impl Seen {
    pub(super) fn new(fact: &str, verdict: &str) -> Self {
        Self {
            fact: fact.to_owned(),
            verdict: verdict.to_owned(),
        }
    }
}

/// What a state is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Antivirus,
    Firewall,
    Disks,
}

impl Rule {
    fn name(self) -> &'static str {
        match self {
            Self::Antivirus => "antivirus.active",
            Self::Firewall => "firewall.active",
            Self::Disks => "disk.encrypted",
        }
    }

    pub(super) fn seen(self, answer: &Value) -> Seen {
        let facts = &answer["facts"];
        let fact = match self {
            Self::Antivirus => known(&facts["products"], antivirus),
            Self::Firewall => known(&facts["firewall"], firewall),
            Self::Disks => known(&facts["storage"], disks),
        };
        let findings = answer["decision"]["findings"][0]["findings"].as_array();
        let finding = findings.and_then(|all| all.iter().find(|each| each["rule"] == self.name()));
        let verdict = finding.and_then(|finding| finding["verdict"].as_str());
        Seen::new(&fact, verdict.unwrap_or("not judged"))
    }
}

fn known(fact: &Value, show: impl FnOnce(&Value) -> String) -> String {
    match fact["status"].as_str() {
        Some("known") => show(&fact["value"]),
        _ => format!("unknown: {}", fact["reason"].as_str().unwrap_or_default()),
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn antivirus(products: &Value) -> String {
    let names: Vec<&str> = products
        .as_array()
        .into_iter()
        .flatten()
        .map(|each| word(&each["name"]))
        .collect();
    let Some(product) = products.as_array().and_then(|all| all.first()) else {
        return "none".to_owned();
    };
    let signatures = &product["signatures"];
    let age = match signatures["days"].as_u64() {
        Some(days) => format!("{days} days old"),
        None => word(&signatures["state"]).to_owned(),
    };
    format!(
        "{}: runs {}, genuine {}, signatures {age}",
        names.join(", "),
        word(&product["running"]["is"]),
        word(&product["genuine"]["is"])
    )
}

fn firewall(firewall: &Value) -> String {
    format!(
        "{}: set up {}, in force {}",
        firewall["name"].as_str().unwrap_or("none"),
        word(&firewall["configured"]["is"]),
        word(&firewall["enforced"]["is"])
    )
}

fn disks(storage: &Value) -> String {
    let shown: Vec<String> = storage
        .as_array()
        .into_iter()
        .flatten()
        .map(|each| {
            let by = each["by"]
                .as_str()
                .map(|by| format!(" ({by})"))
                .unwrap_or_default();
            format!("{} {}{by}", word(&each["place"]), word(&each["encrypted"]["is"]))
        })
        .collect();
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts_and_verdicts_are_read_from_the_program_s_answer() {
        let answer = json!({
            "facts": {
                "products": {"status": "known", "value": [{"name": "ClamAV", "running": {"is": "yes"}, "genuine": {"is": "no"},
                    "signatures": {"state": "aged", "days": 40}}]},
                "firewall": {"status": "known", "value": {"name": null, "configured": {"is": "no"}, "enforced": {"is": "unknown"}}},
                "storage": {"status": "unknown", "reason": "because"},
            },
            "decision": {"findings": [{"findings": [{"rule": "antivirus.active", "verdict": "fail"}]}]},
        });
        assert_eq!(
            Rule::Antivirus.seen(&answer),
            Seen::new("ClamAV: runs yes, genuine no, signatures 40 days old", "fail")
        );
        assert_eq!(
            Rule::Firewall.seen(&answer),
            Seen::new("none: set up no, in force unknown", "not judged")
        );
        assert_eq!(Rule::Disks.seen(&answer).fact, "unknown: because");
    }
}
