//! How long work tells its progress and learns that it should stop.

/// Receives progress from long work; implemented by the programs, handed in last.
pub trait Monitor: Sync {
    /// A phase begins: its name in plain words and, when known, how many bytes it will handle.
    fn phase(&self, name: &str, total_bytes: Option<u64>);

    /// `bytes` more of the current phase are done.
    fn advance(&self, bytes: u64);

    /// Whether the person asked to stop; long work looks at this at least once a second.
    fn is_cancelled(&self) -> bool;
}

/// A monitor that hears everything and says nothing.
pub struct Silent;

impl Monitor for Silent {
    fn phase(&self, _name: &str, _total_bytes: Option<u64>) {}

    fn advance(&self, _bytes: u64) {}

    fn is_cancelled(&self) -> bool {
        false
    }
}
