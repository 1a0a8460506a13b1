//! All probes, side by side.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gobag_checklists::HostFacts;
use gobag_engine::machine::CpuModel;
use serde_json::Value;

use crate::capture::{About, Host, Live, Recorded, Recorder, Recording, RecordingError, Scrub, System};
use crate::limits::{PROBE_DEADLINE, TOTAL_DEADLINE};
use crate::pending::Pending;
use crate::probe::Scene;
use crate::side_by_side::Started;
use crate::{accel, block_mount, fuse, namespaces, programs, space, system};

/// What the probes need to know. The environment is an argument: only a program's `main` reads it.
#[derive(Clone, Debug)]
pub struct GatherOptions {
    /// The value of `PATH`; the system's own folders are searched in any case.
    pub search_path: Option<OsString>,
    /// The hypervisor to use, if the stick brings one; else the host's is searched.
    pub qemu: Option<PathBuf>,
    /// Where temporary files would go.
    pub temp_folder: PathBuf,
    /// The processor the guest will get.
    pub guest_cpu: CpuModel,
    /// Run guest instructions to prove the accelerators? Takes a second on most computers.
    pub prove_accelerators: bool,
    /// How long the proof of one accelerator may take.
    pub proof_deadline: Duration,
    /// The computer's clock, in seconds since 1970 UTC; 0 if nobody read it, and then no age is known.
    pub now_s: u64,
    /// When this program was made: a clock before that is wrong; 0 if nobody knows.
    pub released_s: u64,
    /// The user's home folder, for the settings of the desktop.
    pub home: Option<PathBuf>,
    /// What the desktop calls itself (`XDG_CURRENT_DESKTOP`); `None` without one.
    pub desktop: Option<String>,
    /// The folder of the stick, to look at the port and the medium.
    pub stick: Option<PathBuf>,
}

impl GatherOptions {
    /// The usual ones: everything is tried, with the host's own hypervisor and the baseline processor.
    #[must_use]
    pub fn new(search_path: Option<OsString>, temp_folder: PathBuf) -> Self {
        Self {
            search_path,
            qemu: None,
            temp_folder,
            guest_cpu: CpuModel::Baseline,
            prove_accelerators: true,
            proof_deadline: gobag_engine::limits::PROOF_DEADLINE,
            now_s: 0,
            released_s: 0,
            home: None,
            desktop: None,
            stick: None,
        }
    }

    fn about(&self) -> About {
        About {
            system: System::OWN,
            comment: None,
            now_s: self.now_s,
            released_s: self.released_s,
            administrator: system::is_administrator(),
            desktop: self.desktop.clone(),
            stick: self
                .stick
                .as_ref()
                .map(|folder| folder.to_string_lossy().into_owned()),
        }
    }

    fn live(&self) -> Live {
        Live {
            home: self.home.clone(),
        }
    }
}

/// Finds out everything about this computer that the rules ask for. Cannot fail: what could not be found out is in the
/// facts as unknown. Takes a second usually, and never longer than the longest deadline.
#[must_use]
pub fn gather(options: &GatherOptions) -> HostFacts {
    look(options, Arc::new(options.live()))
}

/// As [`gather`], and keeps what it looked at, without the persons in it, for [`replay`].
#[must_use]
pub fn record(options: &GatherOptions) -> (HostFacts, Recording) {
    let live = options.live();
    let mut scrub = Scrub::new(names(&live));
    let recorder = Arc::new(Recorder::new(live));
    let facts = look(options, recorder.clone());
    (facts, recorder.finish(&options.about(), &mut scrub))
}

/// Takes what tells who sits at this computer out of a document about it: names of users, of the computer and of media, addresses, serial numbers.
/// Stand-ins are in their places.
pub fn hide_persons(options: &GatherOptions, document: &mut Value) {
    let live = options.live();
    let mut scrub = Scrub::new(names(&live));
    if let Ok(mounts) = live.file("/proc/self/mountinfo").text() {
        scrub.learn_media(&mounts);
    }
    hide(&mut scrub, document);
}

