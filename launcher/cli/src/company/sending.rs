//! How fast changes go to the company, and whether: what the person said, what IT's policy says, and what is seen of this computer.

use std::path::{Path, PathBuf};

use gobag_client::UploadLimit;
use gobag_engine::guest::freeze::while_frozen;
use gobag_host::{NetworkCost, network_cost};
use gobag_replica::{
    allowance::{Metered, ReplicationPolicy, Surroundings, Why, Wish},
    runner::{Freezer, Phase, ReplicaStatus, Rules},
};
use gobag_term::{Ui, human};
use jiff::Zoned;

/// What the person says of sending.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct SendingArgs {
    /// Most that goes to your company in a second, like 500kB or 2MB; your IT may have said less. `none`: as fast as your IT lets it, also
    /// on networks that cost by the byte
    #[arg(long, value_name = "RATE", value_parser = wish)]
    upload_limit: Option<Wish>,
}

impl SendingArgs {
    /// In the words of who sends.
    pub(crate) fn wish(self) -> Wish {
        self.upload_limit.unwrap_or_default()
    }
}

/// Reads a speed, or `none`.
fn wish(text: &str) -> Result<Wish, String> {
    let wrong = || format!("`{text}` is no speed; say for instance 500kB, 2MB or none");
    if text == "none" {
        return Ok(Wish::Anything);
    }
    human::parse_speed(text).map(Wish::AtMost).ok_or_else(wrong)
}

/// What decides about a session's sending. IT's words that cannot be used change nothing; it is said.
pub(super) fn rules(policy: &serde_json::Value, wish: Wish, agent: Option<&Path>, ui: &Ui) -> Rules {
    let policy = ReplicationPolicy::of_policy(policy).unwrap_or_else(|error| {
        ui.warn(&format!(
            "{error}. Changes go to your company as usual; tell your IT."
        ));
        ReplicationPolicy::default()
    });
    let freezer = agent.map(|folder| Box::new(Agent(folder.to_owned())) as Box<dyn Freezer>);
    Rules {
        policy,
        wish,
        look: Box::new(look),
        limit: UploadLimit::default(),
        freezer,
    }
}

/// The agent in a virtual machine whose sockets are in this folder.
struct Agent(PathBuf);

impl Freezer for Agent {
    fn freeze(&self, take: &mut dyn FnMut()) -> Result<(), String> {
        while_frozen(&self.0, take).map_err(|error| format!("{}: {error}", error.code()))
    }
}

fn look() -> Surroundings {
    let now = Zoned::now();
    Surroundings {
        minute: now.hour() as u16 * 60 + now.minute() as u16,
        metered: match network_cost() {
            NetworkCost::Metered => Metered::Yes,
            NetworkCost::Free => Metered::No,
            NetworkCost::Unknown => Metered::Unknown,
        },
    }
}

/// What the person is told when sending stops by a rule; none if it goes on.
pub(super) fn paused(status: &ReplicaStatus) -> Option<String> {
    let left = human::bytes(status.unsent_bytes);
    let text = match status.paused? {
        Why::Metered if matches!(status.phase, Phase::Starting | Phase::FirstCopy) => format!(
            "This computer's network seems to cost by the byte, so the first copy for your company waits for another one ({left}). To send it all \
             the same, start with `--upload-limit none`."
        ),
        Why::Metered => format!(
            "This computer's network seems to cost by the byte, so {left} of changes wait on the stick for another one. To send them all the same, \
             start with `--upload-limit none`."
        ),
        Why::Schedule => "By your IT's rule nothing goes to your company at this time of day; later it goes on by itself. Leave the stick in as long as you can."
            .to_owned(),
        Why::Person => "As you asked, nothing goes to your company in this session.".to_owned(),
        Why::Policy | Why::Unknown => "By your IT's rule nothing goes to your company.".to_owned(),
    };
    Some(text)
}

/// The same in a few words, with how fast is sent where that has a limit.
pub(super) fn words(status: &ReplicaStatus) -> Option<String> {
    let rule = |why| match why {
        Why::Metered => "the network costs by the byte",
        Why::Schedule => "your IT's rule for this time of day",
        Why::Person => "as you asked",
        Why::Policy | Why::Unknown => "your IT's rule",
    };
    match (status.paused, status.limit) {
        (Some(why), _) => Some(format!("waits: {}", rule(why))),
        (None, Some(limit)) => Some(format!(
            "at most {}: {}",
            human::speed(limit.bytes_per_s as f64),
            rule(limit.by)
        )),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_read_as_people_write_them() {
        for (text, expected) in [
            ("none", Wish::Anything),
            ("0", Wish::AtMost(0)),
            ("500kB", Wish::AtMost(500_000)),
            ("2MB", Wish::AtMost(2_000_000)),
            ("2 mb", Wish::AtMost(2_000_000)),
            ("1.5MB/s", Wish::AtMost(1_500_000)),
            ("1MiB", Wish::AtMost(1 << 20)),
            ("65536", Wish::AtMost(65536)),
        ] {
            assert_eq!(wish(text), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "fast",
            "-1",
            "2TB",
            "2M B",
            "1e9",
            ".",
            "None",
            "2mbit",
            "9999999999GB",
        ] {
            assert!(wish(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_stops_sending_is_said_in_plain_words() {
        let stopped = |why, phase| ReplicaStatus {
            paused: Some(why),
            phase,
            unsent_bytes: 3 << 20,
            ..ReplicaStatus::default()
        };
        let said = paused(&stopped(Why::Metered, Phase::Starting)).unwrap();
        assert!(said.contains("first copy") && said.contains("3.0 MiB"), "{said}");
        let said = paused(&stopped(Why::Metered, Phase::InStep)).unwrap();
        assert!(said.contains("3.0 MiB of changes wait"), "{said}");
        assert_eq!(
            words(&stopped(Why::Schedule, Phase::InStep)).as_deref(),
            Some("waits: your IT's rule for this time of day")
        );
        assert_eq!(paused(&ReplicaStatus::default()), None);
        assert_eq!(words(&ReplicaStatus::default()), None);
    }
}
