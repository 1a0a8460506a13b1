//! Recordings: everything that was looked at, as one JSON text that diffs well. The format stands in `docs/host-checks.md`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use gobag_checklists::Obstacle;
use serde::{Deserialize, Serialize};

use super::scrub::Scrub;
use super::{Capture, Host};
use crate::limits::MAX_RECORDING_BYTES;

/// The version of the format that is written.
const FORMAT: u32 = 1;

/// Which system's probes a recording is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum System {
    /// Linux.
    Linux,
    /// Windows.
    Windows,
    /// macOS.
    Macos,
}

impl System {
    /// Of this program.
    pub(crate) const OWN: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::Macos
    } else {
        Self::Linux
    };
}

/// What the probes were told, beside what they see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// The system.
    pub(crate) system: System,
    /// Where the recording comes from, in words; recordings written by hand say so here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
    /// The computer's clock, seconds since 1970 UTC.
    pub(crate) now_s: u64,
    /// When this program was made.
    #[serde(default)]
    pub(crate) released_s: u64,
    /// Was everything read with the administrator's rights?
    #[serde(default)]
    pub(crate) administrator: bool,
    /// The desktop's name (`GNOME`, `KDE`), if one runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) desktop: Option<String>,
    /// The stick's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stick: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    #[serde(flatten)]
    about: About,
    captures: BTreeMap<String, Kept>,
}

/// A capture as it is written: easy to read, and to write by hand.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Kept {
    /// A text, split at every `\n`; one that ends with it has an empty last line.
    Lines(Vec<String>),
    /// Bytes that are no text.
    Hex { hex: String },
    /// A failure.
    Failed {
        failed: Obstacle,
        #[serde(default)]
        message: String,
    },
    /// An answer with parts.
    Json { json: serde_json::Value },
}

/// A finished recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recording {
    /// The text to write, a JSON document.
    #[serde(skip)]
    pub text: String,
    /// What was looked at, and is kept: one name for each capture.
    pub kept: Vec<String>,
    /// What was taken out, and how many different ones of it (`user names`: 1).
    pub removed: BTreeMap<&'static str, usize>,
}

/// Why a recording cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// It is too long.
    #[error("the recording is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// It is no recording.
    #[error("this is no recording of a computer")]
    Malformed(#[source] serde_json::Error),
    /// It was made by a newer program.
    #[error("the recording has format {found}, and this program reads {FORMAT}")]
    Format {
        /// The format it has.
        found: u32,
    },
}

impl RecordingError {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "host.recording-too-long",
            Self::Malformed(_) => "host.recording-malformed",
            Self::Format { .. } => "host.recording-format",
        }
    }
}

/// Looks at another host and remembers what it saw.
pub(crate) struct Recorder<H> {
    inner: H,
    seen: Mutex<BTreeMap<String, Capture>>,
}

impl<H: Host> Recorder<H> {
    pub(crate) fn new(inner: H) -> Self {
        Self {
            inner,
            seen: Mutex::default(),
        }
    }

    fn keep(&self, key: String, capture: Capture) -> Capture {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // The first look counts: what two probes ask for is the same for both.
        seen.entry(key).or_insert(capture).clone()
    }

    /// Everything that was seen, without the persons in it.
    pub(crate) fn finish(&self, about: &About, scrub: &mut Scrub) -> Recording {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut captures = BTreeMap::new();
        if let Some(Ok(mounts)) = seen.get("file /proc/self/mountinfo").map(Capture::text) {
            scrub.learn_media(&mounts);
        }
        for (key, capture) in &*seen {
            captures.insert(scrub.key(key), kept(key, capture, scrub));
        }
        let about = About {
            stick: about.stick.as_deref().map(|folder| scrub.text(folder)),
            ..about.clone()
        };
        let kept = captures.keys().cloned().collect();
        let document = Document {
            format: FORMAT,
            about,
            captures,
        };
        // A map with text keys can always be written.
        let text = serde_json::to_string_pretty(&document).unwrap_or_default() + "\n";
        Recording {
            text,
            kept,
            removed: scrub.removed(),
        }
    }
}

