//! A file system that fails at a moment of a test's choice, or in which somebody is at work at that moment.

use std::{
    ffi::OsStr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use fuser::Errno;

use crate::memory_fs::{Lists, Nodes, Rules, mount};

/// It, mounted.
pub(crate) struct Disk {
    plan: Arc<Mutex<Plan>>,
    is_patchy: Arc<AtomicBool>,
    _session: fuser::BackgroundSession,
}

/// What somebody does in it, behind the back of whoever has it mounted.
pub(crate) type Deed = Box<dyn FnOnce(&mut Nodes) + Send>;

#[derive(Default)]
struct Plan {
    /// Requests until it happens; none: it does not.
    after: Option<u64>,
    then: Then,
    /// Requests since the plan was made.
    count: u64,
}

/// What happens.
#[derive(Default)]
enum Then {
    #[default]
    Nothing,
    /// One change fails.
    Fail(i32),
    /// From there on nothing is changed any more, as if the power went.
    Stop,
    /// Somebody does something.
    Deed(Deed),
}

impl Disk {
    /// None where FUSE is missing, which `GOBAG_REQUIRE=fuse` makes a failure.
    pub(crate) fn mount(folder: &Path) -> Option<Self> {
        let (plan, is_patchy) = (Arc::default(), Arc::default());
        let rules = Planned(Arc::clone(&plan), Arc::clone(&is_patchy));
        let _session = mount(rules, folder)?;
        Some(Self {
            plan,
            is_patchy,
            _session,
        })
    }

    /// From now on the list of a folder named `patchy` leaves out what comes first in it.
    pub(crate) fn is_patchy(&self, is_patchy: bool) {
        self.is_patchy.store(is_patchy, Ordering::Relaxed);
    }

    /// After so many changes one fails with this error.
    pub(crate) fn fail(&self, after: u64, errno: i32) {
        self.plan(after, Then::Fail(errno));
    }

    /// After so many changes there are no more.
    pub(crate) fn stop(&self, after: u64) {
        self.plan(after, Then::Stop);
    }

    /// After so many requests of any kind somebody does something.
    pub(crate) fn meanwhile(&self, after: u64, deed: Deed) {
        self.plan(after, Then::Deed(deed));
    }

    fn plan(&self, after: u64, then: Then) {
        let after = Some(after);
        *self.plan.lock().unwrap() = Plan {
            after,
            then,
            count: 0,
        };
    }

    /// Whatever was planned does not happen any more. Says whether it did.
    pub(crate) fn rest(&self) -> bool {
        let plan = std::mem::take(&mut *self.plan.lock().unwrap());
        plan.after.is_some_and(|after| plan.count > after)
    }
}

struct Planned(Arc<Mutex<Plan>>, Arc<AtomicBool>);

impl Rules for Planned {
    fn name(&self, name: &OsStr) -> Result<(String, String), Errno> {
        let name = name.to_str().ok_or(Errno::EILSEQ)?;
        Ok((name.to_owned(), name.to_owned()))
    }

    fn is_rich(&self) -> bool {
        true
    }

    fn lists(&self, name: &str) -> Lists {
        match name == "patchy" && self.1.load(Ordering::Relaxed) {
            true => Lists::Patchy,
            false => Lists::All,
        }
    }

    fn before(&self, nodes: &mut Nodes, name: &OsStr, changes: bool) -> Result<(), Errno> {
        let mut plan = self.0.lock().unwrap();
        let Some(after) = plan.after else { return Ok(()) };
        // The system writes it when it likes, and nobody reads it after a fall.
        let is_shared = name.as_encoded_bytes().ends_with(b"-shm");
        if is_shared || !(changes || matches!(plan.then, Then::Deed(_) | Then::Nothing)) {
            return Ok(());
        }
        plan.count += 1;
        match &plan.then {
            Then::Fail(errno) if plan.count == after + 1 => Err(Errno::from_i32(*errno)),
            Then::Stop if plan.count > after => Err(Errno::EIO),
            Then::Deed(_) if plan.count == after + 1 => {
                if let Then::Deed(deed) = std::mem::take(&mut plan.then) {
                    deed(nodes);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
