//! A computer of which nothing is known, for tests to add to; and the recorded ones.

use crate::capture::{About, Capture, Recorded, System};
use crate::probe::Scene;

/// Tests' hour: 14 November 2025, 12:00 UTC.
pub(super) const NOW_S: u64 = 1_763_121_600;

/// A computer under construction.
pub(super) struct Bare(Recorded);

/// Nothing is known of it.
pub(super) fn bare() -> Bare {
    let text = format!("{{\"format\":1,\"system\":\"linux\",\"now_s\":{NOW_S},\"captures\":{{}}}}");
    Bare(Recorded::read(&text).expect("a recording"))
}

impl Bare {
    pub(super) fn with(self, key: &str, capture: Capture) -> Self {
        Self(self.0.with(key, capture))
    }

    pub(super) fn json(self, key: &str, json: &str) -> Self {
        self.with(key, Capture::of(json))
    }

    pub(super) fn text(self, key: &str, text: &str) -> Self {
        self.with(key, Capture::of(text))
    }

    pub(super) fn about(mut self, change: impl FnOnce(&mut About)) -> Self {
        change(&mut self.0.about);
        self
    }

    pub(super) fn scene(self) -> Scene {
        assert_eq!(self.0.about.system, System::Linux);
        Scene::of(self.0)
    }
}
