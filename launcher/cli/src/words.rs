//! What a running session says: what happened, what still works, what to do next.
//!
//! The reader may be tired, frightened and no friend of computers. Short sentences, no word that needs explaining, and
//! first of all whether anything is lost.

use std::path::PathBuf;

use gobag_engine::accel::Accelerator;
use gobag_term::Ui;

/// Something a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// The guest's first instructions run.
    Starting(Accelerator),
    /// The guest's kernel was seen to run.
    Running,
    /// Another accelerator is tried.
    FellBack {
        /// Without success.
        from: Accelerator,
        /// Next.
        to: Accelerator,
    },
    /// The medium does not answer.
    StickGone,
    /// It answers again.
    StickBack {
        /// Where.
        path: PathBuf,
    },
    /// It answers, but was used elsewhere meanwhile.
    StickChanged {
        /// Where.
        path: PathBuf,
    },
    /// Asked to end while the stick is gone.
    StopWithoutStick,
    /// No room for changes.
    Full,
    /// Something does not read.
    Damaged,
    /// No room for changes; programs get errors.
    FullInUse,
    /// Something does not read; programs get errors.
    DamagedInUse,
    /// The guest stands still by itself.
    GuestStandsStill {
        /// QEMU's word for it.
        state: String,
    },
    /// The guest was asked to power down.
    ShuttingDown,
    /// Programs were asked to end.
    Ending,
    /// The guest powers down by itself.
    GuestShutsDown,
    /// It did not in time.
    TookTooLong,
    /// The power is cut.
    SwitchingOff,
}

enum Tone {
    Say,
    Ok,
    Warn,
    Fail,
}

impl Message {
    /// The message in words.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Starting(Accelerator::Tcg) => "Your workstation is starting. This computer can only imitate its \
                 processor, so it is several times slower than usual; the first start can take minutes."
                .to_owned(),
            Self::Starting(_) => "Your workstation is starting.".to_owned(),
            Self::Running => "Your workstation is running. To end, shut it down as usual, or press Ctrl-C here.".to_owned(),
            Self::FellBack { from, to } => format!(
                "Your workstation gave no sign of life with {from}. It is being started again with {to}, which is slower \
                 and works everywhere. Nothing is lost."
            ),
            Self::StickGone => "The stick does not answer. Was it pulled out? Everything stands still and waits; \
                 nothing is lost. Plug the stick in again, and it goes on by itself."
                .to_owned(),
            Self::StickBack { path } => format!("The stick is back (at {}). It goes on.", path.display()),
            Self::StickChanged { path } => format!(
                "The stick at {} was used elsewhere since it was pulled out, so this session cannot go on with it. \
                 What is on the stick is safe. Press Ctrl-C twice to end this session, then start again.",
                path.display()
            ),
            Self::StopWithoutStick => "The stick is not there, so it cannot end properly. Plug it in \
                 again and it will. Or press Ctrl-C once more to switch it off: then only what was not saved yet is lost."
                .to_owned(),
            Self::Full => "The stick has no room for more changes. Your workstation stands still; everything saved so far is \
                 safe. Press Ctrl-C to switch it off, start it again, and delete what you do not need."
                .to_owned(),
            Self::Damaged => "A part of the stick cannot be read. Your workstation stands still; everything else on the \
                 stick is safe. Press Ctrl-C to switch it off, run `gobag verify` to see what is damaged, and phone your IT."
                .to_owned(),
            Self::FullInUse => "The stick has no room for more changes. Everything saved so far is safe; saving fails until you \
                 delete what you do not need."
                .to_owned(),
            Self::DamagedInUse => "A part of the stick cannot be read. Everything else on it is safe. \
                 Run `gobag verify` afterwards to see what is damaged, and phone your IT."
                .to_owned(),
            Self::Ending => "Ending. Please leave the stick in.".to_owned(),
            Self::GuestStandsStill { state } => format!(
                "Your workstation stands still ({state}). Everything saved so far is safe. Press Ctrl-C to switch it off, \
                 then start it again."
            ),
            Self::ShuttingDown => "Shutting your workstation down. Please leave the stick in. \
                 (Ctrl-C once more switches it off at once, like pulling the plug of a PC.)"
                .to_owned(),
            Self::GuestShutsDown => "Your workstation is shutting down. Please leave the stick in.".to_owned(),
            Self::TookTooLong => "Your workstation does not shut down by itself.".to_owned(),
            Self::SwitchingOff => "Switching your workstation off.".to_owned(),
        }
    }

    /// Says it.
    pub(crate) fn tell(&self, ui: &Ui) {
        let text = self.text();
        match self.tone() {
            Tone::Say => ui.say(&text),
            Tone::Ok => ui.ok(&text),
            Tone::Warn => ui.warn(&text),
            Tone::Fail => ui.fail(&text),
        }
    }

    fn tone(&self) -> Tone {
        match self {
            Self::Running | Self::StickBack { .. } => Tone::Ok,
            Self::Starting(_) | Self::ShuttingDown | Self::Ending | Self::GuestShutsDown => Tone::Say,
            Self::Damaged | Self::DamagedInUse | Self::GuestStandsStill { .. } => Tone::Fail,
            Self::FellBack { .. }
            | Self::StickGone
            | Self::StickChanged { .. }
            | Self::StopWithoutStick
            | Self::Full
            | Self::FullInUse
            | Self::TookTooLong
            | Self::SwitchingOff => Tone::Warn,
        }
    }
}
