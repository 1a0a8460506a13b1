//! What a program brings to these commands: how it is called, and how it reaches a workspace of its company's.

use std::{path::Path, sync::Arc};

use gobag_client::{Client, UploadLimit};
use gobag_format::{crypto::Key, ids::WorkspaceId};
use gobag_member::{Joined, MemberError, ServerStore};
use gobag_stores::ElsewhereError;
use gobag_term::{Interrupt, Ui};
use gobag_workspace::{Ahead, Store};
use thiserror::Error;

use crate::{Right, SystemRandom, text::one_line};

/// A program that offers these commands.
pub trait Program: Send + Sync {
    /// How somebody types a command of it, such as `holds confirm LEFT`.
    fn call(&self, command: &str) -> String;

    /// A workspace that it has the key of, and where that is kept. Asked for each pass anew; `interrupt` ends waiting for a turn to send.
    fn reach(
        &self,
        workspace: &str,
        limit: &UploadLimit,
        interrupt: Option<Interrupt>,
    ) -> Result<Reached, ReachError>;

    /// What somebody who pairs a folder with a workspace has to know of where it is kept.
    fn words_at_pairing(&self, _workspace: &str) -> Result<Option<String>, ReachError> {
        Ok(None)
    }

    /// Whether what it reaches workspaces by is still there; asked often while a pass is made, and one during which it goes is ended.
    fn is_there(&self) -> bool {
        true
    }
}

/// A workspace that can be worked on.
pub struct Reached {
    /// Which.
    pub id: WorkspaceId,
    /// Its key.
    pub key: Key,
    /// Where it is kept.
    pub at: KeptAt,
}

impl Reached {
    /// One at the company's server, through a client with the member's certificate.
    pub fn at_server(joined: &Joined, client: Client) -> Self {
        let store = ServerStore::new(client, joined.workspace, Arc::new(SystemRandom));
        Self {
            id: joined.workspace,
            key: joined.key.clone(),
            at: KeptAt::Server(Box::new(store)),
        }
    }
}

/// Where a workspace is kept.
pub enum KeptAt {
    /// At the company's server, which tells of new points.
    Server(Box<ServerStore>),
    /// Elsewhere.
    Elsewhere(Arc<dyn Store>),
}

impl KeptAt {
    /// The same to who only reads and writes; a server takes packs while the next ones are filled.
    pub(crate) fn store(self) -> Arc<dyn Store> {
        match self {
            Self::Server(store) => Arc::new(Ahead::new(Arc::new(*store))),
            Self::Elsewhere(store) => store,
        }
    }
}

/// Why a workspace cannot be reached.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReachError {
    /// What the program is, or the company's server.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// The place where it is kept, which is not the company's server.
    #[error(transparent)]
    Elsewhere(#[from] ElsewhereError),
    /// The stick was never enrolled.
    #[error("this stick is not known to your company's server")]
    StickUnknown,
    /// The stick with its keys is away.
    #[error("the stick was pulled out")]
    StickGone,
}

impl ReachError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Member(error) => error.code(),
            Self::Elsewhere(error) => error.code(),
            Self::StickUnknown => "member.not-enrolled",
            Self::StickGone => "sync.stick-gone",
        }
    }
}

/// Where a command is typed.
pub struct Shell<'a> {
    /// The terminal.
    pub ui: &'a Ui,
    /// The program.
    pub program: Arc<dyn Program>,
    /// What `LEFT` and `RIGHT` are in this command, as they are typed.
    named: [Option<String>; 2],
}

impl<'a> Shell<'a> {
    /// That of a command that names no folders, yet.
    pub fn new(ui: &'a Ui, program: Arc<dyn Program>) -> Self {
        Self {
            ui,
            program,
            named: [None, None],
        }
    }

    /// That of a command about these.
    pub(crate) fn about(&self, left: &Path, right: Option<&Right>) -> Self {
        Self {
            ui: self.ui,
            program: Arc::clone(&self.program),
            named: [
                Some(quoted(&left.to_string_lossy())),
                right.map(|right| quoted(&right.to_string())),
            ],
        }
    }

    /// A command as somebody types it, between marks; `LEFT` and `RIGHT` stand for what they are here, if that is known.
    pub(crate) fn call(&self, command: &str) -> String {
        let [left, right] = &self.named;
        let mut is_quoted = false;
        let words = command.split(' ').map(|word| {
            let named = match word {
                "LEFT" if !is_quoted => left.as_deref(),
                "RIGHT" if !is_quoted => right.as_deref(),
                _ => None,
            };
            is_quoted ^= word.replace(r"\'", "").matches('\'').count() % 2 == 1;
            named.unwrap_or(word)
        });
        let words: Vec<&str> = words.collect();
        format!("`{}`", self.program.call(&words.join(" ")))
    }
}

/// A word as a shell wants it typed.
pub fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "_-./:@%+=,".contains(character);
    let mut word = one_line(word);
    if word.starts_with('-') {
        word.insert_str(0, "./");
    }
    // Names that stand for others here are none of those.
    let is_plain = !word.is_empty() && word.chars().all(is_plain) && word != "LEFT" && word != "RIGHT";
    match is_plain {
        true => word,
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_word_for_a_shell() {
        for (word, typed) in [
            ("/home/ada/Documents", "/home/ada/Documents"),
            ("My Documents", "'My Documents'"),
            ("it's", r"'it'\''s'"),
            ("-rf", "./-rf"),
            ("workspace:sales", "workspace:sales"),
            ("a\nb", r"'a\u{a}b'"),
            ("-my dir", "'./-my dir'"),
            ("RIGHT", "'RIGHT'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), typed);
        }
    }
}