fn hide(scrub: &mut Scrub, value: &mut Value) {
    match value {
        Value::String(text) => *text = scrub.text(text),
        Value::Array(values) => values.iter_mut().for_each(|value| hide(scrub, value)),
        Value::Object(fields) => fields.values_mut().for_each(|value| hide(scrub, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The facts that follow from a recording, here or elsewhere. What needs a computer to try (accelerators, FUSE, namespaces)
/// is unknown.
pub fn replay(recording: &str) -> Result<HostFacts, RecordingError> {
    let recorded = Recorded::read(recording)?;
    let about = recorded.about.clone();
    let mut facts = HostFacts {
        gathered_at_s: about.now_s,
        ..HostFacts::default()
    };
    let host = Arc::new(recorded);
    Started::start(&Scene { host, about }, PROBE_DEADLINE).finish(&mut facts);
    Ok(facts)
}

fn look(options: &GatherOptions, host: Arc<dyn Host>) -> HostFacts {
    let limit = PROBE_DEADLINE.min(TOTAL_DEADLINE);
    let tools = programs::Programs::new(options.search_path.clone(), options.qemu.clone());
    // The proofs' own deadline ends them; a little is added for starting and stopping QEMU.
    let proof_limit = options.proof_deadline + PROBE_DEADLINE;
    let proof = |name, accelerator| {
        let (tools, options) = (tools.clone(), options.clone());
        Pending::start(name, proof_limit, move || {
            accel::prove(&tools, accelerator, &options)
        })
    };
    let acceleration = proof("acceleration", accel::Which::Acceleration);
    let emulation = proof("emulation", accel::Which::Emulation);

    let about = options.about();
    let captured = Started::start(&Scene { host, about }, limit);
    let folder = options.temp_folder.clone();
    let temp_space = Pending::start("space", limit, move || space::probe(&folder));
    let with_tools = tools.clone();
    let qemu = Pending::start("qemu", limit, move || with_tools.qemu());
    let with_tools = tools.clone();
    let bubblewrap = Pending::start("bubblewrap", limit, move || with_tools.bubblewrap());
    let with_tools = tools.clone();
    let fuse = Pending::start("fuse", limit, move || fuse::probe(&with_tools));
    let with_tools = tools.clone();
    let block_mount = Pending::start("block mount", limit, move || block_mount::probe(&with_tools));
    let path = options.search_path.clone();
    let user_namespaces = Pending::start("namespaces", limit, move || namespaces::probe(path.as_deref()));

    let mut facts = HostFacts {
        architecture: system::architecture(),
        administrator: system::administrator(),
        cores: system::cores(),
        gathered_at_s: options.now_s,
        ..HostFacts::default()
    };
    captured.finish(&mut facts);
    HostFacts {
        temp_space: temp_space.take(),
        qemu: qemu.take(),
        fuse: fuse.take(),
        user_namespaces: user_namespaces.take(),
        bubblewrap: bubblewrap.take(),
        block_mount: block_mount.take(),
        emulation: emulation.take(),
        acceleration: acceleration.take(),
        ..facts
    }
}

/// Names of users and of the computer, which a recording must not hold: one a line, with its kind before it.
fn names(live: &Live) -> Vec<(String, &'static str)> {
    let listed = live.query("names").text().unwrap_or_default();
    let listed = listed.lines().filter_map(|line| match line.split_once(' ')? {
        ("user", name) => Some((name.to_owned(), Scrub::USER)),
        ("computer", name) => Some((name.to_owned(), Scrub::COMPUTER)),
        _ => None,
    });
    let home = live.home.as_ref().and_then(|home| home.file_name());
    let home = home.map(|name| (name.to_string_lossy().into_owned(), Scrub::USER));
    listed.chain(home).collect()
}

#[cfg(test)]
mod tests;
