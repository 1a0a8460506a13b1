//! A pass in a world, and what happens in the middle of it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use gobag_files::run_name;
use gobag_format::{
    Monitor,
    crypto::{Key, Random},
    ids::WorkspaceId,
};
use gobag_pair::{Notes, Options, Other, Pair, PairError, Report, RootId};
use gobag_reconcile::HoldLimits;
use gobag_workspace::{NoCache, PageCache, Store, Workspace};

use rustix::io::Errno;

use super::{server::Line, world::World};
use crate::disk::Disk;

/// What ends a pass where it is, as if the power went.
struct Crash;

/// Nothing goes wrong any more.
pub(crate) const CALM: u64 = 1 << 40;

/// A pass under way.
pub(crate) struct Moment {
    member: usize,
    /// Whether it is made in the middle of another member's.
    is_within: bool,
    /// The higher, the less goes wrong.
    pub(crate) calm: u64,
    /// From then on one thread does one thing after the other.
    is_copying: AtomicBool,
    is_cancelled: AtomicBool,
}

impl World {
    pub(crate) fn pass(self: &Arc<Self>, member: usize, calm: u64) -> Option<Report> {
        self.pass_of(Moment {
            member,
            is_within: false,
            calm,
            is_copying: AtomicBool::new(false),
            is_cancelled: AtomicBool::new(false),
        })
    }

    fn pass_of(self: &Arc<Self>, moment: Moment) -> Option<Report> {
        self.owe();
        self.wait();
        let moment = Arc::new(moment);
        let (member, is_calm) = (moment.member, moment.calm == CALM);
        let options = Options {
            label: format!("m{member}"),
            run: run_name(self.now()),
            confirmed: is_calm || self.draw(|dice| !dice.one_in(4)),
            dry_run: false,
            limits: HoldLimits {
                files: if is_calm { 50 } else { 0 },
                ..HoldLimits::default()
            },
            patterns: Vec::new(),
            slice: self.draw(|dice| 1 + dice.below(8)) as usize,
        };
        let notes = Notes {
            who: "Ada",
            clock: &|| self.now(),
            keep: None,
        };
        self.plan_failures(&moment);
        let passed = catch_unwind(AssertUnwindSafe(|| {
            let mut pair = self.pair(&moment)?;
            let (world, at) = (Arc::clone(self), Arc::clone(&moment));
            pair.set_pace(Box::new(move |_| world.meanwhile(&at)));
            let watch = Watch {
                world: Arc::clone(self),
                moment: Arc::clone(&moment),
            };
            pair.noted_pass(&options, &notes, &watch)
        }));
        let disk = self.disk.as_ref().filter(|_| member == 0);
        let failed = disk.is_some_and(Disk::rest);
        let passed = passed.map_err(|panic| {
            if !panic.is::<Crash>() {
                resume_unwind(panic);
            }
        });
        self.tell(|| match &passed {
            Err(()) => format!("pass of {member}: cut off, {failed}"),
            Ok(Err(error)) => format!("pass of {member}: {error:?}, {failed}"),
            Ok(Ok(report)) => format!("pass of {member}: {report:?}, {failed}"),
        });
        self.check();
        let report = passed.ok()?;
        if is_calm {
            return Some(report.unwrap());
        }
        report.ok()
    }

    /// Whether its user is: not at a disk that is just failing.
    fn is_at_work(&self, member: usize) -> bool {
        member == 1 || self.disk.is_none()
    }

    fn pair(self: &Arc<Self>, moment: &Arc<Moment>) -> Result<Pair, PairError> {
        let folder = self.at(moment.member);
        let other = match self.is_shared {
            true => {
                let (world, moment) = (Arc::clone(self), Arc::clone(moment));
                let store = Arc::new(Line { world, moment });
                // Pages are kept by another thread: what comes after so many requests would be chance.
                let cache = match self.disk {
                    Some(_) => Arc::new(NoCache) as Arc<dyn PageCache>,
                    None => gobag_pair::pages(&folder),
                };
                Other::from(workspace_by(store, cache, Arc::new(Drawn(Arc::clone(self)))))
            }
            false => Other::Folder(self.at(1)),
        };
        Pair::make(
            &folder,
            other,
            [RootId([1 + moment.member as u8; 16]), RootId([9; 16])],
        )
    }

