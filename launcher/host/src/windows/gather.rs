//! Gathering on Windows: the probes for protection, and nothing that would have to be tried.

use std::sync::Arc;

use gobag_checklists::{HostFacts, Obstacle};

use super::{hypervisor, live};
use crate::capture::{About, Capture, Host, Recorder, Recording, Scrub, System};
use crate::limits::PROBE_DEADLINE;
use crate::probe::Scene;
use crate::side_by_side::Started;

/// This computer. Only queries are asked on Windows: no file is read and no program is started.
#[derive(Clone, Copy, Debug)]
struct Live;

impl Host for Live {
    fn file(&self, path: &str) -> Capture {
        nothing(path)
    }

    fn list(&self, path: &str) -> Capture {
        nothing(path)
    }

    fn link(&self, path: &str) -> Capture {
        nothing(path)
    }

    fn program(&self, path: &str, _args: &[&str]) -> Capture {
        nothing(path)
    }

    fn query(&self, name: &str) -> Capture {
        live::ask(name)
    }
}

fn nothing(path: &str) -> Capture {
    Capture::failed(Obstacle::Missing, format!("{path}: not asked on Windows"))
}

/// Finds out how well this computer is protected; `now_s` is its clock. Everything else in the facts stays "not looked at".
#[must_use]
pub fn gather(now_s: u64, released_s: u64) -> HostFacts {
    look(about(now_s, released_s), Arc::new(Live))
}

/// As [`gather`], and keeps what it looked at. The documents of Windows name no person: see `documents`.
#[must_use]
pub fn record(now_s: u64, released_s: u64) -> (HostFacts, Recording) {
    let recorder = Arc::new(Recorder::new(Live));
    let facts = look(about(now_s, released_s), recorder.clone());
    let recording = recorder.finish(&about(now_s, released_s), &mut Scrub::new(Vec::new()));
    (facts, recording)
}

fn about(now_s: u64, released_s: u64) -> About {
    About {
        system: System::OWN,
        comment: None,
        now_s,
        released_s,
        // The queries ask for no privilege, whoever starts the program.
        administrator: false,
        desktop: None,
        stick: None,
    }
}

fn look(about: About, host: Arc<dyn Host>) -> HostFacts {
    let mut facts = HostFacts {
        gathered_at_s: about.now_s,
        ..HostFacts::default()
    };
    let scene = Scene { host, about };
    let started = Started::start(&scene, PROBE_DEADLINE);
    facts.acceleration = hypervisor::acceleration(&scene);
    started.finish(&mut facts);
    facts
}
