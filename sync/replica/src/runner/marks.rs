//! Names for moments: what a person or the clock asks for, and how the guest is held still for it.
//!
//! Held still means: its file systems are written out and take no writes ([`Freezer`]). Nothing but the snapshot is taken meanwhile, which
//! needs no network and reads nothing, so it lasts as long as the stick takes to write what is pending. That is done when little is
//! left to send: a snapshot that leaves something over would show no moment.

use std::time::{Duration, Instant};

use gobag_protocol::{
    bytes::Sealed,
    limits::MAX_BOOKMARKS,
    points::{Bookmark, BookmarkKind},
};

use super::{Control, MarkStatus, Rules};
use crate::{
    error::SendError,
    remote::Remote,
    sender::{MOST_BYTES, Passed, Sender, Taken},
};

/// The name of moments that the clock asks for.
const AUTOMATIC: &str = "by the clock";
/// The first of them comes after this part of the time between two: a session may be short.
const FIRST_AFTER: u32 = 4;
/// How long a guest that was held still for a name is left alone if that name did not get through.
const FREEZE_AGAIN_AFTER: Duration = Duration::from_secs(600);

/// Holds the file systems of a guest still.
pub trait Freezer: Send + Sync {
    /// Calls `take` once, whatever happens; says whether the guest's file systems stood still from before until after it, or why not. They
    /// go on when this returns or soon after, also if `take` lasts too long.
    fn freeze(&self, take: &mut dyn FnMut()) -> Result<(), String>;
}

/// A name for the moment at which it is asked for.
pub(super) struct Mark {
    pub(super) kind: BookmarkKind,
    pub(super) name: String,
    /// When the guest was last held still for it.
    pub(super) frozen: Option<Instant>,
}

impl Mark {
    /// Whether the guest may be held still for it now.
    fn may_freeze(&self) -> bool {
        let is_over = |frozen: Instant| frozen.elapsed() >= FREEZE_AGAIN_AFTER;
        self.kind == BookmarkKind::Application && self.frozen.is_none_or(is_over)
    }
}

/// Gives names to what is sent.
pub(super) struct Marks<'a> {
    freezer: Option<&'a dyn Freezer>,
    /// Between two by the clock; none if zero.
    every: Duration,
    automatic: Instant,
    /// Whether anything was sent since the last one by the clock.
    is_changed: bool,
    /// The last pass met blocks that the stick cannot read: the next one will show no moment either.
    is_unreadable: bool,
}

impl<'a> Marks<'a> {
    pub(super) fn new(rules: &'a Rules, now: Instant) -> Self {
        let every = Duration::from_secs(rules.policy.bookmark_every_s.min(u32::MAX.into()));
        Self {
            freezer: rules.freezer.as_deref(),
            every,
            automatic: now + every / FIRST_AFTER,
            is_changed: false,
            is_unreadable: false,
        }
    }