    /// What is to go wrong with the disk.
    fn plan_failures(&self, moment: &Moment) {
        let Some(disk) = &self.disk else { return };
        if moment.member != 0 || moment.calm == CALM {
            return;
        }
        let (kind, after) = self.draw(|dice| {
            let most = 1 << (3 + dice.below(6));
            (dice.below(6), dice.below(most))
        });
        match kind {
            0 => disk.fail(after, Errno::IO.raw_os_error()),
            1 => disk.fail(after, Errno::NOSPC.raw_os_error()),
            2 => disk.fail(after, Errno::ACCESS.raw_os_error()),
            3 | 4 => disk.stop(after),
            _ => return,
        }
        self.tell(|| format!("disk: {kind} after {after}"));
    }

    /// In the middle of a pass.
    pub(crate) fn meanwhile(self: &Arc<Self>, moment: &Moment) {
        if moment.calm == CALM {
            return;
        }
        let is_alone = moment.is_copying.load(SeqCst);
        match self.draw(|dice| dice.below(10 * moment.calm)) {
            0 => {
                self.tell(|| "crash".to_owned());
                resume_unwind(Box::new(Crash));
            }
            1..=3 if is_alone && self.is_at_work(moment.member) => self.user(moment.member),
            // Whose folder nobody else looks at now.
            4..=5 if (is_alone || self.is_shared) && self.is_at_work(1 - moment.member) => {
                self.user(1 - moment.member);
            }
            6..=8 if self.is_shared && !moment.is_within => {
                self.tell(|| "meanwhile".to_owned());
                self.pass_of(Moment {
                    member: 1 - moment.member,
                    is_within: true,
                    calm: moment.calm,
                    is_copying: AtomicBool::new(false),
                    is_cancelled: AtomicBool::new(false),
                });
            }
            9 => self.server.deliver(),
            _ => {}
        }
    }
}

/// A user of a folder whose passes hear of it.
struct Watch {
    world: Arc<World>,
    moment: Arc<Moment>,
}

impl Monitor for Watch {
    fn phase(&self, name: &str, _: Option<u64>) {
        // Until then both sides are looked at, at once.
        self.moment.is_copying.store(name == "copying", SeqCst);
    }

    fn advance(&self, _: u64) {}

    fn is_cancelled(&self) -> bool {
        if self.moment.is_copying.load(SeqCst) && self.moment.calm != CALM {
            self.world.meanwhile(&self.moment);
            if self.world.draw(|dice| dice.one_in(40 * self.moment.calm)) {
                self.moment.is_cancelled.store(true, SeqCst);
            }
        }
        self.moment.is_cancelled.load(SeqCst)
    }
}

/// A workspace to be read.
pub(crate) fn workspace(store: Arc<dyn Store>) -> Workspace {
    workspace_by(store, Arc::new(NoCache), Arc::new(Nothing))
}

fn workspace_by(store: Arc<dyn Store>, cache: Arc<dyn PageCache>, random: Arc<dyn Random>) -> Workspace {
    Workspace::new(gobag_workspace::Options {
        id: WorkspaceId([9; 16]),
        key: &Key::from_bytes([7; 32]),
        store,
        cache,
        name: "sales".to_owned(),
        by: "Ada".to_owned(),
        random,
        // Often.
        sweep_after: |needed| needed as u64 / 2,
    })
}

/// What a world's dice say.
struct Drawn(Arc<World>);

impl Random for Drawn {
    fn fill(&self, out: &mut [u8]) {
        self.0.draw(|dice| dice.fill(out));
    }
}

/// For whoever only reads.
struct Nothing;

impl Random for Nothing {
    fn fill(&self, _: &mut [u8]) {
        unreachable!("nothing is written");
    }
}
