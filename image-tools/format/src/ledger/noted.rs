//! Points of its replica that a stick remembers.
//!
//! The newest one says up to where the company has received everything. Those before it serve when the company's server is put back to an
//! earlier state: the newest of them that is still there says since when the stick's changes have to be sent again. So that a few of them reach
//! far back, they lie the further apart the older they are: of those that are between 2ⁿ and 2ⁿ⁺¹ points older than the newest, the
//! oldest and the newest stay.

use serde::{Deserialize, Serialize};

use crate::{ids::PointId, limits::MAX_NOTED_POINTS};

/// A point of the stick's replica, as the stick remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedPoint {
    /// Its generation on the server.
    pub generation: u64,
    /// The attempt that made it.
    pub point: PointId,
    /// Number of the log's last record that it shows: a log that ends before it has lost what the company has.
    pub sequence: u64,
    /// Of a complete point: the use of a segment (its incarnation) in which the log was going on when the point was taken. Whatever lies in
    /// uses before it was received with this point; what was written later lies in this one or later ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment_use: Option<u64>,
    /// Whether who noted it knows [`LedgerRecord::replica_before`](super::LedgerRecord::replica_before), as [`LedgerRecord::note`](super::LedgerRecord::note)
    /// says. A program that does not, keeps that field as it is, also where a log that was set back has made it untrue.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub knows_before: bool,
}

/// Complete points from before the newest that was noted, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NotedPoints(Vec<NotedPoint>);

impl NotedPoints {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The points, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = NotedPoint> + '_ {
        self.0.iter().rev().copied()
    }

    /// Whether they are no more than anybody would have written.
    pub(super) fn is_sane(&self) -> bool {
        self.0.len() <= MAX_NOTED_POINTS
    }

    /// Adds `point`, now that the one of generation `newest` is noted, and thins the others out. Points that are not older than the
    /// newest go: the server that had them was put back.
    pub(super) fn push(&mut self, point: Option<NotedPoint>, newest: u64) {
        self.0.extend(point.filter(|point| point.segment_use.is_some()));
        self.0.retain(|point| point.generation < newest);
        self.0.sort_by_key(|point| point.generation);
        self.0.dedup_by_key(|point| point.generation);
        let all = &self.0;
        let distance = |at: usize| all.get(at).map(|point| (newest - point.generation).ilog2());
        let stays = |at: usize| {
            let here = distance(at);
            at.checked_sub(1).and_then(distance) != here || distance(at + 1) != here
        };
        self.0 = (0..all.len()).filter(|at| stays(*at)).map(|at| all[at]).collect();
        let too_many = self.0.len().saturating_sub(MAX_NOTED_POINTS);
        self.0.drain(..too_many);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(generation: u64, complete: bool) -> NotedPoint {
        NotedPoint {
            generation,
            point: PointId([generation as u8; 16]),
            sequence: generation,
            segment_use: complete.then_some(generation),
            knows_before: false,
        }
    }

    #[test]
    fn few_points_reach_far_back_and_lie_close_where_they_are_new() {
        let mut points = NotedPoints::default();
        let mut most = 0;
        for newest in 2..20_000_u64 {
            points.push(Some(point(newest - 1, true)), newest);
            most = most.max(points.0.len());
        }
        let newest = 19_999;
        for age in 1..newest - 1 {
            let found = points.newest_first().map(|point| newest - point.generation);
            let next = found.into_iter().find(|found| *found >= age).unwrap();
            assert!(next <= 4 * age, "the next point after {age} is {next} old");
        }
        assert!(most <= 2 * 15, "{most} points");
    }

    #[test]
    fn points_that_are_not_complete_or_not_before_the_newest_are_not_kept() {
        let mut points = NotedPoints::default();
        points.push(Some(point(1, true)), 2);
        points.push(Some(point(2, false)), 3);
        points.push(Some(point(3, true)), 4);
        let kept = |points: &NotedPoints| {
            points
                .newest_first()
                .map(|point| point.generation)
                .collect::<Vec<_>>()
        };
        assert_eq!(kept(&points), [3, 1]);
        // The server was put back: generation 3 is made anew.
        points.push(Some(point(4, true)), 3);
        assert_eq!(kept(&points), [1]);
    }

    #[test]
    fn there_are_never_more_than_a_ledger_takes() {
        let mut points = NotedPoints::default();
        let mut generation = 1;
        while generation < 1 << 61 {
            let before = point(generation, true);
            generation += generation / 2 + 1;
            points.push(Some(before), generation);
        }
        assert!(points.is_sane(), "{}", points.0.len());
    }
}