    /// One pass of at most so many bytes, with the names that wait.
    pub(super) fn pass<R: Remote>(
        &mut self,
        sender: &mut Sender<R>,
        most_bytes: u64,
        control: &Control,
    ) -> Result<Passed, SendError> {
        let mut waiting = std::mem::take(&mut control.shared().marks);
        let is_due = self.is_automatic_due() && !self.is_unreadable;
        let asked = waiting.iter().any(Mark::may_freeze) && !self.is_unreadable;
        let (taken, frozen) = match self.freezer {
            // More would be over than a short pass takes; it comes to it later.
            Some(freezer) if (is_due || asked) && sender.unsent_bytes() <= most_bytes => {
                for mark in &mut waiting {
                    mark.frozen = Some(Instant::now());
                }
                freeze(sender, freezer, control)
            }
            freezer => {
                // Whoever waits for the end has no later.
                let is_for_later = freezer.is_some() && !self.is_unreadable && !control.is_ending();
                let taken = sender.take(most_bytes, &control.progress);
                (taken, Frozen::No { is_for_later })
            }
        };
        let (now, later): (Vec<Mark>, Vec<Mark>) = waiting.into_iter().partition(|mark| {
            !(frozen == Frozen::No { is_for_later: true } && mark.kind == BookmarkKind::Application)
        });
        let (now, over) = split(now);
        let automatic = is_due && frozen == Frozen::Yes;
        if is_due && matches!(frozen, Frozen::Yes | Frozen::Failed) {
            self.automatic = Instant::now() + self.every;
        }
        let kind = |mark: &Mark| match (mark.kind, frozen) {
            (BookmarkKind::Application, Frozen::Yes) => BookmarkKind::Application,
            (BookmarkKind::Application, _) => BookmarkKind::User,
            (kind, _) => kind,
        };
        let named = now.iter().map(|mark| (kind(mark), mark.name.as_str()));
        let named: Vec<_> = named
            .chain(automatic.then_some((BookmarkKind::Automatic, AUTOMATIC)))
            .collect();
        // Names that are too long were refused where they were given.
        let sealed = named.iter().filter_map(|(kind, name)| {
            let label = Sealed::new(sender.label(name)).ok()?;
            Some(Bookmark { kind: *kind, label })
        });
        let sealed: Vec<Bookmark> = sealed.collect();
        let passed = taken.and_then(|taken| sender.send(taken, sealed, &control.progress));
        self.is_changed |= matches!(passed, Ok(Passed::Point { .. }));
        match &passed {
            Ok(Passed::Nothing) => self.is_unreadable = false,
            Ok(Passed::Unreadable { .. }) => self.is_unreadable = true,
            Ok(Passed::Point { unreadable, .. }) => self.is_unreadable = *unreadable > 0,
            Err(_) => {}
        }
        let mut shared = control.shared();
        let mut back = later;
        match passed {
            Ok(Passed::Point {
                complete: true,
                generation,
                ..
            }) => {
                let status = &mut shared.status;
                status.marks += now.len() as u64;
                let last = now.last().map(kind);
                status.last_mark = last
                    .map(|kind| MarkStatus { kind, generation })
                    .or(status.last_mark);
                if automatic {
                    status.automatic_marks += 1;
                    self.is_changed = false;
                }
                // The next point's, right away.
                shared.is_woken |= !over.is_empty() || back.iter().any(Mark::may_freeze);
            }
            _ => back.extend(now),
        }
        back.extend(over);
        back.append(&mut shared.marks);
        shared.marks = back;
        drop(shared);
        passed
    }

    fn is_automatic_due(&self) -> bool {
        !self.every.is_zero() && self.is_changed && self.freezer.is_some() && self.automatic <= Instant::now()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Frozen {
    /// From before the snapshot until after it.
    Yes,
    /// It was tried.
    Failed,
    /// It was not tried, but may be later.
    No { is_for_later: bool },
}

/// Takes everything, however much the guest wrote out for it: it has to show one moment.
fn freeze<R: Remote>(
    sender: &mut Sender<R>,
    freezer: &dyn Freezer,
    control: &Control,
) -> (Result<Taken, SendError>, Frozen) {
    let mut taken = None;
    let frozen = freezer.freeze(&mut || taken = Some(sender.take(MOST_BYTES, &control.progress)));
    let frozen = match frozen {
        Ok(()) => Frozen::Yes,
        Err(reason) => {
            tracing::info!(%reason, "the guest's file systems were not held still");
            Frozen::Failed
        }
    };
    // One that did not take anything gets it taken after all.
    let taken = taken.unwrap_or_else(|| sender.take(MOST_BYTES, &control.progress));
    (taken, frozen)
}

/// Those that fit one point beside one by the clock, and the others.
fn split(mut marks: Vec<Mark>) -> (Vec<Mark>, Vec<Mark>) {
    let over = marks.split_off(marks.len().min(MAX_BOOKMARKS - 1));
    (marks, over)
}
