//! Telling about a volume's errors: one line of log now and then, and the launcher's hook every time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use gobag_bundle::VolumeError;

use crate::limits::REPORT_PERIOD;

/// Called with the export's name for every error of the medium ([`VolumeError::Medium`], [`VolumeError::Damaged`],
/// [`VolumeError::Full`] and what later versions add), possibly often and from many threads at once: it must be quick
/// and must not wait for the mount.
pub type ErrorHook = Arc<dyn Fn(&str, &VolumeError) + Send + Sync>;

/// The errors of one export.
pub(crate) struct Reporter {
    hook: Option<ErrorHook>,
    seen: Mutex<HashMap<&'static str, Seen>>,
}

struct Seen {
    last: Instant,
    unsaid: u64,
}

impl Reporter {
    pub(crate) fn new(hook: Option<ErrorHook>) -> Self {
        Self {
            hook,
            seen: Mutex::default(),
        }
    }

    /// Reports an error that is not the caller's own mistake.
    pub(crate) fn report(&self, export: &str, error: &VolumeError) {
        if matches!(error, VolumeError::OutOfRange { .. } | VolumeError::ReadOnly) {
            return;
        }
        if let Some(unsaid) = self.is_due(error.code(), Instant::now()) {
            let code = error.code();
            let cause = std::error::Error::source(error).map(ToString::to_string);
            // For whoever looks for a fault; people are told by the hook's owner, in words.
            tracing::info!(export, code, unsaid, cause, "{error}");
        }
        if let Some(hook) = &self.hook {
            hook(export, error);
        }
    }

    /// Whether a line is due, and then how many were left out since the last one.
    fn is_due(&self, code: &'static str, now: Instant) -> Option<u64> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = seen.get_mut(code) else {
            seen.insert(code, Seen { last: now, unsaid: 0 });
            return Some(0);
        };
        if now.duration_since(entry.last) < REPORT_PERIOD {
            entry.unsaid += 1;
            return None;
        }
        entry.last = now;
        Some(std::mem::take(&mut entry.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_period_and_kind_and_the_rest_is_counted() {
        let reporter = Reporter::new(None);
        let start = Instant::now();
        assert_eq!(reporter.is_due("a", start), Some(0));
        assert_eq!(reporter.is_due("a", start), None);
        assert_eq!(
            reporter.is_due("b", start),
            Some(0),
            "another kind has its own line"
        );
        assert_eq!(reporter.is_due("a", start + REPORT_PERIOD / 2), None);
        assert_eq!(reporter.is_due("a", start + REPORT_PERIOD), Some(2));
    }

    #[test]
    fn the_hook_hears_the_medium_but_not_the_callers_mistakes() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&heard);
        let hook: ErrorHook = Arc::new(move |export, error| {
            sink.lock().unwrap().push(format!("{export} {}", error.code()));
        });
        let reporter = Reporter::new(Some(hook));
        reporter.report("home.img", &VolumeError::ReadOnly);
        reporter.report("home.img", &VolumeError::Full);
        reporter.report("home.img", &VolumeError::Full);
        assert_eq!(
            *heard.lock().unwrap(),
            ["home.img volume.full", "home.img volume.full"]
        );
    }
}
