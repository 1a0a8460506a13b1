//! The exit codes of all programs: documented API, one file, never renumbered. `docs/exit-codes.md` is generated from
//! here by [`table`].

use std::fmt::Write as _;

use serde::{Serialize, Serializer};

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// Everything asked for was done.
    Ok = 0,
    /// It failed for a reason that has no code of its own; the message says which.
    Failed = 1,
    /// The command line is wrong; nothing was done.
    Usage = 2,
    /// Done, and something was found that deserves attention, for instance damage during a verification.
    Findings = 3,
    /// This computer cannot run the image; nothing was started.
    HostUnfit = 4,
    /// The stick did not open: wrong passphrase, expired lease, access withdrawn, or no server where it opens only with one.
    LockedOut = 5,
    /// Stored data is damaged or was altered.
    Damaged = 6,
    /// Somebody else is using the stick or the repository right now.
    Busy = 7,
    /// The server was reached and said no.
    Refused = 8,
    /// The guest did not start, or died.
    GuestFailed = 9,
    /// A defect in the program itself; please report it.
    Bug = 70,
    /// Ended early on request: Ctrl-C, `kill`, or a closed terminal.
    Interrupted = 130,
}

impl ExitCode {
    /// All codes, ascending.
    pub const ALL: [Self; 12] = [
        Self::Ok,
        Self::Failed,
        Self::Usage,
        Self::Findings,
        Self::HostUnfit,
        Self::LockedOut,
        Self::Damaged,
        Self::Busy,
        Self::Refused,
        Self::GuestFailed,
        Self::Bug,
        Self::Interrupted,
    ];

    /// The number the shell sees.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The short name used in documents and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Findings => "findings",
            Self::HostUnfit => "host-unfit",
            Self::LockedOut => "locked-out",
            Self::Damaged => "damaged",
            Self::Busy => "busy",
            Self::Refused => "refused",
            Self::GuestFailed => "guest-failed",
            Self::Bug => "bug",
            Self::Interrupted => "interrupted",
        }
    }

    /// What it means, in one sentence.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "Everything asked for was done.",
            Self::Failed => "It failed for a reason that has no code of its own; the message says which.",
            Self::Usage => "The command line is wrong; nothing was done.",
            Self::Findings => {
                "Done, and something was found that deserves attention, for instance damage during a verification."
            }
            Self::HostUnfit => "This computer cannot run the image; nothing was started.",
            Self::LockedOut => {
                "The stick did not open: wrong passphrase, expired lease, access withdrawn, or no server where it opens only with one."
            }
            Self::Damaged => "Stored data is damaged or was altered.",
            Self::Busy => "Somebody else is using the stick or the repository right now.",
            Self::Refused => "The server was reached and said no.",
            Self::GuestFailed => "The guest did not start, or died.",
            Self::Bug => "A defect in the program itself; please report it.",
            Self::Interrupted => "Ended early on request: Ctrl-C, `kill`, or a closed terminal.",
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

impl Serialize for ExitCode {
    /// As its number: what the shell sees and what JSON says are the same.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

/// The document `docs/exit-codes.md`, complete.
#[must_use]
pub fn table() -> String {
    let mut text = String::from(
        "<!-- Generated from launcher/term/src/exit.rs; do not edit. -->\n\
         # Exit codes\n\n\
         All programs use the same codes. They are part of the interface: a code keeps its meaning in all later versions.\n\n\
         | code | name | meaning |\n|---:|---|---|\n",
    );
    for code in ExitCode::ALL {
        // Writing into a `String` cannot fail.
        let _ = writeln!(
            text,
            "| {} | `{}` | {} |",
            code.number(),
            code.name(),
            code.meaning()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scripts of customers depend on these: never change a line, only add.
    #[test]
    fn numbers_and_names_are_stable() {
        let listed: Vec<_> = ExitCode::ALL
            .iter()
            .map(|code| (code.number(), code.name()))
            .collect();
        let expected = [
            (0, "ok"),
            (1, "failed"),
            (2, "usage"),
            (3, "findings"),
            (4, "host-unfit"),
            (5, "locked-out"),
            (6, "damaged"),
            (7, "busy"),
            (8, "refused"),
            (9, "guest-failed"),
            (70, "bug"),
            (130, "interrupted"),
        ];
        assert_eq!(listed, expected);
    }

    #[test]
    fn the_document_has_a_line_per_code() {
        let text = table();
        assert!(text.ends_with("or a closed terminal. |\n"), "{text}");
        assert_eq!(text.matches("\n| ").count(), 1 + ExitCode::ALL.len());
        assert!(
            text.contains(
                "| 4 | `host-unfit` | This computer cannot run the image; nothing was started. |\n"
            )
        );
    }
}