fn kept(key: &str, capture: &Capture, scrub: &mut Scrub) -> Kept {
    match capture {
        Capture::Failed { obstacle, message } => Kept::Failed {
            failed: *obstacle,
            message: scrub.text(message),
        },
        Capture::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => {
                let text = scrub.capture(key, text);
                match serde_json::from_str::<serde_json::Value>(&text) {
                    Ok(json) if json.is_object() => Kept::Json { json },
                    _ => Kept::Lines(text.split('\n').map(str::to_owned).collect()),
                }
            }
            // Variables of the firmware are bytes, and hold no names.
            _ if key.contains("/efivars/") => Kept::Hex { hex: hex(bytes) },
            // Text in another encoding is searched like any other; what stands for its strange letters tells nothing.
            _ => {
                let lossy = || String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}");
                let text = capture.text().unwrap_or_else(|_| lossy());
                Kept::Lines(scrub.capture(key, &text).split('\n').map(str::to_owned).collect())
            }
        },
    }
}

macro_rules! keeping {
    ($self:ident, $key:expr, $look:expr) => {{
        let capture = $look;
        $self.keep($key, capture)
    }};
}

impl<H: Host> Host for Recorder<H> {
    fn file(&self, path: &str) -> Capture {
        keeping!(self, format!("file {path}"), self.inner.file(path))
    }

    fn list(&self, path: &str) -> Capture {
        keeping!(self, format!("list {path}"), self.inner.list(path))
    }

    fn link(&self, path: &str) -> Capture {
        keeping!(self, format!("link {path}"), self.inner.link(path))
    }

    fn program(&self, path: &str, args: &[&str]) -> Capture {
        keeping!(self, program_key(path, args), self.inner.program(path, args))
    }

    fn query(&self, name: &str) -> Capture {
        keeping!(self, format!("query {name}"), self.inner.query(name))
    }
}

fn program_key(path: &str, args: &[&str]) -> String {
    let mut key = format!("program {path}");
    for arg in args {
        key.push(' ');
        key.push_str(arg);
    }
    key
}

/// A computer that was recorded.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) about: About,
    captures: BTreeMap<String, Capture>,
}

impl Recorded {
    /// Reads a recording.
    pub(crate) fn read(text: &str) -> Result<Self, RecordingError> {
        if text.len() > MAX_RECORDING_BYTES {
            return Err(RecordingError::TooLong {
                limit: MAX_RECORDING_BYTES,
            });
        }
        let document: Document = serde_json::from_str(text).map_err(RecordingError::Malformed)?;
        if document.format != FORMAT {
            return Err(RecordingError::Format {
                found: document.format,
            });
        }
        let captures = document.captures.into_iter().map(|(key, kept)| {
            let capture = match kept {
                Kept::Lines(lines) => Capture::of(lines.join("\n")),
                Kept::Json { json } => Capture::of(json.to_string()),
                Kept::Hex { hex } => match unhex(&hex) {
                    Some(bytes) => Capture::Bytes(bytes),
                    None => Capture::failed(Obstacle::NotWorking, "the recording holds strange digits"),
                },
                Kept::Failed { failed, message } => Capture::failed(failed, message),
            };
            (key, capture)
        });
        Ok(Self {
            about: document.about,
            captures: captures.collect(),
        })
    }

    /// The same computer with one thing changed; for tests.
    #[cfg(test)]
    pub(crate) fn with(mut self, key: &str, capture: Capture) -> Self {
        self.captures.insert(key.to_owned(), capture);
        self
    }

    fn replay(&self, key: &str) -> Capture {
        self.captures
            .get(key)
            .cloned()
            .unwrap_or_else(|| Capture::failed(Obstacle::Missing, format!("{key}: not in the recording")))
    }
}

impl Host for Recorded {
    fn file(&self, path: &str) -> Capture {
        self.replay(&format!("file {path}"))
    }

    fn list(&self, path: &str) -> Capture {
        self.replay(&format!("list {path}"))
    }

    fn link(&self, path: &str) -> Capture {
        self.replay(&format!("link {path}"))
    }

    fn program(&self, path: &str, args: &[&str]) -> Capture {
        self.replay(&program_key(path, args))
    }

    fn query(&self, name: &str) -> Capture {
        self.replay(&format!("query {name}"))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = digits
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    digits.len().is_multiple_of(2).then(|| {
        digits
            .chunks_exact(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()
    })
}

#[cfg(test)]
mod tests;
