//! Counters for Prometheus, as text. No name of a tenant, stick or person is in them.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Upper ends of the histogram's bars, seconds.
const BARS_S: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// What this replica did since it started.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(String, &'static str, u16), u64>>,
    durations: Mutex<BTreeMap<String, Durations>>,
    /// Objects that were new.
    pub objects_stored: AtomicU64,
    /// Their bytes.
    pub object_bytes_stored: AtomicU64,
    /// Bytes of objects given out, as far as they were asked for.
    pub object_bytes_read: AtomicU64,
    /// Objects that were asked for and are given out by the bucket itself.
    pub objects_redirected: AtomicU64,
    /// Points made or told again.
    pub points: AtomicU64,
    /// Times that pruning came to its end here.
    pub prunings: AtomicU64,
    /// Sticks and workspaces that could not be pruned.
    pub sticks_not_pruned: AtomicU64,
    /// 1 while the clock is in doubt.
    pub clock_doubtful: AtomicU64,
    /// Points removed.
    pub points_pruned: AtomicU64,
    /// Objects removed.
    pub objects_pruned: AtomicU64,
    /// Their bytes.
    pub object_bytes_pruned: AtomicU64,
    /// Connections now.
    pub connections: AtomicU64,
    /// Requests that wait for a newer point now.
    pub waiting: AtomicU64,
    /// Connections that did not come to a request: no TLS, no certificate of ours.
    pub handshakes_failed: AtomicU64,
}

#[derive(Default)]
struct Durations {
    bars: [u64; BARS_S.len()],
    count: u64,
    sum_s: f64,
}

impl Metrics {
    /// Counts one answer. `route` is the pattern, not the path.
    pub(crate) fn answered(&self, route: &str, method: &'static str, status: u16, took: Duration) {
        let key = (route.to_owned(), method, status);
        *self
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(key)
            .or_default() += 1;
        let mut durations = self.durations.lock().unwrap_or_else(PoisonError::into_inner);
        let durations = durations.entry(route.to_owned()).or_default();
        let seconds = took.as_secs_f64();
        durations.count += 1;
        durations.sum_s += seconds;
        for (bar, end) in durations.bars.iter_mut().zip(BARS_S) {
            *bar += u64::from(seconds <= end);
        }
    }

    /// The text that Prometheus reads.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, to: &mut String) -> std::fmt::Result {
        writeln!(to, "# TYPE gobag_requests_total counter")?;
        for ((route, method, status), count) in &*self.requests.lock().unwrap_or_else(PoisonError::into_inner)
        {
            writeln!(
                to,
                "gobag_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}} {count}"
            )?;
        }
        writeln!(to, "# TYPE gobag_request_seconds histogram")?;
        for (route, durations) in &*self.durations.lock().unwrap_or_else(PoisonError::into_inner) {
            for (bar, end) in durations.bars.iter().zip(BARS_S) {
                writeln!(
                    to,
                    "gobag_request_seconds_bucket{{route=\"{route}\",le=\"{end}\"}} {bar}"
                )?;
            }
            let (count, sum_s) = (durations.count, durations.sum_s);
            writeln!(
                to,
                "gobag_request_seconds_bucket{{route=\"{route}\",le=\"+Inf\"}} {count}"
            )?;
            writeln!(to, "gobag_request_seconds_sum{{route=\"{route}\"}} {sum_s}")?;
            writeln!(to, "gobag_request_seconds_count{{route=\"{route}\"}} {count}")?;
        }
        for (name, kind, value) in [
            ("gobag_objects_stored_total", "counter", &self.objects_stored),
            (
                "gobag_object_bytes_stored_total",
                "counter",
                &self.object_bytes_stored,
            ),
            (
                "gobag_object_bytes_read_total",
                "counter",
                &self.object_bytes_read,
            ),
            (
                "gobag_objects_redirected_total",
                "counter",
                &self.objects_redirected,
            ),
            ("gobag_points_total", "counter", &self.points),
            ("gobag_prunings_total", "counter", &self.prunings),
            (
                "gobag_sticks_not_pruned_total",
                "counter",
                &self.sticks_not_pruned,
            ),
            ("gobag_clock_doubtful", "gauge", &self.clock_doubtful),
            ("gobag_points_pruned_total", "counter", &self.points_pruned),
            ("gobag_objects_pruned_total", "counter", &self.objects_pruned),
            (
                "gobag_object_bytes_pruned_total",
                "counter",
                &self.object_bytes_pruned,
            ),
            ("gobag_connections", "gauge", &self.connections),
            ("gobag_waiting", "gauge", &self.waiting),
            (
                "gobag_handshakes_failed_total",
                "counter",
                &self.handshakes_failed,
            ),
        ] {
            writeln!(
                to,
                "# TYPE {name} {kind}\n{name} {}",
                value.load(Ordering::Relaxed)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_route_and_status() {
        let metrics = Metrics::default();
        for ms in [2, 20] {
            metrics.answered("/v1/hello", "GET", 200, Duration::from_millis(ms));
        }
        let text = metrics.text();
        for line in [
            r#"gobag_requests_total{route="/v1/hello",method="GET",status="200"} 2"#,
            r#"gobag_request_seconds_bucket{route="/v1/hello",le="0.001"} 0"#,
            r#"gobag_request_seconds_bucket{route="/v1/hello",le="0.005"} 1"#,
            r#"gobag_request_seconds_bucket{route="/v1/hello",le="+Inf"} 2"#,
            "gobag_connections 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
